"""Morphs of held-out faces: sharpness halfway, fit of eyes and lips, evenness of steps."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
import torch
from jaxtyping import UInt8
from tqdm import tqdm

from facevae.checkpoint.checkpoint import Checkpoint
from facevae.editor import Editor, Face
from facevae.latent.paths import slerp
from facevae.photo import images
from facevae.photo.alignment import REFERENCE_POINTS, whole
from facevae.photo.dissolve import Morph, Picture, draw, frame_of
from facevae.photo.motion import UNIT, part_middles, read_grid
from facevae.photo.parts import Parser
from train.data.prepared import PreparedData
from train.evaluate.guidance import face_from
from train.measure.encodings import encode_many
from train.measure.markdown import table

MORPH_VERSION = 1
STEPS = 8
EYE_DISTANCE = float(REFERENCE_POINTS[1, 0] - REFERENCE_POINTS[0, 0])  # in crop sides
PLACES = ("left eyes", "right eyes", "lips")
NOTE = (
    "Pairs of held-out crops. Sharpness: energy of the gradient in the middle of the morph over the mean of both photos; "
    "beside it that of the decoder's picture there. Misfit: how far the middles of each eye and of the lips, as the parser sees them in "
    "both photos warped to the middle, are apart, in eye distances. Unevenness: the largest of eight steps over their mean, in mean change."
)


def evaluate_morphs(checkpoint: Checkpoint, data: PreparedData, split: str, pairs: int) -> dict[str, Any]:
    """Medians over pairs of faces, and the quartiles."""
    editor = Editor(checkpoint)
    index = data.sample(split, 2 * pairs, np.random.default_rng(11))
    pictures, z = np.array(data.images[index]), encode_many(checkpoint.net, data, index)
    faces = [face_from(picture, latent) for picture, latent in zip(pictures, z, strict=True)]
    rows = [measure_pair(editor, *pair) for pair in tqdm(list(zip(faces[::2], faces[1::2], strict=True)), desc="morphs")]
    return {"version": MORPH_VERSION, "n": len(rows)} | {name: quartiles([row[name] for row in rows]) for name in rows[0]}


def measure_pair(editor: Editor, a: Face, b: Face) -> dict[str, float]:
    """What `NOTE` says of one pair; NaN where the parser misses a part."""
    frames = list(editor.morph_through((a, b), np.linspace(0, 1, STEPS + 1).tolist()))
    middle, photos = frames[STEPS // 2], (gradient_energy(frames[0]) + gradient_energy(frames[-1])) / 2
    steps = [np.abs(one.astype(np.float32) - other).mean() for one, other in pairwise(frames)]
    misfits = misfit_of(a, b, editor.morphing.pair(a, b).morph, editor.renderer.parser)
    return {
        "sharpness": gradient_energy(middle) / photos,
        "sharpness of the decoder": gradient_energy(decoded_middle(editor, a, b)) / photos,
        **{f"misfit of {name}": misfits.get(name, np.nan) for name in PLACES},
        "unevenness": float(max(steps) / np.mean(steps)) if any(steps) else 1.0,
    }


def misfit_of(a: Face, b: Face, morph: Morph, parser: Parser) -> dict[str, float]:
    """How far parts of both photos, each warped alone to the middle of the morph, are from each other, in eye distances."""
    pictures = [Picture(face.crop, whole(len(face.crop))) for face in (a, b)]
    blend = morph.at(0.5)
    alone = [draw(replace(blend, share=np.full_like(blend.share, t)), *pictures, frame_of(pictures[0])) for t in (0, 1)]
    places = [part_middles(read_grid(picture, whole(len(picture)), parser).shares) for picture in alone]
    both = [name for name in PLACES if all(name in found for found in places)]
    return {name: float(np.linalg.norm(places[0][name] - places[1][name])) / UNIT / EYE_DISTANCE for name in both}


def decoded_middle(editor: Editor, a: Face, b: Face) -> UInt8[np.ndarray, "s s 3"]:
    """What the decoder draws halfway."""
    centre = editor.checkpoint.prior.mean
    with editor.renderer.lock, torch.inference_mode():
        z = centre + slerp(torch.from_numpy(a.latent) - centre, torch.from_numpy(b.latent) - centre, 0.5)
        return images.to_uint8(editor.renderer.decode(z))[0]


def gradient_energy(picture: UInt8[np.ndarray, "h w 3"]) -> float:
    """Mean squared gradient of the brightness."""
    dy, dx = np.gradient(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32))
    return float((dx**2 + dy**2).mean())


def quartiles(values: list[float]) -> list[float | None]:
    """Lower quartile, median and upper quartile of the values that are there."""
    known = np.asarray(values)[~np.isnan(values)]
    return [round(float(q), 4) for q in np.quantile(known, (0.25, 0.5, 0.75))] if len(known) else [None] * 3


def morphs_text(section: dict[str, Any]) -> str:
    """The table."""
    rows = [
        [name, *("–" if value is None else f"{value:.3f}" for value in values)]
        for name, values in section.items()
        if isinstance(values, list)
    ]
    return f"{NOTE} {section['n']} pairs.\n\n{table(['', 'lower quartile', 'median', 'upper quartile'], rows)}"
