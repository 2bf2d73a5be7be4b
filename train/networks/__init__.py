"""Training of the nets beside the VAE: classifier, judge, identity, alignment, parser."""
