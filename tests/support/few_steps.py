"""Refinement and guidance in a few steps: how near they come is a matter of tests/latent."""

from functools import partial

import pytest

from facevae.editor import Editor
from facevae.latent.guidance import GuidanceConfig
from facevae.latent.inversion import InversionConfig


def refine_in_few_steps(editor: Editor, steps: int) -> Editor:
    """The same editor, whose `refine` and `refined` end after at most `steps` steps."""
    refine = editor.photos.refine  # which `refined` calls, too
    editor.photos.refine = lambda face, config=None: refine(face, InversionConfig(steps=steps))
    return editor


def guide_in_few_steps(patch: pytest.MonkeyPatch) -> None:
    """Guidance ends after its second step, as on a plateau, where it has not come to its target before."""
    patch.setattr("facevae.editor.guidance.GuidanceConfig", partial(GuidanceConfig, patience=1, gain=1.0))
