"""Beartype as PEP 484 reads it: where a float is wanted, an int will do."""

from beartype import BeartypeConf, beartype

check = beartype(conf=BeartypeConf(is_pep484_tower=True))
