"""Poor draws: faces without proper eyes or mouth, told by the alignment net's own doubt."""

import math
from functools import cached_property

import torch

from facevae.editor.renderer import Renderer
from facevae.editor.types import Face
from facevae.photo.alignment import WINDOW, Aligner, ask, compose, whole

MOST_ERROR = 2.0
"""Times the error that the net expects of the mean face. Of 144 draws 8 are left out, all bad or weak by eye; at 1.5 it would be 19, with
more of dark skin among them than among all."""


class PoorDraws:
    """Tells which drawn faces the alignment net is unsure where to align: it looks for eyes and mouth, and expects errors without them.

    It knows nothing of beauty, hair or age; but sunglasses, profiles and dark pictures are left out more often than others.
    """

    def __init__(self, renderer: Renderer, aligner: Aligner) -> None:
        self.renderer, self.aligner = renderer, aligner

    def __call__(self, face: Face) -> bool:
        """Whether the face came out badly."""
        return self._log_error(face) > self._usual + math.log(MOST_ERROR)

    @cached_property
    def _usual(self) -> float:
        with self.renderer.lock, torch.inference_mode():
            mean = self.renderer.draw_face(self.renderer.checkpoint.prior.mean, "mean")
        return self._log_error(mean)

    def _log_error(self, face: Face) -> float:
        window = compose(WINDOW.matrix(), whole(len(face.crop)).matrix)
        return float(ask(face.crop, [window], self.aligner, mirrored=True)[0, 5])
