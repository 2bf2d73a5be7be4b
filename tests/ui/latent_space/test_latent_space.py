"""The tab Inside the model: its charts, and in a real browser its journeys by mouse and by keyboard, on a laptop and on a phone."""

import re
import xml.etree.ElementTree as ElementTree

import gradio as gr
import numpy as np
import pytest

from facevae.ui import charts
from facevae.ui.latent_space.drawing import recorded_part


def parsed(svg: str) -> ElementTree.Element:
    """A chart as a tree: an attribute that is not closed or a name that is not escaped ends here."""
    return ElementTree.fromstring(svg)


def test_a_map_has_each_point_where_it_lies() -> None:
    points = np.array([[0.0, 0.0], [1.0, 2.0], [-1.0, 1.0]])
    svg = parsed(charts.scatter(points, np.array([True, False, True]), 1, "Map of <all>", "note"))
    dots = {int(dot.get("data-i")): dot for dot in svg if dot.get("data-i")}
    at = np.array([[float(dots[i].get("cx")), float(dots[i].get("cy"))] for i in range(3)])
    ring = next(dot for dot in svg if dot.get("class") == "ring")
    assert [dots[i].get("class") for i in range(3)] == ["on", "rest", "on"]
    assert (ring.get("cx"), ring.get("cy")) == (dots[1].get("cx"), dots[1].get("cy"))
    scale = (at[1, 0] - at[0, 0]) / 1.0
    assert np.allclose(at - at[0], (points - points[0]) * [scale, -scale], atol=0.11)  # one scale, up is up; one decimal is kept


def test_numbers_of_an_axis_are_short() -> None:
    numbers = [1_551_360, 999_600, 480_000, 12_345, 345.6, 2.345, 0]
    assert [charts.in_short(n) for n in numbers] == ["1.55M", "1M", "480k", "12.3k", "346", "2.35", "0"]


def test_charts_escape_names_and_say_their_values() -> None:
    heat = parsed(charts.heat(np.array([[0.5, -0.25]]), ["<b>"], ["z1", "z2"]))
    cells = [cell for cell in heat if cell.tag == "rect"]
    assert [(c.get("class"), c.get("fill-opacity")) for c in cells] == [("on", "1.00"), ("off", "0.50")]
    assert cells[1][0].text == "<b> × z2: r = -0.25"
    bars = parsed(charts.bars({"Own & only": 2.0, "Other": -1.0}, "Own & only", "label"))
    own, other = (float(bar.get("width")) for bar in bars if bar.tag == "rect")
    assert own == pytest.approx(2 * other, abs=0.11)
    curves = parsed(charts.lines("Rate", [0, 10], {"rate": [1.0, 3.0], "valid rate": [2.0, 2.0]}))
    assert [line.get("class") for line in curves if line.tag == "polyline"] == ["axis", "line", "dashed"]


def test_curves_of_a_run_that_was_gone_on_with_fill_the_chart() -> None:
    curves = parsed(charts.lines("Rate", [1_500_000, 1_550_000], {"rate": [1.0, 3.0]}))
    _, line = (line for line in curves if line.tag == "polyline")
    assert line.get("points").split()[0].startswith(f"{charts.LEFT}.0,") and "1.5M" in [text.text for text in curves]


def test_a_record_of_the_last_part_says_so() -> None:
    assert recorded_part({"nimg": [48_000, 480_000], "valid_rate": [5.0, 5.0]}) == ""
    last = {"nimg": [1_505_280, 1_551_360], "valid_rate": [1121.9, 1121.9]}
    assert "the decoder alone" in recorded_part(last) and "decoder" not in recorded_part(last | {"valid_rate": [1121.9, 1130.0]})


@pytest.fixture(scope="module")
def tab(editor):
    """The tab without a browser."""
    from facevae.exhibits.exhibit import open_exhibits
    from facevae.ui.examples import Examples
    from facevae.ui.latent_space.tab import LatentSpaceTab

    with gr.Blocks():
        return LatentSpaceTab(editor, Examples(editor), open_exhibits(editor.checkpoint.net))


def test_every_model_can_be_shown_to_its_last_dimension(tab) -> None:
    for model, exhibit in enumerate(tab.exhibits):
        updates = {key: value for update in tab.show(model, 0) for key, value in update.items()}
        assert set(updates) == set(tab.shown)
        last = (exhibit.about.latent - 1) // 8
        page, sheet, where, back, on = tab.turn(model, 5, last + 7)
        assert page == last and where.startswith(f"{last * 8 + 1} to {exhibit.about.latent} of {exhibit.about.latent}")
        assert sheet.count("<img") == exhibit.about.latent - 8 * last and back["interactive"] and not on["interactive"]
        for direction in exhibit.about.directions:
            strip, facts = tab.explain(model, 1, direction)
            assert strip.count("<img") == 1 + (model == 0 and tab.editor.renderer.is_curved(direction))
            assert f"AUROC {exhibit.about.directions[direction].auroc:.2f}" in facts
    assert tab.explain(0, 1, "no such attribute")[0] == ""  # a menu of the model before: nothing is drawn, nothing raised


# In the browser -------------------------------------------------------------------------------------------------------


def picture(page) -> str:
    return page.locator("#latent-face img").get_attribute("src")


def changed(page, place: str, before: str) -> str:
    page.wait_for_function("([p, b]) => { const i = document.querySelector(`${p} img`); return i && i.src !== b }", arg=[place, before])
    return page.locator(f"{place} img").first.get_attribute("src")


def opened(page) -> None:
    page.get_by_role("tab", name="Inside the model").click()
    page.locator("#latent-sheet img").first.wait_for()
    page.locator("#latent-together img").first.wait_for()


def test_map_by_mouse_and_by_keyboard(page) -> None:
    from playwright.sync_api import expect

    opened(page)
    status = page.locator("#latent-status")
    expect(status).to_contain_text(re.compile(r"Point 1 of \d+, with(out)? “Smiling”.*not the photo of the point"))
    first = picture(page)
    dot = page.locator('#latent-map circle[data-i="20"]')
    dot.scroll_into_view_if_needed()
    box = dot.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(status).to_contain_text("Point 21 of")
    clicked = changed(page, "#latent-face", first)
    ring = page.locator("#latent-map circle.ring").bounding_box()
    assert ring["x"] + ring["width"] / 2 == pytest.approx(box["x"] + box["width"] / 2, abs=1)

    page.locator("#latent-map svg").focus()
    page.keyboard.press("ArrowLeft")
    walked = changed(page, "#latent-face", clicked)
    expect(status).not_to_contain_text("Point 21 of")
    now = page.locator("#latent-map circle.ring").bounding_box()
    assert now["x"] < ring["x"]
    said = status.inner_text().split(",")[0]

    # Another attribute: the colours change, the point stays, and its face is that of its other label.
    page.locator("#latent-attribute input").click()
    page.get_by_role("option", name="Masculine", exact=True).click()
    changed(page, "#latent-face", walked)
    expect(status).to_contain_text("“Masculine”")
    expect(status).to_contain_text(said)
    assert page.locator("#latent-map circle.ring").bounding_box()["x"] == pytest.approx(now["x"], abs=1)
    assert page.locator("#latent-map circle.on").count() > 20

    # The face of the point goes on to the Edit tab.
    page.locator("#latent-to-edit").click()
    expect(page.locator("#edit-status")).to_contain_text(re.compile(r"Opened point-\d+-of-"))


def test_dimensions_models_and_directions(page) -> None:
    from playwright.sync_api import expect

    opened(page)
    page.locator("#latent-model label").first.click()
    expect(page.locator("#latent-where")).to_contain_text("1 to 8 of 512, most important first")
    expect(page.locator("#latent-sheet img")).to_have_count(8)
    sheet = page.locator("#latent-sheet img").first.get_attribute("src")
    page.locator("#latent-on").click()
    expect(page.locator("#latent-where")).to_contain_text("9 to 16 of 512")
    more = changed(page, "#latent-sheet", sheet)
    page.locator("#latent-back").click()
    assert changed(page, "#latent-sheet", more) == sheet
    strip = page.locator("#latent-strip img").first.get_attribute("src")
    page.locator("#latent-seed input[type=range]").focus()
    page.keyboard.press("ArrowRight")
    changed(page, "#latent-sheet", sheet)
    changed(page, "#latent-strip", strip)

    page.get_by_label("PPCA").check(force=True)
    expect(page.locator("#latent-where")).to_contain_text("1 to 8 of 32")
    expect(page.locator("#latent-curves")).to_contain_text("closed form")
    strip = page.locator("#latent-strip img").first.get_attribute("src")
    page.locator("#latent-direction input").click()
    page.get_by_role("option", name="Rosy cheeks").click()  # which the editor's model has no direction for
    changed(page, "#latent-strip", strip)
    expect(page.locator("#latent-facts")).to_contain_text(re.compile(r"Method: centroid.*AUROC 0\.\d\d.*Leakage"))
    together = page.locator("#latent-together img").nth(1).get_attribute("src")
    page.locator("#latent-others").click()
    page.wait_for_function("b => document.querySelectorAll('#latent-together img')[4].src !== b", arg=together)
    expect(page.locator("#latent-together img")).to_have_count(11)
