"""Change of skin tone by edits and guidance, for dark faces, light faces and all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32, Int, UInt8
from tqdm import tqdm

from facevae.attributes import Goal
from facevae.checkpoint.checkpoint import Checkpoint
from facevae.editor import Editor, Face
from facevae.editor.hair import NoHairError
from train.data.prepared import PreparedData
from train.evaluate.guidance import face_from
from train.latent.skin_tone import explained, tones, tones_at
from train.measure.encodings import encode_many
from train.measure.markdown import percent, table

SCREENED = 1500
SHARE = 0.1
"""The darkest and the lightest tenth of the faces screened, by their cheeks, are measured beside all."""
GROUPS = ("darkest", "all", "lightest")
NOTE = (
    "Tone of the cheeks in held-out photos, in CIELAB, where a distance of about 2 is just visible: mean change of L* in the darkest tenth "
    "of the faces, in all and in the lightest tenth, and the mean distance over all. Light and skin cannot be told apart in a photo: "
    "the darkest tenth holds faces in the shade, too."
)


@dataclass(frozen=True)
class SkinFaces:
    """Held-out faces as the editor would have opened them, and the tone of their cheeks."""

    editor: Editor
    pictures: UInt8[np.ndarray, "n s s 3"]
    z: Float32[np.ndarray, "n d"]
    tone: Float32[np.ndarray, "n 3"]

    def face(self, row: int) -> Face:
        """One of them."""
        return face_from(self.pictures[row], self.z[row])

    def change(self, edited: Mapping[int, UInt8[np.ndarray, "s s 3"]]) -> dict[str, float]:
        """What edits did to those whose crops, by number, are given: mean change of L*, and mean distance."""
        change = tones(np.stack(list(edited.values()))) - self.tone[list(edited)]
        values = float(change[:, 0].mean()), float(np.linalg.norm(change, axis=1).mean())
        return {"n": len(edited), **{name: round(value, 2) for name, value in zip(("lightness", "colour"), values, strict=True)}}

    def moved(self, rows: Sequence[int], name: str, strength: float) -> dict[str, float]:
        """Along one attribute, all of them."""
        return self.change({row: self.editor.edit(self.face(row), {name: strength}).crop for row in rows})

    def guided(self, rows: Sequence[int], goal: Goal, most: int) -> dict[str, float] | None:
        """To a goal, at most so many of those in whom the guide sees it below 0.5; None where there is nobody."""
        ends: dict[int, np.ndarray] = {}
        for row in rows:
            face = self.face(row)
            seen = self.editor.probabilities(face)
            if len(ends) < most and min(seen[label] if want else 1 - seen[label] for label, want in goal.wanted.items()) < 0.5:
                try:
                    *_, last = self.editor.guide(face, goal.wanted)
                except NoHairError:
                    continue
                ends[row] = self.editor.edit(last.face).crop
        return self.change(ends) if ends else None


def evaluate_skin(checkpoint: Checkpoint, data: PreparedData, split: str, faces: int, guided: int) -> dict[str, Any]:
    """Both ends of each slider on `faces` of each group, and guidance to each goal on at most `guided` of them."""
    index = data.sample(split, SCREENED, np.random.default_rng(7))
    tone = tones_at(data.images, index)
    groups = choose(tone[:, 0], faces)
    rows = np.unique(np.concatenate(list(groups.values())))
    groups = {name: np.searchsorted(rows, own).tolist() for name, own in groups.items()}
    z, pictures = encode_many(checkpoint.net, data, index), np.stack([data.images[k] for k in index[rows]])
    people = SkinFaces(Editor(checkpoint), pictures, z[rows], tone[rows])

    sliders: dict[str, Any] = {}
    for name, direction in tqdm(checkpoint.directions.items(), desc="skin, sliders"):
        for side, strength in (("add", direction.high), ("remove", direction.low)):
            found = {group: people.moved(own, name, strength) for group, own in groups.items()}
            sliders.setdefault(name, {})[side] = {"strength": strength, **found}
    goals = {}
    for goal in tqdm(people.editor.goals if guided else (), desc="skin, guidance"):
        found = {group: people.guided(own, goal, guided) for group, own in groups.items()}
        goals[goal.name] = {group: row for group, row in found.items() if row}
    lightness = {group: round(float(people.tone[own, 0].mean()), 1) for group, own in groups.items()}
    return {
        "n": faces,
        "screened": len(index),
        "guided": guided,
        "explained": explained(z, tone, checkpoint.skin, checkpoint.cholesky),
        "lightness": lightness,
        "sliders": sliders,
        "guidance": goals,
    }


def choose(lightness: Float32[np.ndarray, " n"], count: int) -> dict[str, Int[np.ndarray, " m"]]:
    """At most `count` faces of each group, spread evenly over it."""
    order, tenth = np.argsort(lightness, kind="stable"), max(1, round(SHARE * len(lightness)))
    groups = zip(GROUPS, (order[:tenth], order, order[-tenth:]), strict=True)
    return {name: rows[np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(int)] for name, rows in groups}


def skin_text(section: dict[str, Any]) -> str:
    """The table of sliders at the ends of their ranges, and that of guidance."""
    head = [*GROUPS, "distance"]
    rows = []
    for name, ends in section["sliders"].items():
        rows.append([name, *(cell for side in ("add", "remove") for cell in (f"{ends[side]['strength']:g}", *cells(ends[side])))])
    light = ", ".join(f"{section['lightness'][group]:.0f}" for group in GROUPS)
    shares = ", ".join(map(percent, section["explained"]))
    text = (
        f"{NOTE} At most {section['n']} faces each, of L* {light} on average. "
        f"Moves along which a straight line explains {shares} of lightness, redness and yellowness are held.\n\n"
    )
    text += table(["slider", "add at σ", *head, "remove at σ", *head], rows)
    if section["guidance"]:
        rows = [[name.replace("_", " "), *cells(found)] for name, found in section["guidance"].items()]
        text += f'\n"Make it …", at most {section["guided"]} faces each:\n\n{table(["make it …", *head], rows)}'
    return text


def cells(found: Mapping[str, Any]) -> list[str]:
    """One edit in the three groups."""
    light = [f"{found[group]['lightness']:+.1f}" if group in found else "–" for group in GROUPS]
    return [*light, f"{found['all']['colour']:.1f}" if "all" in found else "–"]
