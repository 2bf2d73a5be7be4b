"""What is known of a model's latent space, for the Latent space tab."""
