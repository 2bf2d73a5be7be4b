"""Edited crops of many held-out faces, as the editor renders them."""

import numpy as np
from jaxtyping import Float32, UInt8

from facevae.editor import Editor
from train.evaluate.guidance import face_from

LOOK_STRENGTHS = {"Eyeglasses": 4.0, "Bangs": 3.5, "No_Beard": -3.0, "Young": -3.0}
"""In σ: how far a look moves an attribute, and which way; 3 for the others."""


def look_strength(attribute: str) -> float:
    """The strength of an attribute that a look uses."""
    return LOOK_STRENGTHS.get(attribute, 3.0)


def edited_crops(
    editor: Editor, pictures: UInt8[np.ndarray, "n s s 3"], z: Float32[np.ndarray, "n d"], attribute: str, strength: float
) -> UInt8[np.ndarray, "n s s 3"]:
    """Prepared pictures with encodings `z`, all moved along one attribute, in σ."""
    faces = (face_from(picture, latent) for picture, latent in zip(pictures, z, strict=True))
    return np.stack([editor.edit(face, {attribute: strength}).crop for face in faces])
