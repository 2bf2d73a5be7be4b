"""Editor: generate, open a photo, edit, guide, morph. Images in, images out; the page is a thin skin over it."""

from pathlib import Path
from typing import Any

from facevae.attributes import GOALS, Control, Goal, list_controls
from facevae.checkpoint.checkpoint import Checkpoint
from facevae.editor.guidance import Guiding
from facevae.editor.morphing import Interpolation
from facevae.editor.saving import Saving


class Editor(Saving, Guiding, Interpolation):
    """Everything the app can do, over one checkpoint. Calls may come from any thread; each is a pure function of its arguments.

    What the verbs share is in `facevae.editor.renderer`.
    """

    def __init__(self, checkpoint: Checkpoint | str | Path | None = None, revision: str | None = None) -> None:
        """Open a checkpoint: a folder, "owner/name" or "owner/name@revision" on the Hub, or, for None, the embedded one."""
        super().__init__(checkpoint if isinstance(checkpoint, Checkpoint) else Checkpoint.from_pretrained(checkpoint, revision))
        self.controls: list[Control] = list_controls(self.checkpoint.directions)
        known = set(self.checkpoint.classifier.config.attributes)
        self.goals: list[Goal] = [goal for goal in GOALS if set(goal.wanted) <= known]
        self.card: str = self.checkpoint.card
        self.evaluation: dict[str, Any] = self.checkpoint.evaluation

    @classmethod
    def from_pretrained(cls, source: str | Path | None = None, revision: str | None = None) -> "Editor":
        """The editor over `Checkpoint.from_pretrained(source, revision)`, under the name that the Hub's users look for."""
        return cls(source, revision)
