"""facevae: edit, morph and draw faces in the latent space of a variational autoencoder."""

__version__ = "0.1.0"
