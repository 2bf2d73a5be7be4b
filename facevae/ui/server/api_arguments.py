"""Parses arguments of the HTTP API; ValueError says in a sentence what is wrong."""

import json
from typing import Any

from facevae.attributes import wanted_labels
from facevae.editor import Adjustment
from facevae.editor.recipe import MAX_NUMBER, Recipe, recipe_from
from facevae.photo.animation import film_formats
from facevae.settings import CROP, SEED, check_number, is_number

MOST_FACES = 64
LAST_FACE = 999
LAST_SEED = int(SEED.high) - MOST_FACES
"""Seeds of one call are counted from its first one on."""


def from_json(given: Any) -> Any:
    """A value that may have come as text."""
    try:
        return json.loads(given) if isinstance(given, str) else given
    except (ValueError, RecursionError):
        raise ValueError(f"{given[:40]!r} is no JSON") from None


def strengths_of(given: Any) -> dict[str, float]:
    """Strengths in σ by attribute name, from JSON."""
    given = from_json(given)
    if given is None:
        return {}
    if not isinstance(given, dict) or not all(is_number(v, MAX_NUMBER) for v in given.values()):
        raise ValueError('strengths are a JSON object of numbers, such as {"Smiling": 2}')
    return {str(name): float(value) for name, value in given.items()}


def wanted_of(given: Any) -> dict[str, bool]:
    """Wanted labels by attribute name, from JSON; none of them may be withheld."""
    given = from_json(given)
    if not isinstance(given, dict) or not given or not all(isinstance(value, bool) for value in given.values()):
        raise ValueError('wanted labels are a JSON object of booleans, such as {"Smiling": true}')
    return wanted_labels(given.items())


def names_of(given: Any, what: str) -> tuple[str, ...]:
    """Names, from JSON."""
    given = from_json(given)
    if given is None:
        return ()
    if not isinstance(given, list) or not all(isinstance(name, str) for name in given):
        raise ValueError(f'{what} are a JSON list of names, such as ["Male"]')
    return tuple(given)


def name_of(given: Any, what: str) -> str:
    """One name."""
    if not isinstance(given, str):
        raise ValueError(f"{what} is a name, not {given!r:.40}")
    return given


def adjustment_of(given: Any) -> dict[str, Any]:
    """An adjusted crop and the place that was pointed at, from JSON, as `Editor.open_photo` and `EditRequest` take them."""
    given = from_json(given) or {}
    if not isinstance(given, dict) or not set(given) <= {"at", *(setting.name for setting in CROP)}:
        raise ValueError(f"an adjustment has {', '.join(setting.name for setting in CROP)}, at")
    numbers = {name: check_number(value, name, -MAX_NUMBER, MAX_NUMBER) for name, value in given.items() if name != "at"}
    return {"adjustment": Adjustment(**numbers), "at": place_of(given["at"]) if given.get("at") is not None else None}


def place_of(given: Any) -> tuple[float, float]:
    """A place in a photo, from JSON."""
    if not isinstance(given, list) or len(given) != 2 or not all(is_number(value, MAX_NUMBER) for value in given):
        raise ValueError("at is a place in the photo, such as [1200, 800], in pixels from its top left")
    return float(given[0]), float(given[1])


def flag_of(given: Any, name: str) -> bool:
    """A yes or no."""
    if not isinstance(given, bool):
        raise ValueError(f"{name} is true or false, not {given!r:.40}")
    return given


def file_of(given: Any) -> str:
    """The path of an upload."""
    if not isinstance(given, dict) or not isinstance(given.get("path"), str):
        raise ValueError("a photo is missing")
    return given["path"]


def film_format_of(given: Any) -> str:
    """A format in which films can be written here."""
    if given not in film_formats():
        raise ValueError(f"the format must be {' or '.join(film_formats())}, not {given!r:.40}")
    return given


def recipe_of(given: Any) -> Recipe:
    """A recipe, from JSON."""
    given = from_json(given)
    if not isinstance(given, dict):
        raise ValueError("a recipe is missing: it is the JSON object that the page saves")
    return recipe_from(given)
