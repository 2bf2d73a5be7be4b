"""Attribute names on the command line: any spelling, labels or the page's words."""

import re
from collections.abc import Collection, Iterable
from difflib import get_close_matches

from facevae.attributes import in_words, wanted_labels

Sense = tuple[str, bool]
"""An attribute, and whether it is meant or its opposite: the page's "Beard" is ("No_Beard", False)."""


def key(given: str) -> str:
    """What two spellings of the same name have in common: "blond-hair"."""
    return re.sub(r"[\s_-]+", "-", given).strip("-").casefold()


def flag(name: str) -> str:
    """The flag of an attribute or of a setting: "--blond-hair"."""
    return f"--{key(name)}"


def find_attribute(given: str, known: Collection[str]) -> Sense:
    """The attribute of `known` that is meant by a label ("No_Beard") or by the page's word for it ("Beard").

    `ValueError` names what comes near.
    """
    labels = {key(name): (name, True) for name in known}
    words = {key(in_words(name)[0]): (name, in_words(name)[1]) for name in known}
    if (found := (words | labels).get(key(given))) is not None:
        return found
    near = get_close_matches(key(given), words | labels, n=3, cutoff=0.5) or sorted(labels)
    raise ValueError(f"{given!r} is no attribute of this checkpoint; did you mean {', '.join(near)}? Photos go before such lists.")


def one_of(given: str, names: Iterable[str], kind: str) -> str:
    """The name that is meant; `ValueError` lists all."""
    known = {key(name): name for name in names}
    if key(given) not in known:
        raise ValueError(f"{given!r} is no {kind}; there are {', '.join(known)}")
    return known[key(given)]


def read_wanted(want: Iterable[str], avoid: Iterable[str], attributes: Collection[str]) -> dict[str, bool]:
    """`wanted_labels` of what people write after --want and --avoid."""
    senses = [(find_attribute(given, attributes), wish) for wish, names in ((True, want), (False, avoid)) for given in names]
    return wanted_labels((name, wish == itself) for (name, itself), wish in senses)
