"""Evaluation of edits, guidance, inversion and face finding on held-out photos."""
