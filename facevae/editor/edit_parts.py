"""Parts of an edit: the moves of several attributes, each with what it is about."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float32

from facevae.editor.types import EditPart, Face
from facevae.photo.regions import REGIONS, WHOLE, place_of

STILL = 1e-6
"""A move of less on every axis is none."""


def merged(parts: Iterable[EditPart]) -> tuple[EditPart, ...]:
    """One part for each place of the face, in the order in which the places come up; what does not move is left out."""
    found: dict[object, EditPart] = {}
    for part in parts:
        place = place_of(part.about)
        if place in found:
            names = {*(found[place].about or ()), *(part.about or ())} if found[place].about and part.about else None
            part = EditPart(found[place].move + part.move, names and tuple(sorted(names)))
        found[place] = part
    return tuple(part for part in found.values() if np.abs(part.move).max() >= STILL)


def total(parts: Sequence[EditPart] | None, size: int) -> Float32[np.ndarray, " d"]:
    """How far the parts move a latent of `size` values together."""
    return sum((part.move for part in parts or ()), np.zeros(size, np.float32))


def without(parts: Sequence[EditPart], applied: Sequence[EditPart] | None) -> tuple[EditPart, ...]:
    """What is left to do of the parts where some are applied already."""
    return merged([*parts, *(EditPart(-part.move, part.about) for part in applied or ())])


def offset_parts(face: Face) -> tuple[EditPart, ...]:
    """What the face's offset consists of."""
    return merged([*face.earlier, EditPart(face.offset - total(face.earlier, len(face.offset)), face.about)])


def slider_parts(
    face: Face, strengths: Mapping[str, float], move: Callable[[Mapping[str, float]], Float32[np.ndarray, " d"]]
) -> tuple[EditPart, ...]:
    """What the face's offset and sliders consist of; `move` tells how far some of the sliders move the latent, the offset included.

    Sliders of one place are one part. Those of the whole face come first, the others in the order of `REGIONS`, whatever the order in
    which they are given: each adds to what was there before it.
    """
    places: dict[object, list[str]] = {}
    for name in sorted((name for name, strength in strengths.items() if strength), key=_turn):
        places.setdefault(place_of((name,)), []).append(name)
    parts, there, so_far = [*offset_parts(face)], face.offset, dict[str, float]()
    for names in places.values():
        so_far |= {name: strengths[name] for name in names}
        reached = move(so_far)
        parts.append(EditPart(reached - there, tuple(sorted(names))))
        there = reached
    return merged(parts)


def with_offset(face: Face, offset: Float32[np.ndarray, " d"], parts: Sequence[EditPart]) -> Face:
    """The face with another offset, which consists of these parts."""
    *earlier, last = parts or [EditPart(offset)]
    return replace(face, offset=offset, earlier=tuple(earlier), about=last.about)


def moved_further(face: Face, offset: Float32[np.ndarray, " d"], names: Collection[str]) -> Face:
    """The face with another offset: what is new in it is about the attributes `names`."""
    new = EditPart(offset - face.offset, tuple(sorted(names)))
    return with_offset(face, offset, merged([*offset_parts(face), new]))


def _turn(name: str) -> tuple[bool, int, str]:
    known = list(REGIONS)
    return REGIONS.get(name, WHOLE) is not WHOLE, known.index(name) if name in known else len(known), name
