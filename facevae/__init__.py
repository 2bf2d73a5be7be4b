"""facevae: edit, morph and draw faces in the latent space of a variational autoencoder.

`FaceVAE.from_pretrained("owner/name", revision="…")` gives a model with all that belongs to it, `Editor.from_pretrained`
what edits with it.
"""

from typing import TYPE_CHECKING, Any

from facevae.version import __version__

if TYPE_CHECKING:
    from facevae.checkpoint.checkpoint import Checkpoint as FaceVAE
    from facevae.editor import Editor

__all__ = ["Editor", "FaceVAE", "__version__"]


def __getattr__(name: str) -> Any:
    """The two names that are not there before somebody asks: importing the package alone brings no torch along."""
    if name == "FaceVAE":
        from facevae.checkpoint.checkpoint import Checkpoint

        return Checkpoint
    if name == "Editor":
        from facevae.editor import Editor

        return Editor
    raise AttributeError(f"module 'facevae' has no attribute {name!r}")
