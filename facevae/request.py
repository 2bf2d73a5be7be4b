"""What is asked of a photo, as plain values, and the photo with it done: for the command line and the API, as the page does it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from facevae.photo.alignment import Adjustment
from facevae.settings import PHOTO_DETAIL
from facevae.version import __version__

if TYPE_CHECKING:  # torch comes with it
    from facevae.editor import Editor, Face
    from facevae.editor.recipe import Recipe
    from facevae.photo.images import Photo

ALL = "all"
AS_FOUND = Adjustment()
NOBODY = "no face was found: place the crop by hand, with shift_x, shift_y, zoom and angle_deg"


@dataclass(frozen=True)
class EditRequest:
    """An edit, for any photo. `wanted` is guided to; `recipe` (JSON) brings its own strengths, locks, guidance and photo detail.

    `face` is a number, "all", or None: the recipe's own face where it fits the photo, else the largest.
    """

    strengths: Mapping[str, float] = field(default_factory=dict)
    locks: tuple[str, ...] = ()
    wanted: Mapping[str, bool] = field(default_factory=dict)
    recipe: str = ""
    detail: float | None = PHOTO_DETAIL.default
    refine: bool | None = True
    """None: as the recipe's face was."""
    adjustment: Adjustment = AS_FOUND
    face: int | str | None = None
    format: str = "original"

    def asked(self, content: bytes, checkpoint: str) -> str:
        """This order for a photo's file and a checkpoint's digest, as SHA-256: a saved picture carries it."""
        told = [__version__, checkpoint, hashlib.sha256(content).hexdigest(), asdict(self)]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class RenderedFile:
    """A file's content, its suffix, and what there is to say of it."""

    content: bytes
    suffix: str
    message: str = ""
    about: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Edited:
    """A face with all that was asked of it, ready to be saved, by an editor that knows the recipe's own directions."""

    editor: "Editor"
    face: "Face"
    strengths: Mapping[str, float]
    locks: tuple[str, ...]
    detail: float
    about: Mapping[str, Any] = field(default_factory=dict)


def run_request(editor: "Editor", order: EditRequest, photo: "Photo") -> RenderedFile:
    """The photo with the order carried out, at its full size; `ValueError` in one sentence where that cannot be."""
    from facevae.editor.recipe import recipe_from

    recipe = recipe_from(order.recipe) if order.recipe else None
    first = order.face if isinstance(order.face, int) else 0
    face = editor.open_photo(photo, order.adjustment, index=first)
    if order.face is None and recipe is not None and (own := own_face(face, recipe)) != first:
        face = editor.open_photo(photo, order.adjustment, index=own)
    refine = order.refine if order.refine is not None else recipe is None or recipe.alignment is None or recipe.refined > 0
    edited = edit_face(editor, order, recipe, likeness(editor, face, refine))
    for index in range(1, len(face.faces)) if order.face == ALL else ():
        face = edited.editor.choose(edited.face, index, edited.strengths, edited.detail, edited.locks)
        edited = edit_face(editor, order, recipe, likeness(editor, face, refine))
    asked = order.asked(photo.content or b"", editor.checkpoint.digest)
    content, suffix = edited.editor.save(edited.face, edited.strengths, order.format, edited.detail, edited.locks, asked)
    message = " ".join(filter(None, [edited.face.message, photo.remark]))
    return RenderedFile(content, suffix, message, {"face": edited.face.index, "faces": len(edited.face.faces), **edited.about})


def likeness(editor: "Editor", face: "Face", refine: bool) -> "Face":
    """The face as it is edited; `ValueError` where there is none."""
    from facevae.editor import NO_FACE

    if face.message == NO_FACE:
        raise ValueError(NOBODY)
    return editor.refined(face) if refine else face


def edit_face(editor: "Editor", order: EditRequest, recipe: "Recipe | None", face: "Face") -> Edited:
    """What the order, or its recipe, asks of one face."""
    detail = order.detail
    if recipe is not None:
        opened = editor.apply(recipe, face)
        detail = detail if detail is not None else opened.detail if opened.detail is not None else PHOTO_DETAIL.default
        return Edited(editor.knowing(opened.own) if opened.own else editor, opened.face, opened.strengths, opened.locks, detail)
    detail = PHOTO_DETAIL.default if detail is None else detail
    if not order.wanted:
        return Edited(editor, face, order.strengths, order.locks, detail)
    *_, last = editor.guide(face, order.wanted, order.strengths, detail=detail, locks=order.locks)
    report = editor.report(face, order.strengths, last.face, order.wanted, detail, order.locks)
    about = {
        "probability": last.probability,
        "steps": last.step,
        "reason": last.reason,
        "report": asdict(report) | {"moved": dict(report.moved)},
    }
    return Edited(editor, last.face, {}, order.locks, detail, about)  # the last step's face carries the strengths too


def own_face(face: "Face", recipe: "Recipe") -> int:
    """Which face of a photo a recipe was made from, where it was this photo; else the largest."""
    places = [tuple(round(float(v), 8) for v in place.matrix.flat) for place in face.faces]
    return places.index(recipe.alignment) if recipe.alignment in places else 0


def redrawn(editor: "Editor", recipe: "Recipe", asked: str = "") -> RenderedFile:
    """The picture of a recipe that needs no photo: of a face that the model drew."""
    opened = editor.reopen(recipe)
    knows = editor.knowing(opened.own) if opened.own else editor
    detail = PHOTO_DETAIL.default if opened.detail is None else opened.detail
    content, suffix = knows.save(opened.face, opened.strengths, "png", detail, opened.locks, asked)
    return RenderedFile(content, suffix)
