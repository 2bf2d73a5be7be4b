"""Recipe: the edit of a face as JSON, without the photo; stored in saved pictures."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs, urlencode

import numpy as np
from jaxtyping import Float32

from facevae.checkpoint.direction_files import MAX_NAME
from facevae.editor.types import Drawn
from facevae.settings import is_number
from facevae.version import __version__

FORMAT = 1
MAX_CHARACTERS = 400_000
MAX_VALUES = 65_536
MAX_JPEG = 48_000
"""Characters; an XMP packet in a JPEG ends at 64 kB, escapes included."""
DIGITS = 6
DIGEST, MAX_LINK = 12, 4000
MOST_LOCKS = 200
MAX_NUMBER = 1e6
"""Anything larger is no latent, no strength and no place in a photo, and would only overflow."""


@dataclass(frozen=True)
class Recipe:
    """The edit of one face. Latents are tuples, so that recipes are equal where their content is.

    `latent` is where the face was placed (None where `drawn` says it), `guidance` what was added to it besides the sliders,
    `alignment` the 2×3 matrix from the photo to the crop, row by row (None for a generated face).
    """

    checkpoint: str
    """SHA-256 of its config.json."""
    name: str
    strengths: Mapping[str, float] = field(default_factory=dict)
    locks: tuple[str, ...] = ()
    directions: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Steps of the user's own, of one σ."""
    guidance: tuple[float, ...] | None = None
    about: tuple[str, ...] | None = None
    """The attributes that the guidance is about, but for its `earlier` parts; None where it may be about any."""
    earlier: tuple[tuple[tuple[str, ...] | None, tuple[float, ...]], ...] = ()
    """Parts of the guidance that were there before its last one: what each is about, and how far it moves the latent."""
    latent: tuple[float, ...] | None = None
    drawn: Drawn | None = None
    alignment: tuple[float, ...] | None = None
    size: tuple[int, int] | None = None
    """Of that photo, width and height in pixels."""
    face: int = 0
    refined: int = 0
    detail: float | None = None
    left: tuple["Recipe", ...] = ()
    """Of the other faces of the photo that were edited, too."""
    asked: str = ""
    """What the command line was asked for, photo included, as SHA-256: the same again need not be done again."""

    @property
    def by_names(self) -> bool:
        """Only names and strengths are in it, which mean something to any checkpoint that has them."""
        return self.guidance is None and not self.directions

    def as_json(self) -> dict[str, Any]:
        """As `json.dumps` takes it; what says nothing is left out."""
        found: dict[str, Any] = {
            "facevae": __version__,
            "format": FORMAT,
            "checkpoint": {"name": self.name, "sha256": self.checkpoint},
            "source": "seed" if self.alignment is None else "photo",
            "strengths": dict(self.strengths),
        }
        optional: dict[str, Any] = {
            "drawn": self.drawn and self.drawn.as_json(),
            "locks": list(self.locks),
            "directions": {name: list(step) for name, step in self.directions.items()},
            "latent": self.latent and list(self.latent),
            "guidance": self.guidance and list(self.guidance),
            "about": self.about and list(self.about),
            "earlier": [{"about": about and list(about), "move": list(move)} for about, move in self.earlier],
            "asked": self.asked or None,
        }
        if self.alignment is not None:
            optional |= {
                "alignment": list(self.alignment),
                "size": self.size and list(self.size),
                "face": self.face,
                "refined": self.refined,
                "detail": self.detail,
            }
            optional |= {"left": [recipe.as_json() for recipe in self.left]}
        return found | {k: v for k, v in optional.items() if v is not None and v != [] and v != {}}


def rounded(values: Float32[np.ndarray, " d"]) -> tuple[float, ...]:
    """A latent as a recipe holds it."""
    return tuple(round(float(v), DIGITS) for v in values)


def recipe_from(given: str | bytes | Mapping[str, Any]) -> Recipe:
    """Read what `as_json` wrote, from wherever it comes; `ValueError` in one sentence says what is wrong with it."""
    if isinstance(given, str | bytes):
        if len(given) > MAX_CHARACTERS:
            raise ValueError(f"a recipe has at most {MAX_CHARACTERS:,} characters, this one {len(given):,}")
        try:
            given = json.loads(given)
        except (ValueError, RecursionError):
            raise ValueError("this is not a recipe: it is not JSON") from None
    if not isinstance(given, Mapping) or "facevae" not in given or not isinstance(given.get("checkpoint"), Mapping):
        raise ValueError("this is not a recipe of facevae: it does not name its checkpoint")
    return _read(given, nested=False)


def shorten(recipe: Recipe) -> Recipe:
    """The same, no longer than fits in the metadata of a JPEG: without the other faces, and then with its guidance as one part."""
    for shorter in (recipe, replace(recipe, left=())):
        if len(json.dumps(shorter.as_json())) <= MAX_JPEG:
            return shorter
    names = [recipe.about, *(about for about, _ in recipe.earlier)]
    about = None if None in names else tuple(sorted({name for some in names for name in some or ()}))
    return replace(recipe, left=(), earlier=(), about=about)


def _read(given: Mapping[str, Any], nested: bool) -> Recipe:
    known = {"facevae", "format", "checkpoint", "source", "strengths", "drawn", "locks", "directions", "latent", "guidance", "about"}
    known |= {"earlier", "alignment", "size", "face", "refined", "detail", "left", "asked"}
    if given.get("format") != FORMAT:
        raise ValueError(f"this recipe has format {given.get('format')!r}, this version of facevae reads {FORMAT}: save it again")
    if unknown := sorted(set(map(str, given)) - known):
        raise ValueError(f"the recipe has unknown keys: {', '.join(unknown)[:200]}")
    left = given.get("left", [])
    if not isinstance(left, list) or (left and nested) or len(left) > 64 or not all(isinstance(entry, Mapping) for entry in left):
        raise ValueError("the recipe's other faces cannot be read")
    alignment = _numbers(given, "alignment", 6)
    drawn = given.get("drawn")
    latent = _numbers(given, "latent")
    if latent is None and drawn is None and not nested:
        raise ValueError("the recipe names neither a latent nor a seed")
    checkpoint, strengths, directions = given["checkpoint"], given.get("strengths"), given.get("directions", {})
    if not isinstance(checkpoint, Mapping):
        raise ValueError("the recipe does not name its checkpoint")
    if not isinstance(strengths, Mapping) or not all(is_number(value, MAX_NUMBER) for value in strengths.values()):
        raise ValueError("the recipe's strengths are not numbers by attribute")
    if not isinstance(directions, Mapping) or not all(0 < len(name) <= MAX_NAME and name.isprintable() for name in map(str, directions)):
        raise ValueError(f"the recipe's directions are not lists of numbers by names of 1 to {MAX_NAME} letters")
    locks = given.get("locks", [])
    if not isinstance(locks, list) or len(locks) > MOST_LOCKS or not all(isinstance(name, str) for name in locks):
        raise ValueError("the recipe's locks are not a list of names")
    earlier = given.get("earlier", [])
    if not isinstance(earlier, list) or len(earlier) > MOST_LOCKS or not all(isinstance(part, Mapping) for part in earlier):
        raise ValueError("the earlier parts of the recipe's guidance cannot be read")
    return Recipe(
        checkpoint=str(checkpoint.get("sha256", ""))[:64],
        name=str(checkpoint.get("name", ""))[:200],
        strengths={str(name): float(value) for name, value in strengths.items() if value},
        locks=tuple(dict.fromkeys(locks)),
        directions={str(name): _numbers(directions, name) or () for name in directions},
        guidance=_numbers(given, "guidance"),
        about=_about(given),
        earlier=tuple((_about(part), _numbers(part, "move") or ()) for part in earlier),
        latent=latent,
        drawn=None if drawn is None else _drawn(drawn),
        alignment=alignment,
        size=_size(given),
        face=_whole(given, "face"),
        refined=_whole(given, "refined"),
        detail=_share(given, "detail"),
        left=tuple(_read(entry, nested=True) for entry in left),
        asked=str(given.get("asked", ""))[:64],
    )


def _about(given: Mapping[str, Any]) -> tuple[str, ...] | None:
    about = given.get("about")
    if about is not None and not (isinstance(about, list) and len(about) <= MOST_LOCKS and all(isinstance(name, str) for name in about)):
        raise ValueError("what the recipe's guidance is about is not a list of names")
    return None if about is None else tuple(about)


def _numbers(given: Mapping[str, Any], key: str, count: int | None = None) -> tuple[float, ...] | None:
    values = given.get(key)
    if values is None:
        return None
    if not isinstance(values, list) or len(values) > MAX_VALUES or not all(is_number(value, MAX_NUMBER) for value in values):
        raise ValueError(f"the recipe's {key} is not a list of finite numbers")
    if count is not None and len(values) != count:
        raise ValueError(f"the recipe's {key} has {len(values)} numbers, expected {count}")
    return tuple(float(v) for v in values)


def _size(given: Mapping[str, Any]) -> tuple[int, int] | None:
    values = _numbers(given, "size", 2)
    return None if values is None else (round(values[0]), round(values[1]))


def _whole(given: Mapping[str, Any], key: str) -> int:
    value = given.get(key, 0)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 10_000:
        raise ValueError(f"the recipe's {key} is not a whole number from 0 on")
    return value


def _share(given: Mapping[str, Any], key: str) -> float | None:
    value = given.get(key)
    if value is not None and (not is_number(value) or not 0 <= value <= 1):
        raise ValueError(f"the recipe's {key} does not lie between 0 and 1")
    return None if value is None else float(value)


def _drawn(given: Any) -> Drawn:
    try:
        return Drawn.read(given)
    except ValueError as error:
        raise ValueError(f"the recipe's face cannot be drawn: {error}") from None


def link_of(recipe: Recipe) -> str:
    """The recipe of a drawn face as the query of a link: "seed=7&temperature=0.8&prior=fitted&with=Eyeglasses&Smiling=2&lock=Male".

    `ValueError` in one sentence where there is more to it than fits in a link.
    """
    if recipe.drawn is None:
        raise ValueError("a link can only hold a face that the model drew: a photo stays on this machine")
    if recipe.guidance is not None or recipe.directions:
        raise ValueError("guidance and sliders of your own do not fit in a link: save the recipe instead")
    pairs = [("seed", str(recipe.drawn.seed)), ("temperature", f"{recipe.drawn.temperature:g}"), ("prior", recipe.drawn.prior)]
    pairs += [("with" if want else "without", name) for name, want in recipe.drawn.labels]
    pairs += [(name, f"{strength:g}") for name, strength in recipe.strengths.items()]
    return urlencode([*pairs, *(("lock", name) for name in recipe.locks), ("checkpoint", recipe.checkpoint[:DIGEST])])


def recipe_of_link(query: str, checkpoint: str, name: str, attributes: Collection[str]) -> Recipe | None:
    """What `link_of` wrote, for the checkpoint of this SHA-256, name and attributes; None where there is no seed in it.

    What others add to a link (fbclid, utm_source …) is passed over.

    `ValueError` in one sentence where it cannot be read, or is another checkpoint's.
    """
    given = parse_qs(query[:MAX_LINK])
    if "seed" not in given:
        return None
    theirs = given.pop("checkpoint", [""])[-1]
    if theirs and theirs != checkpoint[:DIGEST]:
        raise ValueError(f"this link was made with the checkpoint {theirs[:DIGEST]}, and {name} ({checkpoint[:DIGEST]}) is open")
    seed, temperature, prior = (
        given.pop(key, [default])[-1] for key, default in (("seed", ""), ("temperature", "0.8"), ("prior", "fitted"))
    )
    locks = given.pop("lock", [])
    labels = {name: key == "with" for key in ("with", "without") for name in given.pop(key, [])}
    try:
        drawn = _drawn({"seed": int(seed), "temperature": float(temperature), "prior": prior, "labels": labels})
        strengths = {attribute: float(values[-1]) for attribute, values in given.items() if attribute in attributes}
    except ValueError:
        raise ValueError("this link does not say which face it means: its numbers cannot be read") from None
    if not all(is_number(strength, MAX_NUMBER) for strength in strengths.values()):
        raise ValueError("this link does not say which face it means: its numbers cannot be read")
    return Recipe(checkpoint, name, {k: v for k, v in strengths.items() if v}, tuple(dict.fromkeys(locks[:MOST_LOCKS])), drawn=drawn)
