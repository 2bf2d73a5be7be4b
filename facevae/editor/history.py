"""Undo and redo: an immutable list of the states of an edit."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from facevae.editor.types import Face
from facevae.photo.alignment import Adjustment
from facevae.settings import PHOTO_DETAIL

MOST, MOST_PHOTOS = 200, 8
"""States that are kept, and pictures that they are laid over: another face of a photo, or a new start, has one of its own. The oldest
go first."""


@dataclass(frozen=True, eq=False)
class Edit:
    """Everything that a person can change about one face: the face carries crop, guidance and likeness.

    `strengths` in σ by attribute, `starts` where each slider stands for no change, `locks` as they were chosen.
    """

    face: Face
    strengths: Mapping[str, float] = field(default_factory=dict)
    locks: tuple[str, ...] = ()
    detail: float = PHOTO_DETAIL.default
    adjustments: Mapping[int, Adjustment] = field(default_factory=dict)
    """How the user adjusted the crop of each face of the photo."""
    starts: Mapping[str, float] = field(default_factory=dict)

    def changed(self, other: "Edit") -> tuple[str, ...]:
        """What differs from another edit: attributes by name, and "face", "amount" (of a look), "locks", "detail"."""
        names = [n for n in {**self.strengths, **other.strengths} if self.strengths.get(n, 0.0) != other.strengths.get(n, 0.0)]
        scaled = rescaled(self.face, other.face)
        parts = (
            ("face", not scaled and not alike(self.face, other.face)),
            ("amount", scaled),
            ("locks", set(self.locks) != set(other.locks)),
            ("detail", self.detail != other.detail),
        )
        return (*names, *(part for part, differs in parts if differs))

    @property
    def values(self) -> tuple[Any, ...]:
        """What a drag changes: strengths, photo detail, amounts of looks."""
        return dict(self.strengths), self.detail, tuple(look.amount for look in self.face.looks)


def alike(a: Face, b: Face) -> bool:
    """The same crop with the same guidance: a likeness that was only refined is nothing that a person did."""
    return a is b or (a.crop is b.crop and np.array_equal(a.offset, b.offset) and len(a.looks) == len(b.looks))


def rescaled(a: Face, b: Face) -> bool:
    """The same crop with the same looks, of which one is worn more or less."""
    same = a.crop is b.crop and len(a.looks) == len(b.looks)
    pairs = list(zip(a.looks, b.looks, strict=True)) if same else []
    return all(x.parts is y.parts for x, y in pairs) and any(x.amount != y.amount for x, y in pairs)


@dataclass(frozen=True)
class Step:
    """One state, and in a few words what led to it. Steps of the same `key` that follow each other may become one."""

    edit: Edit
    words: str
    key: str = ""
    open: bool = False
    """The drag goes on: the next change of the same key belongs to this step."""


@dataclass(frozen=True)
class History:
    """The steps of an edit in their order, the first being the start, and which of them is shown."""

    steps: tuple[Step, ...]
    at: int = 0

    @classmethod
    def of(cls, edit: Edit, words: str = "Opened") -> "History":
        """The history of a face that has just been opened."""
        return cls((Step(edit, words),))

    @property
    def now(self) -> Edit:
        """The edit that is shown."""
        return self.steps[self.at].edit

    @property
    def can_undo(self) -> bool:
        return self.at > 0

    @property
    def can_redo(self) -> bool:
        return self.at < len(self.steps) - 1

    def do(self, edit: Edit, words: str, key: str = "") -> "History":
        """One more step; what had been undone is gone. With a `key` it stays open, and joins an open step of the same key.

        An edit that changes nothing is no step, and one that takes an open step all the way back takes it away.
        """
        changed = edit.changed(self.now)
        if not changed:
            return self
        here = self.steps[self.at]
        joins = bool(key) and here.open and here.key == key and self.at > 0
        before = self.steps[: self.at] if joins else self.steps[: self.at + 1]
        if joins and not edit.changed(before[-1].edit):
            return History(before, len(before) - 1)
        steps = (*before, Step(edit, words, key, bool(key)))
        start, rest = steps[0], steps[1:]
        rest = rest[-(MOST - 1) :]
        while len({id(step.edit.face.photo) for step in (start, *rest)}) > MOST_PHOTOS:
            rest = rest[1:]
        return History((start, *rest), len(rest))

    def close(self) -> "History":
        """The drag has ended: whatever comes next is a step of its own."""
        here = self.steps[self.at]
        return self._with(replace(here, open=False)) if here.open else self

    def refined(self, face: Face) -> "History":
        """The likeness of a face has come nearer: every step that shows it gets it, and none is added."""

        def better(step: Step) -> Step:
            old = step.edit.face
            return replace(step, edit=replace(step.edit, face=face)) if old is not face and alike(old, face) else step

        return replace(self, steps=tuple(map(better, self.steps)))

    def shown_as(self, edit: Edit) -> "History":
        """The step that is shown, as far as the page can show it: what has no slider (any more) is not in it."""
        return self._with(replace(self.steps[self.at], edit=edit))

    def undo(self) -> "History":
        """One step back; at the start, the same."""
        return self.rewind(self.at - 1)

    def redo(self) -> "History":
        """One step forward again; at the end, the same."""
        return self.rewind(self.at + 1)

    def rewind(self, index: int) -> "History":
        """To the state of any step, numbered from 0; beyond the ends, to the end. Nothing is lost by it."""
        closed = self.close()
        return replace(closed, at=min(max(index, 0), len(closed.steps) - 1))

    def _with(self, step: Step) -> "History":
        """The same with another step in the place of that which is shown."""
        return replace(self, steps=(*self.steps[: self.at], step, *self.steps[self.at + 1 :]))
