"""Training and measuring; imports `facevae`, is never imported by it."""
