"""Maths of latent vectors: directions, guidance, inversion, paths, priors."""
