"""What programs send, checked: `ValueError` says in one sentence what is wrong with it."""

import json
from typing import Any

from facevae.editor import Adjustment
from facevae.recipe import Recipe, recipe_from
from facevae.settings import is_number

MOST_FACES, MOST_FRAMES, MAX_SEED = 64, 240, 2**32 - 65


def from_json(given: Any) -> Any:
    """A value that may have come as text."""
    try:
        return json.loads(given) if isinstance(given, str) else given
    except json.JSONDecodeError:
        raise ValueError(f"{given[:40]!r} is no JSON") from None


def strengths_of(given: Any) -> dict[str, float]:
    """Strengths in σ by attribute name, from JSON."""
    given = from_json(given)
    if given is None:
        return {}
    if not isinstance(given, dict) or not all(isinstance(v, int | float) and not isinstance(v, bool) for v in given.values()):
        raise ValueError('strengths are a JSON object of numbers, such as {"Smiling": 2}')
    return {str(name): float(value) for name, value in given.items()}


def wanted_of(given: Any) -> dict[str, bool]:
    """Wanted labels by attribute name, from JSON."""
    given = from_json(given)
    if not isinstance(given, dict) or not given or not all(isinstance(value, bool) for value in given.values()):
        raise ValueError('wanted labels are a JSON object of booleans, such as {"Smiling": true}')
    return {str(name): value for name, value in given.items()}


def names_of(given: Any, what: str) -> tuple[str, ...]:
    """Names, from JSON."""
    given = from_json(given)
    if given is None:
        return ()
    if not isinstance(given, list) or not all(isinstance(name, str) for name in given):
        raise ValueError(f'{what} are a JSON list of names, such as ["Male"]')
    return tuple(given)


def adjustment_of(given: Any) -> Adjustment:
    """An adjusted crop, from JSON."""
    given = from_json(given)
    try:
        return Adjustment(**(given or {}))
    except TypeError:
        raise ValueError("an adjustment has shift_x, shift_y, zoom and angle_deg") from None


def flag_of(given: Any, name: str) -> bool:
    """A yes or no."""
    if not isinstance(given, bool):
        raise ValueError(f"{name} is true or false, not {given!r}")
    return given


def number_of(given: Any, name: str, low: float, high: float) -> float:
    """A number within its range."""
    if not is_number(given) or not low <= given <= high:
        raise ValueError(f"{name} is a number from {low:g} to {high:g}, not {given!r}")
    return given


def file_of(given: Any) -> str:
    """The path of an upload."""
    if not isinstance(given, dict) or not isinstance(given.get("path"), str):
        raise ValueError("a photo is missing")
    return given["path"]


def recipe_of(given: Any) -> Recipe:
    """A recipe, from JSON."""
    given = from_json(given)
    if not isinstance(given, dict):
        raise ValueError("a recipe is missing: it is the JSON object that the page saves")
    return recipe_from(given)
