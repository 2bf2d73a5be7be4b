"""Checkpoint folders, local or on the Hub. `metadata` must stay free of torch."""
