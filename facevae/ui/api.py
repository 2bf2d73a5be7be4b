"""The HTTP API: every control of the page for programs, without a session. Names are pinned by tests."""

import json
from typing import Any

import gradio as gr
import numpy as np

from facevae import __version__
from facevae.editor import DETAIL, NO_FACE, Adjustment, Control, Editor, Face
from facevae.photo.images import png_bytes
from facevae.ui.parts import file_stem, one_sentence, to_file

MOST_FACES, MOST_FRAMES, MAX_SEED = 64, 240, 2**32 - 65
MORPH_NOTES = {"Software": f"facevae {__version__}", "Comment": "AI-generated with facevae: a morph of two faces"}


def strengths_of(given: Any) -> dict[str, float]:
    """Strengths in σ by attribute name, from JSON."""
    given = json.loads(given) if isinstance(given, str) else given
    if given is None:
        return {}
    if not isinstance(given, dict) or not all(isinstance(v, int | float) and not isinstance(v, bool) for v in given.values()):
        raise ValueError('strengths are a JSON object of numbers, such as {"Smiling": 2}')
    return {str(name): float(value) for name, value in given.items()}


def wanted_of(given: Any) -> dict[str, bool]:
    """Wanted labels by attribute name, from JSON."""
    given = json.loads(given) if isinstance(given, str) else given
    if not isinstance(given, dict) or not given or not all(isinstance(value, bool) for value in given.values()):
        raise ValueError('wanted labels are a JSON object of booleans, such as {"Smiling": true}')
    return {str(name): value for name, value in given.items()}


def adjustment_of(given: Any) -> Adjustment:
    """An adjusted crop, from JSON."""
    given = json.loads(given) if isinstance(given, str) else given
    try:
        return Adjustment(**(given or {}))
    except TypeError:
        raise ValueError("an adjustment has shift_x, shift_y, zoom and angle_deg") from None


def range_of(control: Control) -> dict[str, float]:
    """The range of strengths, in σ of the attribute; a reversed slider shows it from the other end."""
    low, high = sorted((control.strength(control.low), control.strength(control.high)))
    return {"low": low, "high": high}


def flag_of(given: Any, name: str) -> bool:
    """A yes or no."""
    if not isinstance(given, bool):
        raise ValueError(f"{name} is true or false, not {given!r}")
    return given


def number_of(given: Any, name: str, low: float, high: float) -> float:
    """A number within its range."""
    if not isinstance(given, int | float) or isinstance(given, bool) or not low <= given <= high:
        raise ValueError(f"{name} is a number from {low:g} to {high:g}, not {given!r}")
    return given


class Api:
    """Invisible widgets that give the endpoints their types; each call stands on its own."""

    def __init__(self, editor: Editor) -> None:
        self.editor = editor
        # visible=False: in the description of the API, not on the page. preprocess=False below: the values come as they
        # were sent, so that it is the editor that refuses wrong ones, by name.
        photo, photo_b = (gr.File(type="filepath", label=label, visible=False) for label in ("photo", "second photo"))
        strengths, wanted, adjustment = (gr.JSON(label=label, visible=False) for label in ("strengths", "wanted", "adjustment"))
        at, frames, count, seed, temperature = (
            gr.Number(value, label=label, visible=False)
            for label, value in (("position", 0.5), ("frames", 32), ("count", 4), ("seed", 1), ("temperature", 0.8))
        )
        path = gr.Radio(["slerp", "lerp"], value="slerp", label="path", visible=False)
        form = gr.Radio(["gif", "webp"], value="gif", label="format", visible=False)
        prior = gr.Radio(["fitted", "normal"], value="fitted", label="prior", visible=False)
        face, detail = (gr.Number(value, label=label, visible=False) for label, value in (("face", 0), ("photo detail", DETAIL)))
        refine = gr.Checkbox(True, label="refine", visible=False)
        kind = gr.Radio(["original", "png"], value="original", label="file format", visible=False)
        self.file = gr.File(label="file", visible=False)
        files = gr.File(label="files", file_count="multiple", visible=False)
        answer = gr.JSON(label="answer", visible=False)
        queued: dict[str, Any] = {"concurrency_id": "model", "concurrency_limit": 4, "preprocess": False}
        hidden = gr.Button(visible=False)
        hidden.click(self.controls, None, answer, api_name="controls", **queued)
        # What came later stands at the end, with a default: old calls still mean what they meant.
        later = [face, refine, detail, kind]
        hidden.click(self.open_photo, [photo, adjustment, face], [self.file, answer], api_name="open_photo", **queued)
        hidden.click(self.edit, [photo, strengths, adjustment, *later], self.file, api_name="edit", **queued)
        hidden.click(self.guide, [photo, wanted, strengths, *later], [self.file, answer], api_name="guide", **queued)
        hidden.click(self.morph, [photo, photo_b, at, path], self.file, api_name="morph", **queued)
        hidden.click(self.export_morph, [photo, photo_b, frames, path, form], self.file, api_name="export_morph", **queued)
        hidden.click(self.generate, [seed, count, temperature, prior], files, api_name="generate", **queued)

    def controls(self) -> dict[str, Any]:
        """Names, labels and ranges (in σ) of the sliders, and the goals."""
        return {
            "controls": [{"name": c.name, "label": c.label, "group": c.group, **range_of(c)} for c in self.editor.controls],
            "goals": [{"name": g.name, "label": g.label, "wanted": dict(g.wanted)} for g in self.editor.goals],
        }

    def open_photo(self, photo: dict[str, Any], adjustment: Any = None, face: float = 0) -> tuple[str, dict[str, Any]]:
        """Find the faces: the crop of one as PNG, a message, and what the classifier sees.

        `faces` is how many there are, the largest being number 0; `found` and `confidence` say whether there is a face
        at all; `psnr` (dB) is how near the model's picture of the crop is, before any refinement.
        """
        with one_sentence():
            opened = self._open(photo, adjustment, face)
            assert opened.alignment is not None
            return to_file(self.file, png_bytes(opened.crop, {}), f"{file_stem(opened)}-crop.png"), {
                "message": opened.message,
                "probabilities": self.editor.probabilities(opened),
                "faces": sum(alignment.found for alignment in opened.faces),
                "found": opened.alignment.found,
                "confidence": round(opened.alignment.confidence, 4),
                "psnr": round(next(self.editor.refine(opened)).psnr_db, 2),
            }

    def edit(
        self,
        photo: dict[str, Any],
        strengths: Any = None,
        adjustment: Any = None,
        face: float = 0,
        refine: bool = True,
        detail: float = DETAIL,
        format: str = "original",
    ) -> str:
        """Move the sliders of one face of a photo; the whole photo comes back, at its own size and in its own format or as PNG."""
        with one_sentence():
            moved, detail = strengths_of(strengths), number_of(detail, "detail", 0, 1)
            opened = self._open(photo, adjustment, face, refine)
            return self._saved(opened, moved, format, detail)

    def guide(
        self,
        photo: dict[str, Any],
        wanted: Any,
        strengths: Any = None,
        face: float = 0,
        refine: bool = True,
        detail: float = DETAIL,
        format: str = "original",
    ) -> tuple[str, dict[str, Any]]:
        """Guide one face of a photo until the classifier sees the wanted labels."""
        with one_sentence():
            labels, moved, detail = wanted_of(wanted), strengths_of(strengths), number_of(detail, "detail", 0, 1)
            *_, last = self.editor.guide(self._open(photo, None, face, refine), labels, moved, detail=detail)
            # The last step's face carries the strengths too.
            return self._saved(last.face, {}, format, detail), {"probability": last.probability, "steps": last.step}

    def morph(self, photo_a: dict[str, Any], photo_b: dict[str, Any], position: float = 0.5, path: str = "slerp") -> str:
        """The face between two photos, as PNG."""
        with one_sentence():
            a, b = self._open(photo_a), self._open(photo_b)
            picture = self.editor.morph(a, b, [number_of(position, "position", 0, 1)], path)[0]
            return to_file(self.file, png_bytes(picture, MORPH_NOTES), f"{file_stem(a)}-{file_stem(b)}.png")

    def export_morph(
        self, photo_a: dict[str, Any], photo_b: dict[str, Any], frames: float = 32, path: str = "slerp", format: str = "gif"
    ) -> str:
        """The way between two photos, as an animation."""
        with one_sentence():
            count = int(number_of(frames, "frames", 2, MOST_FRAMES))
            a, b = self._open(photo_a), self._open(photo_b)
            film = self.editor.morph(a, b, np.linspace(0, 1, count).tolist(), path)
            return to_file(self.file, self.editor.save_animation(film, format=format), f"{file_stem(a)}-to-{file_stem(b)}.{format}")

    def generate(self, seed: float = 1, count: float = 4, temperature: float = 0.8, prior: str = "fitted") -> list[str]:
        """New faces as PNGs, one for each seed from `seed` on."""
        with one_sentence():
            first, n = int(number_of(seed, "seed", 0, MAX_SEED)), int(number_of(count, "count", 1, MOST_FACES))
            temperature = number_of(temperature, "temperature", 0, 3)
            faces = self.editor.generate(range(first, first + n), temperature=temperature, prior=prior)
            return [self._saved(face, {}) for face in faces]

    def _open(self, photo: dict[str, Any] | None, adjustment: Any = None, face: Any = 0, refine: Any = False) -> Face:
        """A face of an upload, refined where that is wanted and a face is there."""
        if not photo:
            raise ValueError("a photo is missing")
        index, refine = number_of(face, "face", 0, MOST_FACES), flag_of(refine, "refine")
        opened = self.editor.open_photo(photo["path"], adjustment_of(adjustment), index=int(index))
        if refine and opened.message != NO_FACE:
            *_, last = self.editor.refine(opened)
            opened = last.face
        return opened

    def _saved(self, face: Face, strengths: dict[str, float], format: str = "original", detail: float = DETAIL) -> str:
        data, suffix = self.editor.save(face, strengths, format, detail)
        return to_file(self.file, data, f"{file_stem(face)}-facevae{suffix}")
