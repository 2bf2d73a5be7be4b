"""EditRequest: one edit as plain values, from page, command line or HTTP API."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from facevae.photo.alignment import Adjustment
from facevae.settings import AMOUNT, PHOTO_DETAIL
from facevae.version import __version__

if TYPE_CHECKING:  # torch comes with it
    from facevae.editor import Editor, Face, GuideReport, GuideStep, Result
    from facevae.editor.recipe import Recipe
    from facevae.photo.images import Photo

ALL = "all"
AS_FOUND = Adjustment()
NO_FACE_FOUND = "no face was found: say where it is, with at, or place the crop by hand, with shift_x, shift_y, zoom and angle_deg"


@dataclass(frozen=True)
class EditRequest:
    """An edit, for any photo. `wanted` is guided to; `look` is put on as far as `amount` says, 1 being in full; `recipe` (JSON) brings its
    own strengths, locks, guidance and photo detail.

    `face` is a number, "all", or None: the recipe's own face where it fits the photo, else the largest.
    """

    strengths: Mapping[str, float] = field(default_factory=dict)
    locks: tuple[str, ...] = ()
    wanted: Mapping[str, bool] = field(default_factory=dict)
    look: str = ""
    amount: float = AMOUNT.default
    recipe: str = ""
    detail: float | None = PHOTO_DETAIL.default
    refine: bool | None = True
    """None: as the recipe's face was."""
    adjustment: Adjustment = AS_FOUND
    face: int | str | None = None
    format: str = "original"
    at: tuple[float, float] | None = None
    """A place in the upright photo, in pixels: the face there, instead of `face`."""

    @property
    def photo_detail(self) -> float:
        """`detail`, or the default where it is None."""
        return PHOTO_DETAIL.default if self.detail is None else self.detail

    def fingerprint(self, content: bytes, checkpoint: str) -> str:
        """SHA-256 of this request, the photo's file and the checkpoint's digest: a saved picture carries it as "asked"."""
        values = [__version__, checkpoint, hashlib.sha256(content).hexdigest(), asdict(self)]
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, eq=False)
class GuidanceResult:
    """Where guidance ended, and what it changed."""

    last: "GuideStep"
    report: "GuideReport"


@dataclass(frozen=True, eq=False)
class RenderedFile:
    """A file's content, its suffix and a message for the user; `face` of the photo's `faces` was the last one edited."""

    content: bytes
    suffix: str
    message: str = ""
    face: int = 0
    faces: int = 0
    guidance: GuidanceResult | None = None


@dataclass(frozen=True, eq=False)
class EditedFace:
    """A face with the request's guidance or recipe in it, ready to be saved, and an editor that knows the recipe's own directions."""

    editor: "Editor"
    face: "Face"
    strengths: Mapping[str, float]
    locks: tuple[str, ...]
    detail: float
    guidance: GuidanceResult | None = None


def render(editor: "Editor", request: EditRequest, face: "Face", max_side_px: int | None = None) -> "Result":
    """The picture of a face with the request's strengths, locks and photo detail; `max_side_px` as in `Editor.edit`.

    Guidance and recipes take a search or another face: see `run_request`.
    """
    return editor.edit(face, request.strengths, max_side_px, request.photo_detail, request.locks)


def run_request(editor: "Editor", request: EditRequest, photo: "Photo", fingerprint: str = "", require_face: bool = True) -> RenderedFile:
    """Open, refine, edit and save a photo at its full size; `ValueError` in one sentence where that cannot be.

    `fingerprint` is stored in the file. Without `require_face`, the middle of a photo in which no face was found is edited, unrefined.
    """
    from facevae.editor import NO_FACE
    from facevae.editor.recipe import recipe_from

    recipe = recipe_from(request.recipe) if request.recipe else None
    first = request.face if isinstance(request.face, int) else 0
    face = editor.open_photo(photo, request.adjustment, index=first, at=request.at)
    if request.face is None and request.at is None and recipe is not None and (own := face_of_recipe(face, recipe)) != first:
        face = editor.open_photo(photo, request.adjustment, index=own)
    refine = request.refine if request.refine is not None else recipe is None or recipe.alignment is None or recipe.refined > 0
    if face.message == NO_FACE and require_face:
        raise ValueError(NO_FACE_FOUND)
    edited = edit_face(editor, request, recipe, editor.refined(face) if refine else face)
    for index in range(1, len(face.faces)) if request.face == ALL else ():
        face = edited.editor.choose(edited.face, index, edited.strengths, edited.detail, edited.locks)
        edited = edit_face(editor, request, recipe, editor.refined(face) if refine else face)
    content, suffix = edited.editor.save(edited.face, edited.strengths, request.format, edited.detail, edited.locks, fingerprint)
    message = " ".join(filter(None, [edited.face.message, edited.face.source.remark if edited.face.source else photo.remark]))
    return RenderedFile(content, suffix, message, edited.face.index, len(edited.face.faces), edited.guidance)


def edit_face(editor: "Editor", request: EditRequest, recipe: "Recipe | None", face: "Face") -> EditedFace:
    """Apply the request's recipe, or its guidance, or its look, or nothing but its strengths to one face."""
    if recipe is not None:
        opened = editor.apply(recipe, face)
        detail = request.photo_detail if request.detail is not None or opened.detail is None else opened.detail
        return EditedFace(editor.knowing(opened.own) if opened.own else editor, opened.face, opened.strengths, opened.locks, detail)
    detail = request.photo_detail
    if request.look:
        face = editor.put_on(face, request.look, request.amount, detail, request.locks)
    if not request.wanted:
        return EditedFace(editor, face, request.strengths, request.locks, detail)
    *_, last = editor.guide(face, request.wanted, request.strengths, detail=detail, locks=request.locks)
    report = editor.report(face, request.strengths, last.face, request.wanted, detail, request.locks)
    # The last step's face carries the strengths too.
    return EditedFace(editor, last.face, {}, request.locks, detail, GuidanceResult(last, report))


def face_of_recipe(face: "Face", recipe: "Recipe") -> int:
    """Number of the face that a recipe was made from, where it was this photo; else 0, the largest."""
    places = [tuple(round(float(v), 8) for v in place.matrix.flat) for place in face.faces]
    return places.index(recipe.alignment) if recipe.alignment in places else 0


def redraw(editor: "Editor", recipe: "Recipe", fingerprint: str = "") -> RenderedFile:
    """The picture of a recipe that needs no photo: of a face that the model drew."""
    opened = editor.reopen(recipe)
    with_own = editor.knowing(opened.own) if opened.own else editor
    detail = PHOTO_DETAIL.default if opened.detail is None else opened.detail
    content, suffix = with_own.save(opened.face, opened.strengths, "png", detail, opened.locks, fingerprint)
    return RenderedFile(content, suffix)
