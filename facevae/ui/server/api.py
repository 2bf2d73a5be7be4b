"""HTTP API for programs, without a session; endpoint names are pinned by tests."""

import json
from typing import Any

import gradio as gr

from facevae import files
from facevae.attributes import WITHHELD
from facevae.editor import Control, Direction, Editor, Face
from facevae.editor.hair import shade_of
from facevae.editor.morph_types import MOST_FRAMES, FilmConfig, MorphPath
from facevae.photo.animation import film_formats
from facevae.photo.images import open_photo, png_bytes
from facevae.request import EditRequest, RenderedFile, redraw, run_request
from facevae.settings import (
    AMOUNT,
    ANY_TEMPERATURE,
    DURATION_MS,
    FRAMES,
    PATH,
    PHOTO_DETAIL,
    POSITION,
    PRIOR,
    REPEAT,
    TEMPERATURE,
    WHERE,
    Choice,
    Number,
    check_whole,
)
from facevae.ui.components import file_stem, plain_sentence, to_file
from facevae.ui.server.api_arguments import (
    LAST_FACE,
    LAST_SEED,
    MOST_FACES,
    adjustment_of,
    file_of,
    film_format_of,
    flag_of,
    name_of,
    names_of,
    recipe_of,
    strengths_of,
    wanted_of,
)
from facevae.version import __version__

MORPH_NOTES = {"Software": f"facevae {__version__}", "Comment": "AI-generated with facevae: a morph of two faces"}


def about(control: Control, direction: Direction, curved: bool) -> dict[str, Any]:
    """A slider for programs: ranges of strengths in σ of the attribute, where a reversed slider shows them from the other end.

    `curved` sliders follow the latent flow, and not the straight direction.
    """
    (low, high), (safe_low, safe_high) = control.strengths, control.safe_strengths
    return {
        "name": control.name,
        "label": control.label,
        "group": control.group,
        "low": low,
        "high": high,
        "safe_low": safe_low,
        "safe_high": safe_high,
        "estimator": direction.estimator,
        "curved": curved,
        "auroc": direction.auroc,
        **({"leakage": dict(direction.leakage)} if direction.leakage else {}),
    }


def number_widget(setting: Number) -> gr.Number:
    """A setting as the API describes it."""
    return gr.Number(setting.default, label=setting.label.lower(), visible=False)


def choice_widget(setting: Choice) -> gr.Radio:
    """A few choices as the API describes them."""
    return gr.Radio(list(setting.values), value=setting.default, label=setting.name, visible=False)


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
        at, frames, temperature, detail, pace = map(number_widget, (POSITION, FRAMES, TEMPERATURE, PHOTO_DETAIL, DURATION_MS))
        look, amount = gr.Textbox(label="look", visible=False), number_widget(AMOUNT)
        count, seed, face = (gr.Number(value, label=label, visible=False) for label, value in (("count", 4), ("seed", 1), ("face", 0)))
        path, prior, repeat, where = map(choice_widget, (PATH, PRIOR, REPEAT, WHERE))
        form = gr.Radio(list(film_formats()), value="gif", label="format", visible=False)
        more = gr.File(label="more photos", file_count="multiple", visible=False)
        smooth = gr.Checkbox(False, label="smooth", visible=False)
        parts, recipe, likeness = (gr.JSON(label=label, visible=False) for label in ("parts", "recipe", "refine, or null"))
        own_face, own_detail = (gr.Number(None, label=f"{label}, or null", visible=False) for label in ("face", "photo detail"))
        refine = gr.Checkbox(True, label="refine", visible=False)
        kind = gr.Radio(["original", "png", "heic"], value="original", label="file format", visible=False)
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
        hidden.click(self.guide, [photo, wanted, strengths, *later, locks, adjustment], [self.file, answer], api_name="guide", **queued)
        hidden.click(self.looks, None, answer, api_name="looks", **queued)
        hidden.click(self.put_on, [photo, look, amount, *later, locks, adjustment], self.file, api_name="look", **queued)
        hidden.click(self.morph, [photo, photo_b, at, path], self.file, api_name="morph", **queued)
        hidden.click(
            self.export_morph,
            [photo, photo_b, frames, path, form, more, repeat, where, smooth, parts, pace],
            self.file,
            api_name="export_morph",
            **queued,
        )
        hidden.click(self.generate, [seed, count, temperature, prior, wanted], files, api_name="generate", **queued)
        applied = [recipe, photo, adjustment, own_face, likeness, own_detail, kind]
        hidden.click(self.apply_recipe, applied, self.file, api_name="apply_recipe", **queued)

    def controls(self) -> dict[str, Any]:
        """Names, labels and ranges (in σ) of the sliders, what can be locked, and the goals.

        Within `safe_low` … `safe_high` a strength was measured to work; `auroc` is how well the direction tells held-out faces
        apart; `leakage`, where it was measured, is how far `safe_high` moves the other labels.
        """
        return {
            "controls": [about(c, self.editor.directions[c.name], self.editor.renderer.is_curved(c.name)) for c in self.editor.controls],
            "lockable": list(self.editor.directions),
            "goals": [{"name": g.name, "label": g.label, "wanted": dict(g.wanted)} for g in self.editor.goals],
        }

    def open_photo(self, photo: dict[str, Any], adjustment: Any = None, face: float = 0) -> tuple[str, dict[str, Any]]:
        """Find the faces: the crop of one as PNG, a message, and what the classifier sees of the labels that are not withheld.

        `scores` are where the face stands along each direction, in σ from the mean face.
        `faces` is how many there are, the largest being number 0; `found` and `confidence` say whether there is a face
        at all; `psnr` (dB) is how near the model's picture of the crop is, before any refinement.
        """
        with plain_sentence():
            opened = self._open(photo, adjustment, face)
            assert opened.alignment is not None
            return to_file(self.file, png_bytes(opened.crop, {}), f"{file_stem(opened)}-crop.png"), {
                "message": opened.message,
                "probabilities": {name: p for name, p in self.editor.probabilities(opened).items() if name not in WITHHELD},
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
        detail: float = PHOTO_DETAIL.default,
        format: str = "original",
        locks: Any = None,
    ) -> str:
        """Move the sliders of one face of a photo; the whole photo comes back, at its own size and in its own format or as PNG.

        `locks` is a list of what the others may not move, such as ["Male"]; `lockable` of /controls is what it may name.
        """
        with plain_sentence():
            changes = {"strengths": strengths_of(strengths), "locks": names_of(locks, "locks"), "detail": PHOTO_DETAIL.check(detail)}
            return self._run(photo, adjustment, face, refine, format, **changes)[0]

    def guide(
        self,
        photo: dict[str, Any],
        wanted: Any,
        strengths: Any = None,
        face: float = 0,
        refine: bool = True,
        detail: float = PHOTO_DETAIL.default,
        format: str = "original",
        locks: Any = None,
        adjustment: Any = None,
    ) -> tuple[str, dict[str, Any]]:
        """Guide one face of a photo until the classifier sees the wanted labels.

        `probability` is that of the hardest of them, `probabilities` are those of all, of a mouth in the decoder's picture; `reason` is
        why the search ended: target, plateau or steps, or "put on" for hair colours and make-up, which are not searched for. In
        `report`, `judge` is what a classifier sees that took no part, and `moved` what else changed, in σ.
        """
        with plain_sentence():
            changes = {"wanted": wanted_of(wanted), "strengths": strengths_of(strengths), "locks": names_of(locks, "locks")}
            path, rendered = self._run(photo, adjustment, face, refine, format, **changes, detail=PHOTO_DETAIL.check(detail))
            assert rendered.guidance is not None
            last, report = rendered.guidance.last, rendered.guidance.report
            return path, {
                "probability": last.probability,
                "steps": last.step,
                "probabilities": last.probabilities,
                "reason": last.reason,
                "report": {
                    "asked": dict(report.asked),
                    "guide": dict(report.guide),
                    "judge": report.judge and dict(report.judge),
                    "moved": {name: sigma for name, sigma in report.moved if name not in WITHHELD},
                    "leakage": report.leakage,
                },
            }

    def looks(self) -> list[dict[str, Any]]:
        """The looks: names for /look, labels, and the labels of the data set that each is about. `hair` are those that dye hair."""
        return [
            {"name": goal.name, "label": goal.label, "wanted": dict(goal.wanted), "hair": shade_of(goal.wanted) is not None}
            for goal in self.editor.goals
        ]

    def put_on(
        self,
        photo: dict[str, Any],
        look: str,
        amount: float = AMOUNT.default,
        face: float = 0,
        refine: bool = True,
        detail: float = PHOTO_DETAIL.default,
        format: str = "original",
        locks: Any = None,
        adjustment: Any = None,
    ) -> str:
        """Put a look of /looks on one face of a photo, as far as `amount` says: 0 is the photo as it is, 1 is the look in full."""
        with plain_sentence():
            name = self.editor.looks.goal(name_of(look, "look")).name
            changes = {
                "look": name,
                "amount": AMOUNT.check(amount),
                "locks": names_of(locks, "locks"),
                "detail": PHOTO_DETAIL.check(detail),
            }
            return self._run(photo, adjustment, face, refine, format, **changes)[0]

    def morph(self, photo_a: dict[str, Any], photo_b: dict[str, Any], position: float = 0.5, path: str = "slerp") -> str:
        """The face between two photos, as PNG."""
        with plain_sentence():
            a, b = self._open(photo_a), self._open(photo_b)
            picture = self.editor.morph(a, b, [POSITION.check(position)], path)[0]
            return to_file(self.file, png_bytes(picture, MORPH_NOTES), f"{files.paired_name(a.name, b.name)}.png")

    def export_morph(
        self,
        photo_a: dict[str, Any],
        photo_b: dict[str, Any],
        frames: float = FRAMES.default,
        path: str = PATH.default,
        format: str = "gif",
        more: Any = None,
        repeat: str = REPEAT.default,
        where: str = WHERE.default,
        smooth: bool = False,
        parts: Any = None,
        duration_ms: float = DURATION_MS.default,
    ) -> str:
        """The way between two photos, and on to up to four `more`, as a film.

        `repeat` is what comes after the last face: back, round or once. `where` is face, or photo for a film in the first photo.
        `parts` is a list of attributes, such as ["Smiling"], that travel alone; all of the face does without it.
        """
        with plain_sentence():
            count, pace = check_whole(frames, "frames", 2, MOST_FRAMES), check_whole(duration_ms, "duration_ms", 10, 10_000)
            way = MorphPath(PATH.check(path), REPEAT.check(repeat), flag_of(smooth, "smooth"), names_of(parts, "parts"))
            film = FilmConfig(film_format_of(format), count, pace, WHERE.check(where))
            faces = [self._open(photo) for photo in (photo_a, photo_b, *(more or ()))]
            *_, last = self.editor.morph_film(faces, way, film)
            return to_file(self.file, last.data, f"{files.paired_name(faces[0].name, faces[-1].name)}.{format}")

    def generate(
        self,
        seed: float = 1,
        count: float = 4,
        temperature: float = TEMPERATURE.default,
        prior: str = PRIOR.default,
        wanted: Any = None,
    ) -> list[str]:
        """New faces as PNGs, one for each seed from `seed` on.

        With `wanted`, such as {"Smiling": true}, only those in which the classifier sees it, or as many as 1,000 tries give. As on the
        page, poor draws are left out then; {} wants nothing else.
        """
        with plain_sentence():
            first, n = check_whole(seed, "seed", 0, LAST_SEED), check_whole(count, "count", 1, MOST_FACES)
            temperature = ANY_TEMPERATURE.check(temperature)
            if wanted is None:
                return [self._save_face(face) for face in self.editor.generate(range(first, first + n), temperature, prior)]
            *_, last = self.editor.search(wanted_of(wanted) if wanted else {}, first, n, temperature, prior)
            if not last.faces:
                raise ValueError(f"none of {last.tried} faces is as they were asked for: ask for less, or try another seed")
            return [self._save_face(face) for face in last.faces]

    def apply_recipe(
        self,
        recipe: Any,
        photo: dict[str, Any] | None = None,
        adjustment: Any = None,
        face: float | None = None,
        refine: Any = None,
        detail: float | None = None,
        format: str = "original",
    ) -> str:
        """The edit of a recipe (JSON, as the page saves it) on one face of a photo; without a photo, the face that the model drew.

        What is null is as in the recipe: which face, where it was made from this photo, else the largest; whether it was refined;
        photo detail.
        """
        with plain_sentence():
            edit = recipe_of(recipe)
            if photo is None:
                return self._to_file(redraw(self.editor, edit), "face")
            request = EditRequest(
                recipe=json.dumps(edit.as_json()),
                detail=None if detail is None else PHOTO_DETAIL.check(detail),
                refine=None if refine is None else flag_of(refine, "refine"),
                **adjustment_of(adjustment),
                face=None if face is None else check_whole(face, "face", 0, LAST_FACE),
                format=format,
            )
            opened = open_photo(file_of(photo))
            fingerprint = request.fingerprint(opened.content or b"", self.editor.checkpoint.digest)
            return self._to_file(run_request(self.editor, request, opened, fingerprint), files.file_stem(opened.name))

    def _open(self, photo: dict[str, Any] | None, adjustment: Any = None, face: Any = 0) -> Face:
        """A face of an upload."""
        index = check_whole(face, "face", 0, LAST_FACE)
        return self.editor.open_photo(file_of(photo), **adjustment_of(adjustment), index=index)

    def _run(
        self, photo: dict[str, Any] | None, adjustment: Any, face: Any, refine: Any, format: str, **changes: Any
    ) -> tuple[str, RenderedFile]:
        """Render an upload with a request of these `changes`; the file that the answer carries, and what was rendered."""
        index, refine, path = check_whole(face, "face", 0, LAST_FACE), flag_of(refine, "refine"), file_of(photo)
        request = EditRequest(**changes, refine=refine, **adjustment_of(adjustment), face=index, format=format)
        opened = open_photo(path)
        rendered = run_request(self.editor, request, opened, require_face=False)
        return self._to_file(rendered, files.file_stem(opened.name)), rendered

    def _to_file(self, rendered: RenderedFile, stem: str) -> str:
        return to_file(self.file, rendered.content, f"{stem}-facevae{rendered.suffix}")

    def _save_face(self, face: Face) -> str:
        """A generated face as PNG."""
        content, suffix = self.editor.save(face)
        return to_file(self.file, content, f"{file_stem(face)}-facevae{suffix}")
