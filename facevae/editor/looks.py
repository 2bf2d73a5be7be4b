"""Looks ("Make it …"): put one on a face, scale it, take it off, draw thumbnails of all."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import UInt8

from facevae.attributes import GOALS, Goal
from facevae.editor.edit_parts import merged, moved_further, offset_parts, total, with_offset, without
from facevae.editor.guidance import Guidance
from facevae.editor.hair import NoHairError, shade_of
from facevae.editor.types import EditPart, Face, Look
from facevae.latent.moves import FLOW_LABELS
from facevae.photo.compositing import DETAIL
from facevae.settings import AMOUNT

SMALL_GUIDANCE = 1.5
"""Of the latent flow in small pictures: where searches end on most faces, see `facevae.latent.moves.GUIDANCE`."""
THERE = 0.9
"""So sure of a look is the classifier where guidance finds nothing to do."""


class Looks:
    """Goals as looks that can be scaled; member `looks` of the editor, whose `goals` they are."""

    def __init__(self, guidance: Guidance, goals: Sequence[Goal]) -> None:
        self.renderer, self.guidance = guidance.renderer, guidance
        self.goals = {goal.name: goal for goal in goals}

    def goal(self, name: str) -> Goal:
        """The goal of this name; `ValueError` names those that there are."""
        if name not in self.goals:
            raise ValueError(f"there is no look {name!r:.40}; there are {', '.join(self.goals)}")
        return self.goals[name]

    def put_on(self, face: Face, name: str, amount: float = 1.0, detail: float = DETAIL, locks: Collection[str] = ()) -> Face:
        """The face with a look: 0 is the face as it was, 1 is where `guide` ends. Another look of the same labels comes off."""
        amount, goal = AMOUNT.check(amount), self.goal(name)
        before = self.make_room(face, goal.wanted)
        *_, last = self.guidance.guide(before, goal.wanted, detail=detail, locks=locks)
        return scaled(worn(before, last.face, goal.name, goal.label), amount)

    def make_room(self, face: Face, wanted: Mapping[str, bool]) -> Face:
        """The face without the looks that are about one of these labels."""
        for look in face.looks:
            if look.name in self.goals and self.goals[look.name].wanted.keys() & wanted.keys():
                face = taken_off(face, look.name)
        return face

    def draw_small(self, face: Face, names: Sequence[str]) -> Iterator[tuple[str, UInt8[np.ndarray, "s s 3"]]]:
        """The crop of the face as it was opened with each of these looks, one by one.

        Hair colours and make-up are as `put_on` gives them. What that searches for is drawn at one strength of the latent flow, or along
        its direction, which takes a tenth of the time.
        """
        plain = self.renderer.reset(face)
        seen = self.renderer.probabilities(plain)
        missing = [name for name in names if self._searched(name) and not self._there(seen, self.goals[name])]
        ends = self._ends(plain, missing)
        draw = self.renderer.without_detail()
        for name in names:
            end = ends[name] if name in ends else plain if self._searched(name) else self._put_on(plain, self.goals[name])
            yield name, plain.crop if end is plain else draw.edit(end).crop

    def _searched(self, name: str) -> bool:
        wanted = self.goals[name].wanted
        return shade_of(wanted) is None and not set(wanted) <= set(self.renderer.makeup.names)

    @staticmethod
    def _there(seen: Mapping[str, float], goal: Goal) -> bool:
        return all((seen[name] if want else 1 - seen[name]) >= THERE for name, want in goal.wanted.items())

    def _put_on(self, face: Face, goal: Goal) -> Face:
        try:
            return self.guidance.put_on(face, goal.wanted, {}, ())[0]
        except NoHairError:
            return face

    def _ends(self, face: Face, names: Sequence[str]) -> dict[str, Face]:
        """About where a search would end, by look; without those to which neither the flow nor a direction leads."""
        flow, known, ends = self.renderer.flow_moves, self.renderer.checkpoint.directions, dict[str, Face]()
        carried = [name for name in names if self.goals[name].wanted.keys() <= FLOW_LABELS]
        if flow is not None and carried:
            with self.renderer.lock:
                moves = flow.moves_to(torch.from_numpy(face.latent), [self.goals[name].wanted for name in carried], SMALL_GUIDANCE)
            for name, move in zip(carried, moves, strict=True):
                ends[name] = moved_further(face, face.offset + move.numpy(), list(self.goals[name].wanted))
        for name in names:
            wanted = {label: want for label, want in self.goals[name].wanted.items() if label in known}
            if name not in ends and wanted:
                ends[name] = self.renderer.bake(face, {n: known[n].high if want else known[n].low for n, want in wanted.items()})
        return ends


def worn(before: Face, after: Face, name: str, label: str) -> Face:
    """The face `after` a look was put on, which knows that it wears it; as it is where the look has changed nothing."""
    parts = without(offset_parts(after), offset_parts(before))
    return replace(after, looks=(*before.looks, Look(name, label, parts))) if parts else after


def scaled(face: Face, amount: float | None) -> Face:
    """The face with so much of its newest look; None leaves it."""
    if amount is None or not face.looks or face.looks[-1].amount == amount:
        return face
    *others, last = face.looks
    return replace(_with_more(face, last, amount - last.amount), looks=(*others, replace(last, amount=amount)))


def taken_off(face: Face, name: str) -> Face:
    """The face without a look that it wears."""
    for look in face.looks:
        if look.name == name:
            face = replace(_with_more(face, look, -look.amount), looks=tuple(other for other in face.looks if other is not look))
    return face


def look_of_hair(label: str) -> Goal:
    """The look of a hair colour's label."""
    return next(goal for goal in GOALS if label in goal.wanted and [name for name, want in goal.wanted.items() if want] == [label])


def _with_more(face: Face, look: Look, more: float) -> Face:
    parts = merged([*offset_parts(face), *(EditPart(np.float32(more) * part.move, part.about) for part in look.parts)])
    return with_offset(face, total(parts, len(face.offset)), parts)
