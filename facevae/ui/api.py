"""The HTTP API: every control of the page for programs, without a session. Names are pinned by tests."""

import json
from typing import Any

import gradio as gr
import numpy as np

from facevae import __version__
from facevae.editor import DETAIL, NO_FACE, Adjustment, Control, Direction, Editor, Face
from facevae.photo.images import png_bytes
from facevae.ui.parts import file_stem, one_sentence, to_file

MOST_FACES, MOST_FRAMES, MAX_SEED = 64, 240, 2**32 - 65
MORPH_NOTES = {"Software": f"facevae {__version__}", "Comment": "AI-generated with facevae: a morph of two faces"}


def from_json(given: Any) -> Any:
    """A value that may have come as text."""
    try:
        return json.loads(given) if isinstance(given, str) else given
    except json.JSONDecodeError:
        raise ValueError(f"{given[:40]!r} is no JSON") from None


def strengths_of(given: Any) -> dict[str, float]:
    """Strengths in σ by attribute name, from JSON."""
    given = from_json(given)
    if given is None:
        return {}
    if not isinstance(given, dict) or not all(isinstance(v, int | float) and not isinstance(v, bool) for v in given.values()):
        raise ValueError('strengths are a JSON object of numbers, such as {"Smiling": 2}')
    return {str(name): float(value) for name, value in given.items()}


def wanted_of(given: Any) -> dict[str, bool]:
    """Wanted labels by attribute name, from JSON."""
    given = from_json(given)
    if not isinstance(given, dict) or not given or not all(isinstance(value, bool) for value in given.values()):
        raise ValueError('wanted labels are a JSON object of booleans, such as {"Smiling": true}')
    return {str(name): value for name, value in given.items()}


def locks_of(given: Any) -> tuple[str, ...]:
    """Names of what is to be held, from JSON."""
    given = from_json(given)
    if given is None:
        return ()
    if not isinstance(given, list) or not all(isinstance(name, str) for name in given):
        raise ValueError('locks are a JSON list of names, such as ["Male"]')
    return tuple(given)


def adjustment_of(given: Any) -> Adjustment:
    """An adjusted crop, from JSON."""
    given = from_json(given)
    try:
        return Adjustment(**(given or {}))
    except TypeError:
        raise ValueError("an adjustment has shift_x, shift_y, zoom and angle_deg") from None


def about(control: Control, direction: Direction) -> dict[str, Any]:
    """A slider for programs: ranges of strengths in σ of the attribute, where a reversed slider shows them from the other end."""
    low, high = sorted((control.strength(control.low), control.strength(control.high)))
    safe_low, safe_high = sorted((control.strength(control.safe_low), control.strength(control.safe_high)))
    return {
        "name": control.name,
        "label": control.label,
        "group": control.group,
        "low": low,
        "high": high,
        "safe_low": safe_low,
        "safe_high": safe_high,
        "estimator": direction.estimator,
        "auroc": direction.auroc,
        **({"leakage": dict(direction.leakage)} if direction.leakage else {}),
    }


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
        strengths, wanted, adjustment, locks = (
            gr.JSON(label=label, visible=False) for label in ("strengths", "wanted", "adjustment", "locks")
        )
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
        hidden.click(self.edit, [photo, strengths, adjustment, *later, locks], self.file, api_name="edit", **queued)
        hidden.click(self.guide, [photo, wanted, strengths, *later, locks], [self.file, answer], api_name="guide", **queued)
        hidden.click(self.morph, [photo, photo_b, at, path], self.file, api_name="morph", **queued)
        hidden.click(self.export_morph, [photo, photo_b, frames, path, form], self.file, api_name="export_morph", **queued)
        hidden.click(self.generate, [seed, count, temperature, prior], files, api_name="generate", **queued)

    def controls(self) -> dict[str, Any]:
        """Names, labels and ranges (in σ) of the sliders, what can be locked, and the goals.

        Within `safe_low` … `safe_high` a strength was measured to work; `auroc` is how well the direction tells held-out faces
        apart; `leakage`, where it was measured, is how far `safe_high` moves the other labels.
        """
        return {
            "controls": [about(c, self.editor.directions[c.name]) for c in self.editor.controls],
            "lockable": list(self.editor.directions),
            "goals": [{"name": g.name, "label": g.label, "wanted": dict(g.wanted)} for g in self.editor.goals],
        }

    def open_photo(self, photo: dict[str, Any], adjustment: Any = None, face: float = 0) -> tuple[str, dict[str, Any]]:
        """Find the faces: the crop of one as PNG, a message, and what the classifier sees.

        `scores` are where the face stands along each direction, in σ from the mean face.
        `faces` is how many there are, the largest being number 0; `found` and `confidence` say whether there is a face
        at all; `psnr` (dB) is how near the model's picture of the crop is, before any refinement.
        """
        with one_sentence():
            opened = self._open(photo, adjustment, face)
            assert opened.alignment is not None
            return to_file(self.file, png_bytes(opened.crop, {}), f"{file_stem(opened)}-crop.png"), {
                "message": opened.message,
                "probabilities": self.editor.probabilities(opened),
                "scores": {name: round(score, 3) for name, score in self.editor.scores(opened).items()},
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
        locks: Any = None,
    ) -> str:
        """Move the sliders of one face of a photo; the whole photo comes back, at its own size and in its own format or as PNG.

        `locks` is a list of what the others may not move, such as ["Male"]; `lockable` of /controls is what it may name.
        """
        with one_sentence():
            moved, held, detail = strengths_of(strengths), locks_of(locks), number_of(detail, "detail", 0, 1)
            opened = self._open(photo, adjustment, face, refine)
            return self._saved(opened, moved, format, detail, held)

    def guide(
        self,
        photo: dict[str, Any],
        wanted: Any,
        strengths: Any = None,
        face: float = 0,
        refine: bool = True,
        detail: float = DETAIL,
        format: str = "original",
        locks: Any = None,
    ) -> tuple[str, dict[str, Any]]:
        """Guide one face of a photo until the classifier sees the wanted labels.

        `probability` is that of the hardest of them, `probabilities` are those of all; `reason` is why the search ended: target,
        plateau or steps. In `report`, `judge` is what a classifier sees that took no part, and `moved` what else changed, in σ.
        """
        with one_sentence():
            labels, moved, held = wanted_of(wanted), strengths_of(strengths), locks_of(locks)
            detail = number_of(detail, "detail", 0, 1)
            opened = self._open(photo, None, face, refine)
            *_, last = self.editor.guide(opened, labels, moved, detail=detail, locks=held)
            report = self.editor.report(opened, moved, last.face, labels, detail, held)
            # The last step's face carries the strengths too.
            return self._saved(last.face, {}, format, detail), {
                "probability": last.probability,
                "steps": last.step,
                "probabilities": last.probabilities,
                "reason": last.reason,
                "report": {
                    "asked": dict(report.asked),
                    "guide": dict(report.guide),
                    "judge": None if report.judge is None else dict(report.judge),
                    "moved": dict(report.moved),
                    "leakage": report.leakage,
                },
            }

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

    def _saved(
        self, face: Face, strengths: dict[str, float], format: str = "original", detail: float = DETAIL, locks: tuple[str, ...] = ()
    ) -> str:
        data, suffix = self.editor.save(face, strengths, format, detail, locks)
        return to_file(self.file, data, f"{file_stem(face)}-facevae{suffix}")
