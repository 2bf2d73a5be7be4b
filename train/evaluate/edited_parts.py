"""What edits do inside and outside their parts: part judge, outside, irises, skin tone."""

from typing import Any

import numpy as np
from jaxtyping import Float, Float32, UInt8
from tqdm import tqdm

from facevae.checkpoint.checkpoint import Checkpoint
from facevae.editor import Editor
from facevae.nets.judge import Judge
from facevae.photo.regions import REGIONS, part_mask
from train.data.part_maps import part_maps
from train.data.prepared import PreparedData
from train.evaluate.edited_crops import edited_crops
from train.measure.encodings import encode_many
from train.measure.irises import iris_change
from train.measure.markdown import percent, table
from train.measure.outside import change_outside
from train.measure.skin_places import PLACES, place_changes
from train.networks.part_judge import part_probabilities

PARTS_VERSION = 2
"""Of the protocol of edits; goes up with every change that moves a figure."""
NOTE = (
    "Both ends of each slider on held-out photos, with the parts of the face as the parser sees them before and after. Outside: mean "
    "change outside the parts that the edit is about, in grey levels (goal: at most 0.3). Irises: mean change of L* of the darkest 5 % of "
    "the eyes (goal: at most 5). Then the mean change of L* of what is skin before and after, at five places, whichever way it goes."
)
JUDGED = (
    " Success: share of the faces that the part judge, which sees only the part (the rest is grey), finds below 0.2 before and above 0.5 "
    "after, or above 0.8 before and below 0.5 after."
)


def evaluate_parts(checkpoint: Checkpoint, part_judge: Judge | None, data: PreparedData, split: str, faces: int) -> dict[str, Any]:
    """attribute -> end of its slider -> what the edit did to `faces` faces; success only where there is a part judge."""
    editor = Editor(checkpoint)
    index = data.sample(split, faces, np.random.default_rng(7))
    pictures, z = np.array(data.images[index]), encode_many(checkpoint.net, data, index)
    parser = checkpoint.parser
    maps = part_maps(parser, pictures)
    sliders: dict[str, Any] = {}
    for name, direction in tqdm(checkpoint.directions.items(), desc="parts"):
        if name not in REGIONS:
            continue
        judged = part_judge if part_judge is not None and name in part_judge.config.attributes else None
        plain = part_probabilities(judged, name, pictures, maps) if judged is not None else None
        for side, strength in (("add", direction.high), ("remove", direction.low)):
            after = edited_crops(editor, pictures, z, name, strength)
            maps_after = part_maps(parser, after)
            row = {"strength": strength, **measure_parts(name, pictures, after, maps, maps_after)}
            if judged is not None and plain is not None:
                row |= flips(plain, part_probabilities(judged, name, after, maps_after), adding=side == "add")
            sliders.setdefault(name, {})[side] = row
    return {"version": PARTS_VERSION, "n": len(index), "parser_px": parser.config.size, "sliders": sliders}


def measure_parts(
    name: str,
    before: UInt8[np.ndarray, "n s s 3"],
    after: UInt8[np.ndarray, "n s s 3"],
    maps: Float32[np.ndarray, "n k s s"],
    maps_after: Float32[np.ndarray, "n k s s"],
) -> dict[str, Any]:
    """Means over the faces: change outside, |change| of the irises and of the skin at each place."""
    faces = list(zip(before, after, maps, maps_after, strict=True))
    places = [place_changes(*face) for face in faces]
    return {
        "outside": mean([change_outside(old, new, part_mask(name, p, q)) for old, new, p, q in faces]),
        "irises": mean(np.abs([iris_change(old, new, p) for old, new, p, _ in faces])),
        "skin": {place: mean(np.abs([found[place] for found in places])) for place in PLACES},
    }


def mean(values: Float[np.ndarray, " n"] | list[float]) -> float | None:
    """Of the values that are there, rounded; None where none is."""
    known = np.asarray(values)[~np.isnan(values)]
    return round(float(known.mean()), 2) if len(known) else None


def flips(before: Float32[np.ndarray, " n"], after: Float32[np.ndarray, " n"], adding: bool) -> dict[str, Any]:
    """How many faces clearly lack what the edit is for, to the part judge, and the share of them that have it afterwards."""
    lack = before < 0.2 if adding else before > 0.8
    got = after[lack] > 0.5 if adding else after[lack] < 0.5
    return {"lacking": int(lack.sum()), "success": round(float(got.mean()), 3) if lack.any() else None}


def parts_text(section: dict[str, Any]) -> str:
    """The table: each slider's two ends."""
    judged = "part_judge" in section
    rows = []
    for name, ends in section["sliders"].items():
        both = [ends[side] for side in ("add", "remove")]
        cells = [pair([row[key] for row in both], count) for key, count in (("outside", 2), ("irises", 1))]
        cells += [pair([row["skin"][place] for row in both]) for place in PLACES]
        cells += [" · ".join(percent(row.get("success")) for row in both)] * judged
        rows.append([name, " · ".join(f"{row['strength']:g}" for row in both), *cells])
    who = f" {section['n']} faces, parts at {section['parser_px']} px"
    who += f", part judge {section['part_judge']}." if judged else "."
    head = ["add · remove", "σ", "outside", "irises", *PLACES, *["success"] * judged]
    return f"{NOTE}{JUDGED if judged else ''}{who}\n\n{table(head, rows)}"


def pair(values: list[float | None], count: int = 1) -> str:
    """What was measured at both ends, a dash where nothing could be."""
    return " · ".join("–" if value is None else f"{value:.{count}f}" for value in values)
