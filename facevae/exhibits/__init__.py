"""Models with statistics of their latent spaces, shown in the tab Inside the model."""
