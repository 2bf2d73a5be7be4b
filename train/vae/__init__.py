"""Training a VAE: config, loop, losses, resume."""
