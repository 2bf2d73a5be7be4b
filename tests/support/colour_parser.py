"""A face parser that knows parts by their colour, for made pictures: what a test paints as hair is hair."""

import numpy as np

from facevae.nets.parser import PARTS
from facevae.photo.parts import Parser

PALETTE = {
    "background": (20, 30, 210),
    "clothes": (20, 170, 40),
    "skin": (205, 155, 125),
    "hair": (60, 42, 30),
    "eyes": (250, 250, 250),
    "hat": (200, 20, 160),
}
"""What to paint a part in."""


def by_colour(size: int = 64, palette: dict[str, tuple[int, int, int]] = PALETTE) -> Parser:
    """Each pixel is surely of the part whose colour in `palette` is the nearest."""
    colours = np.array(list(palette.values()), np.float32)
    number = np.array([PARTS.index(name) for name in palette])

    def ask(picture: np.ndarray) -> np.ndarray:
        nearest = ((picture[:, :, None].astype(np.float32) - colours) ** 2).sum(axis=3).argmin(axis=2)
        return (number[nearest] == np.arange(len(PARTS))[:, None, None]).astype(np.float32)

    return Parser(size, ask)


def only(part: str, size: int = 32) -> Parser:
    """All of every picture is this part."""
    row = np.float32([[[name == part]] for name in PARTS])
    return Parser(size, lambda picture: np.broadcast_to(row, (len(PARTS), *picture.shape[:2])).copy())


def hair_above_skin(size: int = 32) -> Parser:
    """The upper half of every picture is hair, the lower skin, whatever they show."""
    hair, skin = (only(part, size).ask for part in ("hair", "skin"))
    return Parser(size, lambda picture: np.concatenate([hair(picture[: len(picture) // 2]), skin(picture[len(picture) // 2 :])], axis=1))
