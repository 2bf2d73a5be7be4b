"""Training of the helper networks: classifier, identity embedding, aligner."""
