"""Edits of crops at random, as the editor lays them in, with how far each pixel was drawn."""

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor

from facevae.editor import Editor, Face
from facevae.editor.renderer import as_pixels
from facevae.photo import images
from facevae.photo.alignment import whole
from facevae.photo.compositing import DETAIL, change_layer, with_motion
from facevae.photo.crop_background import CropBackground
from train.data.replaced_parts import Edited

EDITS = (
    "Smiling",
    "Mouth_Slightly_Open",
    "Eyeglasses",
    "Bangs",
    "Mustache",
    "Goatee",
    "No_Beard",
    "Young",
    "Male",
    "Narrow_Eyes",
    "Wearing_Hat",
)
LEAST = 0.5  # of a slider's range


def reconstruct_by(editor: Editor):
    """Pictures in [0, 1] to the decoder's pictures of them."""
    renderer = editor.renderer

    def reconstruct(x: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b 3 s s"]:
        return renderer.fast_net.decode(renderer.checkpoint.net.encode(x).mode).clamp(0, 1)

    return reconstruct


def edit_at_random(editor: Editor) -> Edited:
    """Moves a crop along one of the sliders of `EDITS`, at least half of the way; which one, and how far, depends on the crop's number."""
    renderer = editor.renderer
    size = renderer.size

    def edit(crop: UInt8[np.ndarray, "s s 3"], number: int) -> tuple[UInt8[np.ndarray, "s s 3"], Float32[np.ndarray, "s s"]] | None:
        rng = np.random.default_rng((7, number))
        name = EDITS[rng.integers(len(EDITS))]
        known = renderer.directions.get(name)
        if known is None:
            return None
        end = known.high if rng.random() < 0.5 else known.low
        with torch.inference_mode():
            small = images.shrink(crop[None], (3, size, size)) if len(crop) != size else crop[None]
            z = renderer.checkpoint.net.encode(images.to_float(np.ascontiguousarray(small))).mode
        face = Face(z[0].numpy(), np.zeros(renderer.latent_size, np.float32), small[0])
        move = renderer.drawn_part(renderer.move(face, {name: float(end * rng.uniform(LEAST, 1))}))
        with torch.inference_mode():
            before, after = (as_pixels(renderer.decode(z[0] + m)) for m in (0 * move, move))
        ground = CropBackground(crop, whole(len(crop)), size, renderer.parser)
        ground, before, _, _ = with_motion(ground, before, [((name,), after)])
        layer = change_layer(ground, before, after, ground.parts.hair_colour, DETAIL, (name,))
        drawn = layer[..., 3:]
        edited = ground.fine * 255 * (1 - drawn) + layer[..., :3]
        return np.rint(edited).clip(0, 255).astype(np.uint8), drawn[..., 0].clip(0, 1)

    return edit
