"""What the tests of the command line work on: small photos, and where their faces are."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

PLACED = ("--zoom", "1.2")  # the tiny alignment net believes in no face, so the crop is placed by hand


def draw(path: Path, seed: int = 0, size: tuple[int, int] = (80, 64)) -> Path:
    """A photo of noise that is smooth enough for JPEG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    small = np.random.default_rng(seed).integers(0, 256, (8, 10, 3)).astype(np.uint8)
    Image.fromarray(small).resize(size, Image.Resampling.BICUBIC).save(path)
    return path


def pixels(path: Path | bytes) -> np.ndarray:
    with Image.open(io.BytesIO(path) if isinstance(path, bytes) else path) as image:
        return np.asarray(image.convert("RGB"))
