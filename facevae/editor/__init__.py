"""Public names of the editor: Editor, and the types of its arguments and results."""

from facevae.attributes import Control, Goal, control_of
from facevae.editor.editor import Editor
from facevae.editor.guidance import LEAST_MOVED_SIGMA
from facevae.editor.photos import NO_FACE
from facevae.editor.types import Face, GuideReport, GuideStep, Opened, RefineStep, Result
from facevae.latent.directions import Direction
from facevae.latent.inversion import InversionConfig
from facevae.photo.alignment import Adjustment
from facevae.photo.compositing import DETAIL

__all__ = [
    "DETAIL",
    "LEAST_MOVED_SIGMA",
    "NO_FACE",
    "Adjustment",
    "Control",
    "Direction",
    "Editor",
    "Face",
    "Goal",
    "GuideReport",
    "GuideStep",
    "InversionConfig",
    "Opened",
    "RefineStep",
    "Result",
    "control_of",
]
