"""Networks. They compute; losses and scores are elsewhere."""
