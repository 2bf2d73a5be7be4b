"""Measures: encodings, Fréchet distances, disentanglement, the frozen protocol."""
