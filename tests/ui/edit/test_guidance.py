"""Edits that can be trusted, in a real browser: sliders that know the photo, looks, locks, wishes and their report."""

import re

import cv2
import numpy as np
import pytest

pytest.importorskip("playwright", reason="NO BROWSER TESTS: pip install playwright")
from page_actions import (
    GROUP_BOXES_PX,
    GROUP_PX,
    at_rest,
    change,
    choose,
    clear,
    close_toast,
    comes_to,
    drag,
    drop,
    source,
    start,
    value,
    wait_for_change,
)
from PIL import Image
from playwright.sync_api import expect

from facevae.attributes import HAIR_COLOURS, in_words

ALT = "Edited face: "


def alt(page, words) -> None:
    expect(page.locator("#result img")).to_have_attribute("alt", words)


def painted(page, slider: str, name: str) -> str:
    """A custom property of a slider, as style.css draws it."""
    return page.locator(slider).evaluate("(e, n) => getComputedStyle(e).getPropertyValue(n)", name).strip('"')


def test_sliders_start_where_each_photo_stands_and_edit_nothing_there(page, astronaut, tmp_path):
    sliders = ("#slider-smiling", "#slider-male", "#slider-bangs", "#slider-young")
    starts, ticks = ([of(slider) for slider in sliders] for of in (lambda s: start(page, s), lambda s: painted(page, s, "--own")))
    assert [value(page, slider) for slider in sliders] == starts and any(starts)
    page.locator("#as-png input").check()
    with page.expect_download() as download:
        page.locator("#download").click()
    download.value.save_as(tmp_path / "same.png")
    assert np.array_equal(np.asarray(Image.open(tmp_path / "same.png").convert("RGB")), np.asarray(Image.open(astronaut)))

    page.locator("#examples button").nth(1).click()
    expect(page.locator("#edit-status")).to_contain_text("Opened face-")
    alt(page, f"{ALT}no change")
    others = [start(page, slider) for slider in sliders]
    assert others != starts and [value(page, slider) for slider in sliders] == others
    assert all(painted(page, slider, "--own") != tick for slider, tick in zip(sliders, ticks, strict=True))


def test_a_moved_slider_tells_what_the_classifier_sees_and_where_measuring_ended(page):
    first, at, seen = source(page), start(page, "#slider-mouth-slightly-open"), painted(page, "#slider-mouth-slightly-open", "--seen")
    assert re.fullmatch(r"\d+%", seen)
    page.locator("#slider-mouth-slightly-open input[type=range]").focus()  # which scrolls to it
    label = page.locator("#slider-mouth-slightly-open label").bounding_box()
    page.keyboard.press("ArrowLeft")
    moved = wait_for_change(page, first)
    alt(page, f"{ALT}Mouth open -0.1")
    assert painted(page, "#slider-mouth-slightly-open", "--words") == ""
    page.keyboard.press("Home")
    wait_for_change(page, moved)
    words = re.compile(r"the photo [+-]\d\.\d, the classifier sees \d+%, may look wrong")
    expect(page.locator("#slider-mouth-slightly-open input[type=range]")).to_have_attribute("aria-valuetext", words)
    assert painted(page, "#slider-mouth-slightly-open", "--words") == "may look wrong"
    assert int(painted(page, "#slider-mouth-slightly-open", "--seen").rstrip("%")) < int(seen.rstrip("%"))
    assert page.locator("#slider-mouth-slightly-open label").bounding_box() == label  # nothing moved to make room

    page.locator("#slider-mouth-slightly-open .reset-button").click()  # back to the photo, not to where the page began
    alt(page, f"{ALT}no change")
    assert value(page, "#slider-mouth-slightly-open") == at


CONTROLS = """() => [...document.querySelectorAll("#tab-edit :is(button, input, textarea, select)")].filter((part) =>
    part.type !== "file" && !part.disabled && part.checkVisibility({ visibilityProperty: true }) && part.getBoundingClientRect().width > 0
).length"""
FOCUSED = "document.activeElement.id"
MOST_CONTROLS, MOST_TABS = 40, 12


def tiles_of(page) -> str:
    """The pictures of the open face's looks, once all are there."""
    page.wait_for_function(
        """() => { const shown = document.querySelector("#look-pictures style")?.textContent ?? "";
        return shown.includes(document.querySelector(".looks").dataset.face) && shown.includes("#goal-mustache"); }"""
    )
    return page.locator("#goal-blond .face").evaluate("e => getComputedStyle(e).backgroundImage")


def test_a_look_by_keyboard_its_amount_and_off_again(page):
    """Tiles show the face that is open; the first one is near, and the page is quiet."""
    first, blond = source(page), page.locator("#goal-blond")
    astronaut = tiles_of(page)
    assert astronaut.startswith('url("data:image/jpeg')
    expect(page.locator("#look-amount")).to_have_count(0)
    page.locator("#goal-black_hair").focus()
    page.keyboard.press("Space")
    expect(page.locator("#goal-black_hair")).to_have_attribute("aria-pressed", "true")
    black = wait_for_change(page, first)
    blond.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#goal-black_hair")).to_have_attribute("aria-pressed", "false")
    expect(page.locator("#look-amount")).to_contain_text("Amount of “Blond hair”")
    full = wait_for_change(page, black)
    assert value(page, "#look-amount") == 100 and page.evaluate(FOCUSED) == "goal-blond"
    drag(page, "#look-amount", -0.4)
    wait_for_change(page, full)
    at_rest(page)
    half = source(page)
    expect(page.locator("#history button").nth(3)).to_have_attribute("aria-label", re.compile(r"Step 3: Blond hair \d\d%"))
    page.locator("#look-amount input[type=range]").press("Home")
    assert wait_for_change(page, half) == first
    page.locator("#undo").click()
    assert wait_for_change(page, first) == half
    blond.click()
    expect(blond).to_have_attribute("aria-pressed", "false")
    expect(page.locator("#look-amount")).to_have_count(0)
    alt(page, f"{ALT}no change")
    expect(page.locator("#result img")).to_have_attribute("src", first)
    assert tiles_of(page) == astronaut

    page.locator("#examples button").nth(1).click()
    expect(page.locator("#edit-status")).to_contain_text("Opened face-")
    assert tiles_of(page) != astronaut


def test_the_looks_are_near_by_keyboard_and_few_controls_are_shown_at_rest(visit):
    page = visit()
    tiles_of(page)
    assert page.evaluate(CONTROLS) <= MOST_CONTROLS
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        if page.evaluate(FOCUSED).startswith("goal-"):
            break
    assert page.evaluate(FOCUSED) == "goal-smiling", page.evaluate("document.activeElement.outerHTML")
    page.get_by_role("tab", name="Edit").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.get_by_role("tab", name="Morph")).to_have_attribute("aria-selected", "true")


def test_a_lock_holds_and_tells_what_it_leaves(page, editor):
    words = {control.name: control.label for control in editor.controls if control.name not in HAIR_COLOURS}
    left, name, lock = min((editor.remaining([lock])[name], name, lock) for name in words for lock in words if lock != name)
    slider, (held, _) = f"#slider-{name.lower().replace('_', '-')}", in_words(lock)
    line, first = page.locator("#locks-left"), source(page)
    page.locator(f"{slider} input[type=number]").fill(f"{start(page, slider) + 4:.1f}")
    page.keyboard.press("Enter")
    free = wait_for_change(page, first)
    choose(page, "#locks", held)
    wait_for_change(page, free)
    share = "little" if left < 0.3 else "some"
    expect(line.get_by_role("status")).to_contain_text(f"Keeping {held} leaves {share} of {words[name]} ({left:.0%}).")
    expect(line.locator(".warning")).to_have_count(1 if left < 0.3 else 0)
    page.locator("#reset").click()
    alt(page, f"{ALT}no change")
    expect(line).to_have_text("")
    expect(page.locator("#locks .token")).to_have_count(0)


def test_wishes_are_guided_to_and_end_in_a_report(page, editor):
    first = source(page)
    page.locator("#wishes button").first.click()
    page.locator("#guide").click()
    toast = page.get_by_test_id("toast-body")
    expect(toast).to_contain_text("Choose something to add or remove")
    close_toast(page)
    choose(page, "#wish-with", "Glasses")
    choose(page, "#wish-without", "Smile")
    page.locator("#guide").click()
    expect(page.locator("#edit-status")).to_contain_text(re.compile(r"With Glasses, without Smile: done|as far as it goes"))
    wait_for_change(page, first)
    report = page.locator("#guide-report")
    expect(report.locator("svg")).to_have_attribute("aria-label", re.compile("Probabilities over .*no smile"))
    expect(report).to_contain_text("Asked for: with Glasses, without Smile")
    expect(report).to_contain_text(re.compile(r"The classifier that guided sees Glasses at \d+%, no smile at \d+%\."))
    if editor.checkpoint.judge is not None:
        expect(report).to_contain_text(re.compile(r"An independent classifier sees Glasses at \d+%, no smile at \d+%\."))
    expect(report).to_contain_text(re.compile(r"What else moved: .* [+−]\d\.\d σ|Nothing else moved"))
    assert comes_to(page, "#slider-smiling", 0)  # the thumb stands where the face is now …
    assert float(painted(page, "#slider-smiling", "--photo")) > value(page, "#slider-smiling")  # … and the tick where the photo was
    page.locator("#reset").click()
    expect(report.locator("svg")).to_have_count(0)
    for menu in ("#wish-with", "#wish-without"):
        clear(page, menu)  # the page is that of other tests, too
    page.locator("#wishes button").first.click()


@pytest.fixture(scope="module")
def light_and_dark(editor, tmp_path_factory) -> list[list]:
    """Eight photos of faces with light hair and eight with dark hair, drawn by the model."""
    folder, (x, y, side) = tmp_path_factory.mktemp("hair"), GROUP_BOXES_PX[0]
    sides = []
    for name, colour in (("light", "Blond_Hair"), ("dark", "Black_Hair")):
        paths = []
        for face in editor.generate(range(8), temperature=0.6):
            drawn = editor.edit(face, {colour: editor.directions[colour].high}).decoded
            canvas = np.full((GROUP_PX[1], GROUP_PX[0], 3), 170, np.uint8)
            canvas[y : y + side, x : x + side] = cv2.resize(drawn, (side, side))
            paths.append(folder / f"{name}-{face.seed}.png")
            Image.fromarray(canvas).save(paths[-1])
        sides.append(paths)
    return sides


def test_a_slider_of_ones_own_from_photos(page, light_and_dark, text_file):
    light, dark = light_and_dark
    status = page.locator("#own-status")
    page.locator("#more-sliders button").first.click()
    page.locator("#own-name input, #own-name textarea").first.fill("My light")
    page.locator("#own-with input[type=file]").set_input_files([*light, text_file])
    page.locator("#own-without input[type=file]").set_input_files(dark)
    expect(page.locator("#own-without")).to_contain_text("dark-7")
    expect(page.locator("#own-with")).to_contain_text("light-7")
    page.locator("#own-learn").click()
    expect(status).to_contain_text(re.compile(r"Reading photo \d+ of 17"))
    expect(status).to_contain_text(
        re.compile(r"My light tells your examples apart with an AUROC of (1\.00|0\.9\d); .*Left out: notes\.txt")
    )
    own = page.locator("#slider-own-1")
    expect(own).to_contain_text("My light")
    assert change(page, "#slider-own-1") == 0
    first = source(page)
    drag(page, "#slider-own-1", -0.3)
    wait_for_change(page, first)
    alt(page, re.compile(f"^{ALT}My light -\\d"))
    with page.expect_download() as download:
        page.locator("#own-save").click()
    assert download.value.suggested_filename == "directions.safetensors"
    choose(page, "#locks", "My light")
    page.locator("#own-remove-1").click()
    expect(own).to_have_count(0)
    expect(page.locator("#locks .token")).to_have_count(0)
    alt(page, f"{ALT}no change")
    shown = source(page)
    drop(page, "#own-with button", "dropped.png", light[0].read_bytes(), "image/png")
    expect(page.locator("#own-with")).to_contain_text("dropped")  # a photo dropped here is an example, not the next to edit
    assert source(page) == shown
    page.locator("#more-sliders button").first.click()
