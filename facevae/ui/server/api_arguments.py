"""What programs send, checked: `ValueError` says in one sentence what is wrong with it."""

import json
from typing import Any

from facevae.attributes import check_askable
from facevae.editor import Adjustment
from facevae.editor.recipe import MAX_NUMBER, Recipe, recipe_from
from facevae.photo.animation import film_formats
from facevae.settings import CROP, is_number

MOST_FACES, MAX_SEED = 64, 2**32 - 65


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
    if not isinstance(given, dict) or not all(is_number(v) and abs(v) <= MAX_NUMBER for v in given.values()):
        raise ValueError('strengths are a JSON object of numbers, such as {"Smiling": 2}')
    return {str(name): float(value) for name, value in given.items()}


def wanted_of(given: Any) -> dict[str, bool]:
    """Wanted labels by attribute name, from JSON; none of them may be withheld."""
    given = from_json(given)
    if not isinstance(given, dict) or not given or not all(isinstance(value, bool) for value in given.values()):
        raise ValueError('wanted labels are a JSON object of booleans, such as {"Smiling": true}')
    check_askable(given)
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
    given = from_json(given) or {}
    if not isinstance(given, dict) or not set(given) <= {setting.name for setting in CROP}:
        raise ValueError(f"an adjustment has {', '.join(setting.name for setting in CROP)}")
    return Adjustment(**{name: number_of(value, name, -MAX_NUMBER, MAX_NUMBER) for name, value in given.items()})


def flag_of(given: Any, name: str) -> bool:
    """A yes or no."""
    if not isinstance(given, bool):
        raise ValueError(f"{name} is true or false, not {given!r:.40}")
    return given


def number_of(given: Any, name: str, low: float, high: float) -> float:
    """A number within its range."""
    if not is_number(given) or not low <= given <= high:
        raise ValueError(f"{name} is a number from {low:g} to {high:g}, not {given!r:.40}")
    return given


def whole_of(given: Any, name: str, low: int, high: int) -> int:
    """A whole number within its range; JavaScript and others know no difference between 2 and 2.0."""
    if not is_number(given) or not low <= given <= high or given != int(given):
        raise ValueError(f"{name} is a whole number from {low} to {high}, not {given!r:.40}")
    return int(given)


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
