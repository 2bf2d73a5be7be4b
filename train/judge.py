"""Whom figures are read from."""

from facevae.nets.classifier import AttributeClassifier
from facevae.nets.judge import Judge

Scorer = AttributeClassifier | Judge
"""A judge (see facevae/nets/judge.py), or, where there is none, another classifier."""
