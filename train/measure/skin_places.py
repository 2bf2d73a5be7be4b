"""Lightness of the skin at five places of the face, before and after an edit."""

import numpy as np
from jaxtyping import Float32, UInt8

from facevae.photo.ovals import CHEEKS, Oval
from facevae.photo.regions import likely
from train.measure.irises import lightness

PLACES: dict[str, tuple[Oval, ...]] = {
    "forehead": (Oval(0.5, 0.37, 0.16, 0.06, 0.5),),
    "nose": (Oval(0.5, 0.61, 0.05, 0.07, 0.5),),
    "cheeks": CHEEKS,
    "chin": (Oval(0.5, 0.845, 0.09, 0.04, 0.5),),
    "neck": (),
}
"""Ovals of the unit crop; the neck is wherever the parser sees it."""
SMALLEST = 0.0012
"""Share of the crop (20 px of 128 × 128): where less skin is seen at a place, it is not measured."""


def place_changes(
    before: UInt8[np.ndarray, "s s 3"],
    after: UInt8[np.ndarray, "s s 3"],
    maps: Float32[np.ndarray, "k s s"],
    maps_after: Float32[np.ndarray, "k s s"],
) -> dict[str, float]:
    """How far the mean L* of the skin moves at each place; NaN where it is hidden.

    Only what is skin before and after counts, or the pixels of a fringe would be read as a darker forehead.
    """
    change = lightness(after) - lightness(before)
    found = {}
    for name, ovals in PLACES.items():
        part = ("neck",) if name == "neck" else ("skin",)
        seen = likely(part, maps) & likely(part, maps_after)
        if ovals:
            seen &= np.maximum.reduce([oval.draw(len(seen)) for oval in ovals]) >= 0.5
        found[name] = float(change[seen].mean()) if seen.sum() >= SMALLEST * seen.size else np.nan
    return found
