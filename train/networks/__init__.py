"""Training of the helper networks: classifier, judge, identity embedding, alignment net."""
