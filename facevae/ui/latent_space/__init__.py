"""The tab Inside the model."""
