"""Directions and priors in the latent space, fitted to encodings."""
