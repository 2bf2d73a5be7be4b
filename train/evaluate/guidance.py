"""Label guidance against its plain form on held-out faces: success, leakage, time."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Int, UInt8
from tqdm import tqdm

from facevae.attributes import Goal
from facevae.editor import Editor, Face
from facevae.editor.hair import NoHairError
from facevae.photo import images
from facevae.photo.alignment import whole
from train.data.augment import outputs_of
from train.data.prepared import PreparedData
from train.evaluate.plain_guidance import STEPS, plain_guide
from train.networks.scores import Scorer

Guided = tuple[Face, int]  # the last face, and the steps it took
COLUMNS = ("n", "success", "guide", "leakage", "steps", "sec")


def guide_as_page(editor: Editor, face: Face, goal: Goal) -> Guided:
    """The guidance of the page; it leaves a face without hair to dye as it is."""
    try:
        *_, last = editor.guide(face, goal.wanted)
    except NoHairError:
        return face, 0
    return last.face, last.step


def plain(editor: Editor, face: Face, goal: Goal) -> Guided:
    """See `train.evaluate.plain_guidance`."""
    return replace(face, offset=plain_guide(editor, face, goal.wanted).numpy()), STEPS


METHODS: dict[str, Callable[[Editor, Face, Goal], Guided]] = {"ours": guide_as_page, "plain": plain}


def compare_guidance(
    editor: Editor,
    judge: Scorer,
    data: PreparedData,
    index: Int[np.ndarray, " n"],
    z: Float32[np.ndarray, "n d"],
    goals: Sequence[Goal],
    faces: int,
    methods: Sequence[str] = tuple(METHODS),
) -> dict[str, Any]:
    """For each method and goal, on at most `faces` of the faces that lack it: those whose hardest label the judge sees below 0.2.

    `success` and `guide` are the shares that the judge and the guide see end above 0.5 in the blended crop, `leakage` is the mean
    |change| of the judge's logits of all that was not asked for, in standard deviations over the photos at `index`; `sec`
    is the median. The row "mean" weighs all goals alike. Methods take their turns face by face, so that a busy machine is busy for all.
    """
    attributes = list(judge.config.attributes)
    with torch.inference_mode():
        seen = outputs_of(judge, data.images[index]).numpy()  # (n, a)
    spread = seen.std(0) + 1e-6
    tables: dict[str, dict[str, dict[str, float]]] = {method: {} for method in methods}
    for goal in tqdm(goals, desc="guidance"):
        rows = np.flatnonzero(hardest(seen, attributes, goal) < 0.2)[:faces]
        found: dict[str, list[list[float]]] = {method: [] for method in methods}
        for row in rows:
            face = face_from(np.array(data.images[index[row]]), z[row])
            for method in methods:
                start = time.perf_counter()
                end, steps = METHODS[method](editor, face, goal)
                seconds = time.perf_counter() - start
                found[method].append([*score(editor, judge, end, goal, seen[row], spread), steps, seconds])
        for method, values in found.items():
            if values:
                success, guide, leakage, steps, _ = np.mean(values, axis=0)
                row = (len(values), success, guide, leakage, steps, np.median(values, axis=0)[-1])
                tables[method][goal.name] = dict(zip(COLUMNS, (round(float(v), 3) for v in row), strict=True))
    for method, table in tables.items():
        if table:
            means = {column: round(float(np.mean([row[column] for row in table.values()])), 3) for column in COLUMNS}
            tables[method] = table | {"mean": means}
    return tables


def face_from(picture: UInt8[np.ndarray, "s s 3"], latent: Float32[np.ndarray, " d"]) -> Face:
    """A prepared picture as the editor would have opened it."""
    return Face(latent, np.zeros_like(latent), picture, photo=picture, screen=picture, alignment=whole(len(picture)))


def hardest(logits: Float32[np.ndarray, "n a"], attributes: Sequence[str], goal: Goal) -> Float32[np.ndarray, " n"]:
    """Probability of the hardest label of a goal."""
    right = [logits[:, attributes.index(name)] * (1 if want else -1) for name, want in goal.wanted.items()]
    return 1 / (1 + np.exp(-np.min(right, axis=0)))


@torch.inference_mode()
def score(
    editor: Editor, judge: Scorer, face: Face, goal: Goal, before: Float32[np.ndarray, " a"], spread: Float32[np.ndarray, " a"]
) -> tuple[bool, bool, float]:
    """Whether the judge and the guide see the goal in the face as the user gets it, and the leakage."""
    picture = images.to_float(editor.edit(face).crop[None])
    attributes = list(judge.config.attributes)
    after = judge(picture).numpy()
    guide = editor.checkpoint.classifier(picture).numpy()
    others = [k for k, name in enumerate(attributes) if name not in goal.wanted]
    leakage = float((np.abs(after[0] - before) / spread)[others].mean())
    guided = hardest(guide, editor.attributes, goal)
    return bool(hardest(after, attributes, goal)[0] > 0.5), bool(guided[0] > 0.5), leakage
