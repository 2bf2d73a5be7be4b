"""Models with statistics of their latent spaces, shown in the Latent space tab."""
