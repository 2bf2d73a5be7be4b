"""From the values of the page to an edit and back, without a browser: starts, hair colours, locks, own directions, reports."""

import json
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from facevae.attributes import HAIR_COLOURS, SHOWN, in_words
from facevae.editor import Adjustment, Control, Editor, GuideReport
from facevae.ui import charts
from facevae.ui.about import edit_matrix
from facevae.ui.edit import guidance_report, lock_report, slider_marks
from facevae.ui.edit.sliders import HAIR, axis_of
from facevae.ui.edit.tab import EditTab
from facevae.ui.examples import Examples
from facevae.ui.session import Session


class Widgets:
    """The values of the page's widgets, by name, as a visitor changes them."""

    def __init__(self, tab, session: Session, face) -> None:
        self.tab, self.session, self.face = tab, session, face
        self.values = dict.fromkeys(tab.panel.inputs) | {tab.panel.locks: [], tab.detail: 0.5}
        self.values |= {tab.preview.view: "Face", tab.preview.show: "Edited"}
        self.take(tab.panel.set_to_face(session, face))

    def take(self, updates: dict) -> None:
        for widget, update in updates.items():
            if widget in self.values and not (isinstance(update, dict) and "value" not in update):
                self.values[widget] = update["value"] if isinstance(update, dict) else update

    def slider(self, name: str):
        names = [control.name for control in self.tab.panel.all_controls(self.session)]
        return [*self.tab.panel.sliders, *self.tab.panel.own_sliders][names.index(name)]

    def move(self, name: str, by: float) -> None:
        self.values[self.slider(name)] = round(self.values[self.slider(name)] + by, 1)

    @property
    def widgets(self) -> dict:
        return {**self.values, self.tab.session: self.session, self.tab.face: self.face}

    @property
    def edit(self):
        return self.tab.panel.requested_edit(self.session, self.values)


@pytest.fixture
def page(tab, face) -> Widgets:
    return Widgets(tab, Session(), face)


# Starts ---------------------------------------------------------------------------------------------------------------


def test_at_the_start_nothing_is_asked_for_whatever_the_face(tab, face) -> None:
    for other in (face, *tab.editor.generate([1, 2, 3]), tab.editor.bake(face, {"Smiling": 2.0, "Male": -1.0})):
        page = Widgets(tab, Session(), other)
        assert page.edit.request.strengths == {} and page.edit.words == ""
        scores = tab.editor.scores(other)
        for control in tab.panel.controls:
            score = -scores[control.name] if control.reversed else scores[control.name]
            low, high = axis_of(control)
            assert page.values[page.slider(control.name)] == pytest.approx(np.clip(score, low, high), abs=0.0501)


def test_a_change_is_a_strength_and_a_reversed_one_its_opposite(page) -> None:
    page.move("Smiling", 2.0)
    page.move("Male", 1.5)
    assert page.edit.request.strengths == {"Smiling": 2.0, "Male": -1.5}
    assert page.edit.words == "Smile +2, Masculine ↔ feminine +1.5"
    page.move("Smiling", -2.0)
    page.values[page.slider("Male")] = None  # an emptied number field
    assert page.edit.request.strengths == {}


def test_untouched_sliders_follow_a_face_that_is_encoded_again(tab, face, page) -> None:
    other = replace(face, latent=face.latent + 0.5)
    page.move("Smiling", 1.0)
    stood = page.values[page.slider("Smiling")]
    silence = {tab.panel.locks: gr.skip()}
    assert tab.panel.follow_face(page.session, other, page.values) == silence  # nobody says that it was
    page.session.move_crop(0, Adjustment())
    page.take(tab.panel.follow_face(page.session, other, page.values))
    assert page.values[page.slider("Smiling")] == stood and page.edit.request.strengths == {"Smiling": 1.0}
    young = next(c for c in tab.panel.controls if c.name == "Young")
    assert page.values[page.slider("Young")] == round(tab.panel.scores(page.session, other)[young.name], 1)
    page.session.move_crop(0, Adjustment())
    assert tab.panel.follow_face(page.session, other, page.values) == silence  # nothing more to write
    page.session.move_crop(0, Adjustment())
    page.session.begin_action()
    assert tab.panel.follow_face(page.session, face, page.values) == silence  # another action puts the sliders itself


def test_a_slider_that_is_being_dragged_does_not_follow(tab, face, page) -> None:
    left = dict(page.values)  # on their way to the server, when the hand takes the slider
    page.move("Smiling", 1.0)
    tab.panel.remember_drag(page.session, page.values)
    page.session.move_crop(0, Adjustment())
    put = tab.panel.follow_face(page.session, replace(face, latent=face.latent + 0.5), left)
    assert page.slider("Young") in put and page.slider("Smiling") not in put


def test_marks_say_where_the_photo_stands_what_is_seen_and_what_is_beyond(tab, face, page) -> None:
    seen = tab.editor.probabilities(face)

    def rule(place: str) -> str:
        return re.search(rf"{place} {{ (.*) }}", tab.panel.draw_marks(page.session, face, page.edit, seen)).group(1)

    at_rest = rule("#slider-smiling")
    assert f'--seen: "{seen["Smiling"]:.0%}"' in at_rest and '--words: ""' in at_rest
    assert f'--seen: "{1 - seen["Male"]:.0%}"' in rule("#slider-male")  # its right end is the opposite
    low, high = axis_of(next(c for c in tab.panel.controls if c.name == "Smiling"))
    own = tab.editor.scores(face)["Smiling"]
    assert float(re.search(r"--own: ([\d.]+)", at_rest).group(1)) == pytest.approx((own - low) / (high - low), abs=1e-4)
    page.move("Smiling", 4.0)  # the end of what was measured
    assert '--words: ""' in rule("#slider-smiling")
    page.move("Smiling", 0.2)
    assert f'--words: "{slider_marks.BEYOND}"' in rule("#slider-smiling")


def test_a_range_that_ends_outside_the_axis_leaves_nothing_dotted_there() -> None:
    rule = slider_marks.Mark("#a", (-1, 1), 0, 0, (-2, 0.5), 0).rule()
    assert "--safe-from: -1;" in rule and "--safe-to: 0.7500;" in rule


# Hair -----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def coloured(tiny_checkpoint) -> EditTab:
    """A checkpoint with directions for three colours."""
    blond = tiny_checkpoint.directions["Blond_Hair"]
    more = {name: replace(tiny_checkpoint.directions["Young"], name=name, high=2.0) for name in ("Black_Hair", "Gray_Hair")}
    editor = Editor(replace(tiny_checkpoint, directions=tiny_checkpoint.directions | {"Blond_Hair": blond, **more}))
    with gr.Blocks():
        return EditTab(editor, Examples(editor), gr.BrowserState({}))


def test_hair_colours_are_looks_and_no_sliders(coloured) -> None:
    assert not {control.name for control in coloured.panel.controls} & set(HAIR_COLOURS)


# Locks ----------------------------------------------------------------------------------------------------------------


def test_hair_colour_is_one_lock_and_what_is_gone_is_passed_over(coloured) -> None:
    page = Widgets(coloured, Session(), coloured.editor.generate([1])[0])
    assert (HAIR, HAIR) in coloured.panel.lock_choices(page.session)
    page.values[coloured.panel.locks] = ["Male", HAIR, "Removed"]
    assert page.edit.request.locks == ("Male", "Black_Hair", "Blond_Hair", "Gray_Hair")


class Shares:
    """An editor that only knows what locks leave."""

    def __init__(self, alone: dict[str, dict[str, float]], together: dict[str, float]) -> None:
        self.alone, self.together = alone, together

    def remaining(self, names) -> dict[str, float]:
        return self.alone[names[0]] if len(names) == 1 else self.together


def test_what_locks_leave_is_said_in_words_and_warned_of_below_30_percent() -> None:
    editor = Shares({"A": {"S": 0.62, "L": 0.95}, "B": {"S": 1.0, "L": 0.2}}, {"S": 0.61, "L": 0.19})
    labels = {"S": "Smiling", "L": "Lip<stick"}
    assert lock_report.report_locks(editor, {}, ["S"], labels) == ""
    one = lock_report.report_locks(editor, {"Mouth open": ["A"]}, ["S"], labels)
    assert one == "<p>Keeping Mouth open leaves some of Smiling (62%).</p>"
    both = lock_report.report_locks(editor, {"Mouth open": ["A"], "Masculine": ["B"]}, ["S", "L"], labels)
    assert "Keeping Mouth open leaves some of Smiling (61%)." in both
    assert '<p class="warning">Keeping Masculine leaves little of Lip&lt;stick (19%).</p>' in both
    least = lock_report.report_locks(editor, {"x": ["A"], "y": ["B"]}, [], labels)
    assert least == "<p>What is kept weakens Lip&lt;stick 19%, Smiling 61%.</p>"


def test_a_lock_changes_the_edit(tab, face, page) -> None:
    page.move("Smiling", 3.0)
    free = tab.rendering.draw_preview(page.widgets)[0]["value"]
    page.values[tab.panel.locks] = ["Young", "Male", HAIR]
    held = tab.rendering.draw_preview(page.widgets)[0]["value"]
    assert not np.array_equal(np.asarray(free), np.asarray(held))
    _, _, left, *_ = tab.rendering.read(page.widgets)
    share = tab.editor.remaining(["Young", "Male", "Blond_Hair"])["Smiling"]
    assert f"of Smile ({share:.0%})" in left
    file, _ = tab.actions.save(page.widgets | {tab.downloads.as_png: True})
    recipe = json.loads(Image.open(file).text["facevae"])
    assert recipe["locks"] == ["Blond_Hair", "Male", "Young"] and recipe["strengths"] == {"Smiling": 3.0}


# Directions of the visitor's own --------------------------------------------------------------------------------------


def added(tab, page: Widgets, face) -> dict:
    update = tab.custom.show(page.widgets)
    page.take(update)
    return update


def test_a_component_is_a_slider_like_any_other_until_it_is_removed(tab, face, page) -> None:
    for name, number in (("Light", 2), ("", 3)):
        said, _ = tab.custom.add_component(page.session, name, number)
        update = added(tab, page, face)
    assert "PC 3 is a slider now" in said and [d.name for d in page.session.own] == ["Light", "PC 3"]
    assert [update[place]["visible"] for place in tab.panel.own_places] == [True, True, False, False]
    assert page.edit.request.strengths == {}
    page.move("PC 3", 2.0)
    assert page.edit.request.strengths == {"PC 3": 2.0}
    assert ("Light", "Light") in tab.panel.lock_choices(page.session)
    page.values[tab.panel.locks] = ["Light"]
    assert page.edit.request.locks == ("Light",)
    free, moved = (tab.editor.edit(face).decoded, page.edit.editor.edit(face, page.edit.request.strengths).decoded)
    assert not np.array_equal(free, moved)

    page.take(tab.custom.remover(0)(page.widgets))
    assert page.values[tab.panel.locks] == [] and page.edit.request.strengths == {"PC 3": 2.0}  # it moved up, with its change
    assert tab.editor.directions.keys() == tab.editor.checkpoint.directions.keys()  # nobody else's sliders changed


@pytest.mark.parametrize(("name", "sentence"), [("smiling", "already"), ("Smile", "already"), (HAIR, "already"), ("x" * 41, "1 to 40")])
def test_names_of_own_sliders(tab, page, name, sentence) -> None:
    with pytest.raises(gr.Error, match=sentence):
        tab.custom.add_component(page.session, name, 1)
    assert page.session.own == []


def test_there_is_room_for_four(tab, page) -> None:
    for number in (1, 2, 3, 4):
        tab.custom.add_component(page.session, "", number)
    with pytest.raises(gr.Error, match="remove one first"):
        tab.custom.add_component(page.session, "", 5)


@pytest.fixture
def photos(tab, tmp_path, monkeypatch):
    """Eight files a side, light and dark, each taken for a face."""
    opened = tab.editor.open_photo
    monkeypatch.setattr(tab.editor, "open_photo", lambda source: opened(source, Adjustment(zoom=1.1)))
    sides = []
    for shade in (200, 40):
        paths = []
        for k in range(8):
            pixels = np.random.default_rng(shade + k).integers(shade - 30, shade + 30, (40, 40, 3)).astype(np.uint8)
            paths.append(tmp_path / f"{shade}-{k}.png")
            Image.fromarray(pixels).save(paths[-1])
        sides.append(paths)
    return sides


def test_a_direction_from_photos_and_the_photos_are_gone(tab, face, page, photos) -> None:
    updates = list(tab.custom.learn_from(page.session, " Light ", *([{"path": str(p)} for p in side] for side in photos)))
    said = [update[tab.custom.status] for update in updates if isinstance(update.get(tab.custom.status), str)]
    assert said[0] == "Reading photo 1 of 16: 200-0.png" and re.search(r"Light tells your examples apart with an AUROC of 1\.00", said[-1])
    assert not any(path.exists() for side in photos for path in side)
    added(tab, page, face)
    page.move("Light", 2.0)
    before, after = tab.editor.edit(face).decoded, page.edit.editor.edit(face, page.edit.request.strengths).decoded
    assert after.mean() > before.mean()


def test_photos_that_cannot_be_read_are_named(tab, page, photos) -> None:
    photos[0][3].write_text("words, and words again")
    run = tab.custom.learn_from(page.session, "Light", *([{"path": str(p)} for p in side] for side in photos))
    with pytest.raises(gr.Error, match=r"7 faces with it and 8 without are too few.*200-3\.png"):
        list(run)
    assert page.session.own == []
    with pytest.raises(gr.Error, match="choose 8 to 100 photos"):
        list(tab.custom.learn_from(page.session, "Light", [{"path": "one.png"}], None))


def test_own_directions_travel_as_a_file(tab, page, tmp_path) -> None:
    tab.custom.add_component(page.session, "Light", 1)
    saved = tab.custom.save(page.session)
    other = Session()
    assert tab.custom.open_file(other, [{"path": saved}]).startswith("Light")
    assert np.allclose(other.own[0].step, page.session.own[0].step, atol=1e-6)
    np.save(tmp_path / "mine.npy", np.ones(3))
    with pytest.raises(gr.Error, match="mine"):
        tab.custom.open_file(other, [{"path": str(tmp_path / "mine.npy")}])
    with pytest.raises(gr.Error, match=r"notes\.txt: directions come as"):
        tab.custom.open_file(other, [{"path": str(tmp_path / "notes.txt")}] if (tmp_path / "notes.txt").write_text("x") else [])


# Wishes and reports ---------------------------------------------------------------------------------------------------


def test_words_for_labels_mean_what_they_say() -> None:
    assert in_words("Male") == ("Masculine", True) and in_words("No_Beard") == ("Beard", False)
    assert in_words("Double_Chin") == ("Double chin", True)
    assert all("↔" not in in_words(shown.name)[0] for shown in SHOWN)
    assert guidance_report.wish("No_Beard", False) == "Beard" and guidance_report.wish("No_Beard", True) == "no beard"
    assert guidance_report.wish_words({"Eyeglasses": True, "No_Beard": True}) == "with Glasses, without Beard"


def test_wishes_are_refused_before_anything_is_overtaken(tab, face) -> None:
    session = Session()
    for with_it, without, sentence in (
        ([], [], "Choose something to add or remove"),
        (["Smiling"], ["Smiling"], "for and against|against"),
    ):
        with pytest.raises(gr.Error, match=sentence):
            next(tab.guidance.follow_wishes({tab.guidance.with_it: with_it, tab.guidance.without: without}))
    assert session.action == 0


def test_the_curve_of_a_search_names_each_wish_at_its_end() -> None:
    svg = ElementTree.fromstring(charts.progress({"Smile": [0.1, 0.9], "no <hat>": [0.4, 0.91]}, [2.0, 0.5]))
    texts = [text.text for text in svg if text.tag == "text"]
    assert "Smile 90%" in texts and "no <hat> 91%" in texts and "loss 0.5" in texts and "1 step" in texts
    assert "Smile 10% to 90%" in svg.get("aria-label")
    assert charts.apart([10, 11, 50], 5, 60) == [10, 23, 50] and charts.apart([59, 60], 5, 60) == [47, 60]


def test_a_report_tells_who_sees_it_and_what_else_moved_but_nothing_that_is_withheld() -> None:
    moved = (("Mouth_Slightly_Open", -0.84), ("Attractive", 0.5), ("No_Beard", 0.31))
    asked, guide = {"Smiling": True, "Eyeglasses": False}, {"Smiling": 0.93, "Eyeglasses": 0.02}
    report = GuideReport(asked, guide, {"Smiling": 0.71, "Eyeglasses": 0.1}, moved, 0.2)
    drawn = guidance_report.draw_report(report)
    assert "<h3>Asked for: with Smile, without Glasses</h3>" in drawn
    assert "The classifier that guided sees Smile at 93%, no glasses at 98%." in drawn
    assert "An independent classifier sees Smile at 71%, no glasses at 90%." in drawn
    assert "What else moved: Mouth open −0.8 σ, Beard −0.3 σ." in drawn
    quiet = guidance_report.draw_report(replace(report, judge=None, moved=()))
    assert "independent" not in quiet and "Nothing else moved by more than 0.25 σ." in quiet


# About ----------------------------------------------------------------------------------------------------------------


def cell(success: float) -> dict:
    measured = {"strength": 3.0, "n": 9, "success": success, "leakage": 0.4, "masked": 0.2, "identity": 0.7, "same": 0.9, "density": 1.0}
    return dict.fromkeys(("1", "2", "3", "end"), measured)


def test_the_edit_matrix_is_a_table_with_the_chosen_estimator_outlined() -> None:
    edits = {
        "n": 1000,
        "judge": "abc",
        "attributes": ["Smiling", "Male"],
        "chosen": {"Smiling": "logistic", "Male": "centroid"},
        "matrix": {
            "shipped": {"Smiling": cell(0.9), "Male": cell(0.8)},
            "logistic": {"Smiling": cell(0.9)},
            "centroid": {"Smiling": cell(0.5), "Male": cell(0.8)},
        },
    }
    drawn = edit_matrix.draw_matrix(edits)
    tree = ElementTree.fromstring(f"<div>{drawn}</div>")
    success, leakage, _ = tree.iter("table")
    assert [th.text for th in success.find("thead/tr")] == [None, "in use", "logistic", "centroid"]
    rows = {tr[0].text: tr[1:] for tr in success.find("tbody")}
    assert [td.text for td in rows["Masculine"]] == ["80%", "–", "80%"]
    assert [td.get("class") for td in rows["Smile"]] == [None, "chosen", None]
    assert [td.text for td in leakage.find("tbody")[0][1:]] == ["0.40"] * 3
    only = edit_matrix.draw_matrix(edits | {"matrix": {"shipped": edits["matrix"]["shipped"]}})
    assert "end of range" in only and "outlined" not in only
    assert edit_matrix.draw_matrix({"sliders": {}}) == ""


def test_every_axis_leaves_room_for_all_faces() -> None:
    control = Control("a", "A", "", -3.1, 4.2, False)
    assert axis_of(control) == (-5.6, 6.7)
