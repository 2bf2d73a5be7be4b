"""The same picture from the page, the command line, HTTP and Python, pixel by pixel; and the example of docs/api.md runs."""

import inspect
import json
import re
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
from cli_photos import PLACED, draw, pixels
from colour_parser import hair_above_skin
from fake_visitor import Visitor
from gradio_client import Client, handle_file

from facevae.editor import Adjustment
from facevae.editor.morph_types import FilmConfig, MorphPath
from facevae.photo.alignment import Alignment
from facevae.settings import (
    DURATION_MS,
    FRAMES,
    PATH,
    PRIOR,
    REPEAT,
    TEMPERATURE,
)
from facevae.ui.edit.tab import EditTab
from facevae.ui.examples import Examples
from facevae.ui.generate import sheet as sheets
from facevae.ui.generate.tab import GenerateTab
from facevae.ui.morph.tab import MorphTab
from facevae.ui.server.api import Api
from facevae.ui.session import Session

STRENGTHS, LOCKS, DETAIL = {"Smiling": 2.5, "Male": -1.5}, ["Young"], 0.2


@pytest.fixture(scope="module")
def client(editor, tmp_path_factory):
    with gr.Blocks(analytics_enabled=False) as page:
        Api(editor)
    page.launch(prevent_thread_lock=True, quiet=True, ssr_mode=False, server_name="127.0.0.1")
    yield Client(page.local_url, verbose=False, download_files=tmp_path_factory.mktemp("answers"))
    page.close(verbose=False)


@pytest.fixture(scope="module")
def tabs(editor):
    examples = Examples(editor)
    with gr.Blocks():
        return EditTab(editor, examples, gr.BrowserState({})), MorphTab(editor, examples), GenerateTab(editor, gr.BrowserState({}))


class Page(Visitor):
    """A visitor of the Edit tab who has opened a photo and placed its crop."""

    def __init__(self, tab: EditTab, photo: Path) -> None:
        super().__init__(tab)
        self.take(tab.opening.open_file(self.session, str(photo)))
        self.reframe(1.2)
        self.session.moved_sec = float("-inf")  # the crop has rested
        for update in tab.crop.refine(self.session, self.held[tab.face], True):
            self.take(update)
        self.take(tab.rendering.follow_face(self.widgets))

    def ask(self, strengths: dict[str, float], locks: list[str], detail: float) -> None:
        """Move sliders, press locks."""
        panel = self.tab.panel
        for control, slider in zip(panel.controls, panel.sliders, strict=True):
            self.held[slider] = round(self.held[slider] + control.strength(strengths.get(control.name, 0.0)), 6)
        self.held[panel.locks], self.held[self.tab.detail] = locks, detail

    def save(self) -> Path:
        return Path(self.tab.actions.save(self.widgets | {self.tab.downloads.as_png: False})[0])

    def save_recipe(self) -> Path:
        return Path(self.tab.actions.save_recipe(self.widgets)[0])


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_an_edit_is_the_same_picture_everywhere(tabs, client, call, editor, tmp_path, suffix) -> None:
    photo = draw(tmp_path / f"photo{suffix}", seed=4, size=(120, 100))
    page = Page(tabs[0], photo)
    page.ask(STRENGTHS, LOCKS, DETAIL)
    found = {"page": page.save()}

    asked = ("--smiling", 2.5, "--male", -1.5, "--lock", "young", "--detail", DETAIL, *PLACED)
    code, _, err = call("edit", photo, *asked)
    assert code == 0, err
    found["command line"] = photo.with_name(f"photo-facevae{suffix}")
    code, _, err = call("recipe", "apply", page.save_recipe(), photo, *PLACED, "-o", tmp_path / "applied")
    assert code == 0, err
    found["recipe on the command line"] = tmp_path / "applied" / f"photo-facevae{suffix}"

    found["HTTP"] = client.predict(handle_file(photo), STRENGTHS, {"zoom": 1.2}, detail=DETAIL, locks=LOCKS, api_name="/edit")
    recipe = json.loads(page.save_recipe().read_text())
    found["recipe over HTTP"] = client.predict(recipe, handle_file(photo), {"zoom": 1.2}, api_name="/apply_recipe")

    face = editor.refined(editor.open_photo(photo, Adjustment(zoom=1.2)))
    (tmp_path / "python").write_bytes(editor.save(face, STRENGTHS, detail=DETAIL, locks=LOCKS)[0])
    found["Python"] = tmp_path / "python"
    assert not np.array_equal(pixels(found["page"]), pixels(photo))
    for where, path in found.items():
        assert np.array_equal(pixels(path), pixels(found["page"])), where


def test_guidance_is_the_same_picture_everywhere(tabs, client, call, editor, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(editor.renderer, "parser", hair_above_skin())
    photo, wanted = draw(tmp_path / "photo.png", seed=4, size=(120, 100)), {"Blond_Hair": True, "Eyeglasses": False}
    page = Page(tabs[0], photo)
    wishes = {tabs[0].guidance.with_it: ["Blond_Hair"], tabs[0].guidance.without: ["Eyeglasses"]}
    for update in tabs[0].guidance.follow_wishes(page.widgets | wishes):
        page.take(update)
    assert call("guide", photo, "--want", "blond hair", "--avoid", "glasses", "--zoom", 1.2, "-o", tmp_path / "line.png")[0] == 0
    face = editor.refined(editor.open_photo(photo, Adjustment(zoom=1.2)))
    *_, last = editor.guide(face, wanted)
    (tmp_path / "python.png").write_bytes(editor.save(last.face)[0])
    recipe = page.save_recipe()
    assert call("recipe", "apply", recipe, photo, *PLACED, "-o", tmp_path / "again.png")[0] == 0
    expected = pixels(page.save())
    assert not np.array_equal(expected, pixels(photo))
    assert np.array_equal(pixels(tmp_path / "line.png"), expected) and np.array_equal(pixels(tmp_path / "python.png"), expected)
    # A recipe keeps guidance to six digits, so a level may fall on the other side of a rounding.
    assert np.abs(pixels(tmp_path / "again.png").astype(int) - expected).max() <= 1
    over_http, answer = client.predict(handle_file(photo), wanted, {}, adjustment={"zoom": 1.2}, api_name="/guide")
    assert np.array_equal(pixels(over_http), expected) and answer["reason"] == last.reason


def test_films_and_sheets_are_the_same_everywhere(tabs, client, call, editor, tmp_path) -> None:
    photos = [draw(tmp_path / f"{name}.png", seed) for seed, name in enumerate("abc")]
    assert call("morph", *photos, "--frames", 8, "--path", "lerp", "--repeat", "round", "--smooth", "-o", tmp_path / "line.gif")[0] == 0
    more = [handle_file(photo) for photo in photos[2:]]
    over_http = client.predict(
        handle_file(photos[0]), handle_file(photos[1]), 8, "lerp", "gif", more=more, repeat="round", smooth=True, api_name="/export_morph"
    )
    assert Path(over_http).read_bytes() == (tmp_path / "line.gif").read_bytes()
    keys = tabs[1].examples_lent()
    for photo in photos:
        keys = keys.add(tabs[1].editor.open_photo(str(photo)))
    on_page = list(tabs[1].film.save(Session(), "gif", 8, 60, keys, "Face", "lerp", "round", True, []))
    path = next(update[tabs[1].film.made] for update in reversed(on_page) if update.get(tabs[1].film.made))
    assert Path(path).read_bytes() == (tmp_path / "line.gif").read_bytes()

    settings = sheets.Settings(5, 6, 0.7, "normal")
    *_, step = sheets.extend(editor, sheets.Sheet(settings, 5))
    saved, _ = tabs[2].view.save_faces(sheets.Sheet(settings, step.next_seed, step.faces))
    assert call("generate", "--seeds", "5-10", "--temperature", 0.7, "--prior", "normal", "-o", tmp_path / "sheet.png")[0] == 0
    assert (tmp_path / "sheet.png").read_bytes() == Path(saved).read_bytes()
    faces = client.predict(5, 2, 0.7, "normal", api_name="/generate")
    assert call("generate", "--seeds", 6, "--temperature", 0.7, "--prior", "normal", "-o", tmp_path / "six.png")[0] == 0
    assert np.array_equal(pixels(faces[1]), pixels(tmp_path / "six.png"))


def test_all_faces_of_a_photo_as_one_would_edit_them_on_the_page(rows, editor, tmp_path, monkeypatch) -> None:
    photo = draw(tmp_path / "photo.png", size=(160, 90))
    places = [Alignment(np.array([[1 / 70, 0, -x / 70], [0, 1 / 70, -10 / 70]]), True, 1.0) for x in (5, 85)]
    monkeypatch.setattr("facevae.editor.photos.find_faces", lambda *_: places)
    expected = editor.refined(editor.choose(editor.refined(editor.open_photo(photo)), 1, STRENGTHS, locks=LOCKS))
    asked = ("edit", photo, "--smiling", 2.5, "--male", -1.5, "--lock", "young", "-o", tmp_path / "all.png")
    code, [row] = rows(*asked, "--face", "all")
    assert code == 0 and row["faces"] == 2
    assert np.array_equal(pixels(tmp_path / "all.png"), editor.edit(expected, STRENGTHS, locks=LOCKS).photo)
    changed = (pixels(tmp_path / "all.png") != pixels(photo)).any(axis=(0, 2))
    assert changed[:75].any() and changed[85:].any()
    assert rows(*asked, "--face", "all")[1][0]["status"] == "skipped"
    assert rows(*asked)[1][0]["status"] == "done"  # one face is not all of them
    assert rows(*asked, "--face", 2)[0] == 1
    code, [row] = rows(*asked, "--at", "120,40")
    assert code == 0 and (row["face"], row["faces"]) == (1, 2)
    assert rows(*asked, "--at", "120,140")[0] == 1
    # A recipe of the second face goes to the second face of its own photo, and to the largest of others.
    second = editor.refined(editor.open_photo(photo, index=1))
    (tmp_path / "recipe.json").write_text(json.dumps(editor.recipe(second, STRENGTHS).as_json()))
    assert rows("recipe", "apply", tmp_path / "recipe.json", photo, "-o", tmp_path / "second.png")[1][0]["face"] == 1
    assert np.array_equal(pixels(tmp_path / "second.png"), editor.edit(second, STRENGTHS).photo)
    places[1] = Alignment(places[1].matrix + 0.01, True, 1.0)
    assert rows("recipe", "apply", tmp_path / "recipe.json", photo, "--face", 1, "-o", tmp_path / "other.png")[1][0]["face"] == 1
    assert rows("recipe", "apply", tmp_path / "recipe.json", photo, "-o", tmp_path / "other.png")[1][0]["face"] == 0


def test_the_library_begins_where_page_and_flags_begin(editor) -> None:
    defaults = {name: value.default for name, value in inspect.signature(editor.generate).parameters.items()}
    assert (defaults["temperature"], defaults["prior"]) == (TEMPERATURE.default, PRIOR.default)
    assert (FilmConfig().frames, FilmConfig().duration_ms) == (FRAMES.default, DURATION_MS.default)
    assert (MorphPath().path, MorphPath().repeat) == (PATH.default, REPEAT.default)


def test_wishes_over_http(client, editor) -> None:
    seen = [editor.probabilities(face)["Male"] > 0.5 for face in editor.generate(range(30))]
    wanted = {"Male": seen.count(True) > 0}
    first = seen.index(wanted["Male"])
    (face,) = client.predict(0, 1, 0.8, "fitted", wanted, api_name="/generate")
    assert np.array_equal(pixels(face), editor.generate([first])[0].crop)


def test_the_example_of_the_documentation_runs(client, call, editor, tmp_path, monkeypatch) -> None:
    page = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
    documented = set(re.findall(r"^### `(/\w+)`", page, flags=re.M))
    assert documented == set(client.view_api(return_format="dict", print_info=False)["named_endpoints"])
    code = re.search(r"```python\n(.*?)```", page, flags=re.S)[1]
    draw(tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(code.replace("http://127.0.0.1:7860", client.src), names)
    assert pixels(tmp_path / names["edited"]).shape == (64, 80, 3)
    assert not np.array_equal(pixels(names["edited"]), pixels(tmp_path / "photo.jpg"))
    assert len(names["faces"]) == 4
