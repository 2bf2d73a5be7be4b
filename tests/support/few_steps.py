"""An editor that refines photos in a few steps: how near it comes is a matter of tests/latent, and thirty steps cost half a second."""

from facevae.editor import Editor
from facevae.latent.inversion import InversionConfig


def refine_in_few_steps(editor: Editor, steps: int) -> Editor:
    """The same editor, whose `refine` and `refined` end after at most `steps` steps."""
    refine = editor.photos.refine  # which `refined` calls, too
    editor.photos.refine = lambda face, config=None: refine(face, InversionConfig(steps=steps))
    return editor
