"""Frames -> a file that moves, with the note that it was made by AI."""

import io
from typing import Literal

import numpy as np
from jaxtyping import UInt8
from PIL import Image

NOTE = "AI-edited with facevae"


def animation_bytes(
    frames: UInt8[np.ndarray, "n h w 3"], format: Literal["gif", "webp"] = "webp", duration_ms: int = 60, loop: bool = True
) -> bytes:
    """A GIF or WebP of the frames, there and, with `loop`, back again.

    `ValueError` for another format, or a frame that lasts less than 10 or more than 10,000 ms.
    """
    if format not in ("gif", "webp"):
        raise ValueError(f"the format must be gif or webp, not {format}")
    if not 10 <= duration_ms <= 10_000:
        raise ValueError(f"a frame must last 10 to 10000 ms, not {duration_ms}")
    film = [Image.fromarray(frame) for frame in (np.concatenate([frames, frames[-2:0:-1]]) if loop else frames)]
    options = {"quality": 90, "method": 2, "xmp": f"<x>{NOTE}</x>".encode()}
    if format == "gif":
        # One palette for the whole film: a palette for each frame takes a hundred times longer and flickers.
        strip = Image.fromarray(np.concatenate(frames[:: max(1, len(frames) // 16)]))
        palette = strip.quantize(256, method=Image.Quantize.FASTOCTREE)
        film = [frame.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG) for frame in film]
        options = {"comment": NOTE.encode()}
    buffer = io.BytesIO()
    film[0].save(buffer, format=format.upper(), save_all=True, append_images=film[1:], duration=duration_ms, loop=0, **options)
    return buffer.getvalue()
