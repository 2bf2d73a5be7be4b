"""Hair colours: the move that dyes a face's hair in a named shade, as far as wanted."""

from collections.abc import Collection, Mapping

import numpy as np

from facevae.attributes import HAIR_COLOURS
from facevae.editor.edit_parts import moved_further, offset_parts
from facevae.editor.renderer import SCREEN_SIDE_PX, Renderer
from facevae.editor.types import Face
from facevae.photo.crop_background import ground_of
from facevae.photo.parts import median_colour, share_of
from facevae.photo.recolour import SHADES, Lab, in_light, like_hair, no_lighter_than

SHADE_OF_LABELS = {
    ("Black_Hair",): "black",
    ("Black_Hair", "Brown_Hair"): "dark brown",
    ("Brown_Hair",): "brown",
    ("Blond_Hair",): "blond",
    ("Gray_Hair",): "gray",
}
"""What the data set calls it: labels that are wanted together."""


MOST_LIGHTER = 38.0
"""In L*."""


class NoHairError(ValueError):
    """There is too little hair to dye."""

    def __init__(self) -> None:
        super().__init__("There is too little hair in this picture to colour.")


class Hair:
    """Dyes hair; member `hair` of the editor."""

    def __init__(self, renderer: Renderer) -> None:
        self.renderer = renderer

    def dye(
        self, face: Face, shade: str, amount: float | None = 1.0, strengths: Mapping[str, float] = {}, locks: Collection[str] = ()
    ) -> Face:
        """The face with its hair on the way from its own colour (0) to a shade of `SHADES` (1), in the light of its photo.

        Without an amount hair becomes no lighter than by `MOST_LIGHTER`: black hair shows few of the strands that light hair would.
        The result carries the strengths, but for what they do to the colour of hair, in its `offset`. `ValueError` in one sentence
        for an unknown shade, an amount outside 0 ... 1, or a face without hair.
        """
        if shade not in SHADES:
            raise ValueError(f"there is no shade {shade!r:.40}; there are {', '.join(SHADES)}")
        if amount is not None and not 0 <= amount <= 1:
            raise ValueError(f"the amount of a hair colour must lie between 0 and 1, not {amount:g}")
        own, light = self._own(face)
        if own is None:
            raise NoHairError
        target = in_light(SHADES[shade], light)
        if amount is None:
            target, amount = no_lighter_than(target, own[0] + MOST_LIGHTER), 1.0
        wanted = np.array(like_hair(target, own), np.float32)
        if shade == "black" and own[0] <= wanted[0]:  # it is black already
            wanted = np.float32(own)
        face = self.renderer.bake(face, strengths, locks)
        missing = amount * (wanted - np.float32(own)) - self.renderer.shown_hair_shift(face, offset_parts(face))
        return moved_further(face, face.offset + self.renderer.hair.move(missing).numpy(), HAIR_COLOURS)

    def _own(self, face: Face) -> tuple[Lab | None, float]:
        """The colour of the hair in the picture that edits are laid over, and how bright its light is."""
        photo, alignment = self.renderer.scaled_photo(face, SCREEN_SIDE_PX)
        if photo is not None and alignment is not None:
            ground = ground_of(photo, alignment, self.renderer.size, self.renderer.parser)
            return ground.parts.hair_colour, ground.parts.light
        shares = self.renderer.parser(face.crop)
        return median_colour(face.crop, share_of(shares, ("hair",)) > 0.8), 1.0


def shade_of(wanted: Mapping[str, bool]) -> str | None:
    """The shade that hair labels ask for; "red" where each of them is asked against; None where they leave it open."""
    asked = {name: wanted[name] for name in HAIR_COLOURS if name in wanted}
    if len(asked) == len(HAIR_COLOURS) and not any(asked.values()):
        return "red"
    return SHADE_OF_LABELS.get(tuple(sorted(name for name, want in asked.items() if want)))
