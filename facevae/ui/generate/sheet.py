"""A sheet of generated faces as a plain value: settings, faces, neighbours, status lines."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from facevae.attributes import SHOWN, in_words, wanted_of
from facevae.editor import Editor, Face
from facevae.editor.generation import Search
from facevae.settings import ANY_TEMPERATURE, COLUMNS, COUNT, NEAR_COLUMNS, SEED, is_number

MOST, MOST_SHOWN = int(COUNT.high), 96
"""Faces drawn at once, and faces of one sheet."""
SEED_END = int(SEED.high) + 1 - MOST_SHOWN
NEAR_BLOCK, MOST_NEAR = 9, 36
MIDDLE = NEAR_BLOCK // 2
"""Place of the face whose neighbours are around it."""
MOST_BEHIND, MOST_NAMED = 12, 4
ADJECTIVES = {"Smiling": "smiling", "Young": "young", "Male": "masculine", "Blond_Hair": "blond"}
"""Of labels that are said before the face; the others come after it."""


@dataclass(frozen=True)
class Settings:
    """Settings of a sheet; the same settings give the same faces."""

    seed: int
    count: int
    temperature: float
    prior: str
    wanted: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Sheet:
    """Faces of a row of seeds or, where `centre` is set, around a face. Never changed: every action makes another one."""

    settings: Settings
    next_seed: int
    faces: tuple[Face, ...] = ()
    centre: Face | None = None
    radius: float = 0.0
    depth: int = 0
    """How many sheets of neighbours were walked through; it seeds their noise, so that no two look the same way."""
    behind: tuple["Sheet", ...] = ()
    """Where Back leads to, the last one first."""

    @property
    def columns(self) -> int:
        """Faces side by side, where there is room for them."""
        return COLUMNS if self.centre is None else NEAR_COLUMNS

    @property
    def room(self) -> int:
        """How many faces more there can be."""
        return (MOST_SHOWN if self.centre is None else MOST_NEAR) - len(self.faces)

    def index(self, face: Face | None) -> int | None:
        """Where on the sheet a face is."""
        same = (i for i, other in enumerate(self.faces) if face is not None and np.array_equal(other.latent, face.latent))
        return next(same, None)


def read_settings(
    seed: Any, count: Any, temperature: Any, prior: Any, with_it: Sequence[str] | None, without: Sequence[str] | None
) -> Settings:
    """The settings of the widgets; `ValueError` says in one sentence what is wrong with them."""
    if not is_number(seed) or seed != int(seed) or not 0 <= seed < SEED_END:
        raise ValueError(f"The face number is a whole number from 0 to {SEED_END - 1}.")
    if not is_number(count) or not 1 <= count <= MOST:
        raise ValueError(f"1 to {MOST} faces can be drawn at once.")
    if not is_number(temperature) or not 0 <= temperature <= ANY_TEMPERATURE.high:
        raise ValueError(f"Variety is a number from 0 to {ANY_TEMPERATURE.high}.")
    return Settings(int(seed), int(count), float(temperature), str(prior), wanted_of(with_it, without))


def extend(editor: Editor, sheet: Sheet) -> Iterator[Search]:
    """The next faces of a sheet of seeds, try by try."""
    asked = sheet.settings
    yield from editor.search(asked.wanted, sheet.next_seed, min(asked.count, sheet.room), asked.temperature, asked.prior)


def neighbours(editor: Editor, sheet: Sheet, face: Face, radius: float) -> Sheet:
    """A new sheet around one of the faces of this one, which is what Back leads to."""
    behind = (replace(sheet, behind=()), *sheet.behind)
    if len(behind) > MOST_BEHIND:  # the way back is shortened, and still ends at the sheet of seeds
        behind = (*behind[: MOST_BEHIND - 1], behind[-1])
    around = Sheet(sheet.settings, sheet.next_seed, (), face, radius, sheet.depth + 1, behind)
    return with_neighbours(editor, around, NEAR_BLOCK)


def with_neighbours(editor: Editor, sheet: Sheet, count: int) -> Sheet:
    """The same sheet with `count` faces, of which the centre is one; those that it has stay."""
    assert sheet.centre is not None
    had = [face for face in sheet.faces if face is not sheet.centre]
    around = had + editor.neighbours(sheet.centre, range(len(had), count - 1), sheet.radius, sheet.depth)
    return replace(sheet, faces=(*around[:MIDDLE], sheet.centre, *around[MIDDLE:]))


def previous_sheet(sheet: Sheet) -> Sheet:
    """The sheet before; itself, where there is none."""
    return replace(sheet.behind[0], behind=sheet.behind[1:]) if sheet.behind else sheet


def title(face: Face) -> str:
    """What a face is called: "Face 79" after its seed, or its name."""
    return f"Face {face.seed}" if face.seed is not None else face.name


def in_few_words(seen: Mapping[str, float]) -> str:
    """What the classifier sees, of what the sliders show: "smile, brown hair"."""
    named = [(shown.name, *in_words(shown.name)) for shown in SHOWN if shown.name in seen]
    return ", ".join(words.lower() for name, words, itself in named if (seen[name] > 0.5) == itself) or "nothing that stands out"


def describe_choice(face: Face) -> str:
    """The status line for the chosen face."""
    return f"{title(face)}. This person does not exist."


def describe_neighbours(sheet: Sheet) -> str:
    """The status line for neighbours."""
    assert sheet.centre is not None
    on = "Pick one, then Similar faces again." if sheet.room else "The page is full."
    return f"{title(sheet.centre)} and {len(sheet.faces) - 1} similar faces. {on}"


def describe_search(sheet: Sheet, step: Search, stopped: bool) -> str:
    """The status line when faces were drawn or searched for, to be added to those of `sheet`."""
    found, asked, wanted = len(step.faces), min(sheet.settings.count, sheet.room), sheet.settings.wanted
    said = outcome(found, asked, step.tried, stopped) if found < asked else f"{counted(found, wanted)}."
    if found and not wanted:
        said += left_out(sheet, step)
    if sheet.room == found:
        return f"{said} The page is full: press New faces."
    return said if sheet.faces or not found else f"{said} These people do not exist."


def left_out(sheet: Sheet, step: Search) -> str:
    """ " Left out, poorly drawn: 11.", or nothing."""
    shown = {face.seed for face in step.faces}
    poor = [str(seed) for seed in range(sheet.next_seed, step.next_seed) if seed not in shown]
    if not poor:
        return ""
    return f" Left out, poorly drawn: {', '.join(poor) if len(poor) <= MOST_NAMED else f'{len(poor)} numbers'}."


def counted(found: int, wanted: Mapping[str, bool]) -> str:
    """ "12 faces", "1 smiling face", "3 blond faces with glasses, without beard"."""
    adjectives = [ADJECTIVES[name] for name, want in wanted.items() if want and name in ADJECTIVES]
    lists: dict[str, list[str]] = {"with": [], "without": []}
    for name, want in wanted.items():
        if not want or name not in ADJECTIVES:
            words, itself = in_words(name)
            lists["with" if want == itself else "without"].append(words.lower())
    rest = ", ".join(f"{kind} {' and '.join(words)}" for kind, words in lists.items() if words)
    return " ".join(filter(None, [str(found), *adjectives, "face" if found == 1 else "faces", rest]))


def outcome(found: int, asked: int, tried: int, stopped: bool) -> str:
    """What came of a search that found fewer than were asked for, in a sentence or two."""
    stay = "" if found else " The faces from before stay."
    if stopped:
        return f"Stopped: {found} of {asked} found, {tried} tried.{stay}"
    return f"{f'Only {found}' if found else 'None'} of {asked} found in {tried} tries: ask for less, or try another number.{stay}"
