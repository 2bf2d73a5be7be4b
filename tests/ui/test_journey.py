"""Journeys through the page in a real Chromium, by mouse and by keyboard: edit, undo, save, drop back, share, draw, morph."""

import io
import json
import re
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("playwright", reason="NO BROWSER TESTS: pip install playwright")
from page_actions import at_rest, change, close_toast, drag, drop, open_folds, source, value, wait_for_change
from PIL import Image
from playwright.sync_api import expect

from facevae.editor import Editor

IMAGE_DESCRIPTION = 0x010E  # the EXIF tag


def steps(page):
    return page.locator("#history button")


def settled(page) -> str:
    """The picture once nothing is under way: on a busy machine the last one of a drag may be a second behind."""
    at_rest(page)
    return source(page)


def saved(page, button: str = "#download") -> bytes:
    with page.expect_download() as found:
        page.locator(button).click()
    return Path(found.value.path()).read_bytes()


def pixels(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def test_drag_keys_goal_undo_redo_save_drop_back_and_new_start(page, astronaut) -> None:
    status, picture = page.locator("#edit-status"), page.locator("#result img")
    start = settled(page)
    drag(page, "#slider-smiling", -0.2)
    expect(steps(page)).to_have_count(2)
    dragged, smile = settled(page), change(page, "#slider-smiling")
    assert dragged != start and smile < 0
    expect(picture).to_have_attribute("alt", re.compile(r"Edited face: Smile -\d"))
    slider = page.locator("#slider-male input[type=range]")
    slider.focus()
    for _ in range(4):
        slider.press("ArrowRight")
    expect(steps(page)).to_have_count(3)
    expect(steps(page).nth(2)).to_have_attribute("aria-label", "Step 2: Masculine -0.4")
    keyed = settled(page)
    page.locator("#goal-glasses").click()
    expect(page.locator("#guide-report li").first).to_be_visible()
    expect(steps(page)).to_have_count(4)
    expect(status).to_contain_text(re.compile(r"Glasses added\.|This is as far as it goes"))
    expect(picture).to_have_attribute("alt", "Edited face: guided")  # which took the sliders' edits over
    guided = settled(page)
    assert change(page, "#slider-male") == 0

    # Three steps back, by button and by keys, and forth again.
    page.locator("#undo").click()
    expect(steps(page).nth(2)).to_have_attribute("aria-pressed", "true")
    assert settled(page) == keyed and change(page, "#slider-male") == pytest.approx(0.4)
    page.locator("body").press("Control+z")
    expect(steps(page).nth(1)).to_have_attribute("aria-pressed", "true")
    page.locator("body").press("Control+z")
    expect(steps(page).nth(0)).to_have_attribute("aria-pressed", "true")
    assert settled(page) == start and change(page, "#slider-smiling") == 0
    expect(page.locator("#undo")).to_be_disabled()
    page.locator("body").press("Control+Shift+z")
    expect(steps(page).nth(1)).to_have_attribute("aria-pressed", "true")
    assert settled(page) == dragged
    assert (change(page, "#slider-smiling"), change(page, "#slider-male")) == (smile, 0)
    steps(page).nth(3).click()
    expect(steps(page).nth(3)).to_have_attribute("aria-pressed", "true")
    assert settled(page) == guided

    with Image.open(io.BytesIO(saved(page))) as edited, Image.open(astronaut) as photo:
        assert (edited.format, edited.size) == ("JPEG", photo.size)
        assert "AI-edited" in edited.getexif()[IMAGE_DESCRIPTION]
        assert np.abs(np.asarray(edited).astype(int) - np.asarray(photo)).max() > 10

    # A PNG carries all of it: dropped back, it is the same picture, and the sliders go on from there.
    page.locator("#as-png input").check()
    drag(page, "#slider-smiling", -0.1)
    expect(steps(page)).to_have_count(5)
    content, moved = saved(page), value(page, "#slider-smiling")
    drop(page, "#tab-edit", "back.png", content, "image/png")
    expect(status).to_contain_text("with its edit")
    assert value(page, "#slider-smiling") == pytest.approx(moved, abs=0.051)
    edited = settled(page)
    assert np.array_equal(pixels(saved(page)), pixels(content))

    page.locator("#bake").click()
    expect(status).to_contain_text("New edits start from here")
    assert settled(page) == edited and change(page, "#slider-smiling") == 0
    page.locator("#show input[value=Original]").check(force=True)
    assert settled(page) == edited
    page.locator("#show input[value=Edited]").check(force=True)
    page.locator("#undo").click()
    expect(steps(page).nth(0)).to_have_attribute("aria-pressed", "true")
    assert change(page, "#slider-smiling") != 0


def test_before_and_after_by_keyboard(page) -> None:
    first = source(page)
    drag(page, "#slider-bangs", 0.3)
    wait_for_change(page, first)
    edited = settled(page)
    page.locator("#show input[value=Original]").focus()
    page.keyboard.press("Space")
    expect(page.locator("#result img")).to_have_attribute("alt", "Original photo")
    assert wait_for_change(page, edited) == first
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    expect(page.locator("#slide img")).to_have_count(2)
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Space")
    expect(page.locator("#result img")).to_have_attribute("alt", re.compile("Edited face: Bangs"))

    # While the key is down, the button shows the photo.
    page.locator("#hold").focus()
    page.keyboard.down("Space")
    wait_for_change(page, edited)
    expect(page.locator("#show input[value=Original]")).to_be_checked()
    page.keyboard.up("Space")
    expect(page.locator("#show input[value=Edited]")).to_be_checked()
    assert settled(page) == edited


def test_guidance_can_be_stopped(page, monkeypatch) -> None:
    guide = Editor.guide

    def slowly(*args, **kwargs):
        for step in guide(*args, **kwargs):
            yield step
            time.sleep(0.2)

    monkeypatch.setattr(Editor, "guide", slowly)  # or it may be over before the click arrives
    first = source(page)
    page.locator("#goal-mustache").click()
    page.locator("#stop:enabled").click()  # before the classifier agrees: no face is born with 90 % of a mustache
    expect(page.locator("#edit-status")).to_contain_text("Stopped.")
    expect(page.locator("#stop")).to_be_disabled()
    expect(page.locator("#goal-mustache")).to_be_enabled()
    page.locator("#reset").click()
    expect(page.locator("#edit-status")).to_contain_text("Original restored.")
    assert source(page) == first


def test_a_text_file_changes_nothing_and_a_dropped_photo_is_opened(page, text_file, astronaut, tmp_path) -> None:
    drag(page, "#slider-bangs", 0.3)
    at = value(page, "#slider-bangs")
    expect(page.locator("#result img")).to_have_attribute("alt", f"Edited face: Bangs {change(page, '#slider-bangs'):+g}")
    edited, toast = settled(page), page.get_by_test_id("toast-body")
    for way in ("chosen", "dropped"):
        if way == "chosen":
            page.locator("#tab-edit input[type=file]").first.set_input_files(text_file)
        else:
            drop(page, "#result", text_file.name, text_file.read_bytes(), "text/plain")
        expect(toast, way).to_have_count(1)
        expect(toast, way).to_contain_text("notes.txt")
        assert "Traceback" not in toast.inner_text()
        assert (settled(page), value(page, "#slider-bangs")) == (edited, at), way
        close_toast(page)
        expect(toast, way).to_have_count(0)

    turned = tmp_path / "turned.png"
    with Image.open(astronaut) as photo:
        photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(turned)
    drop(page, "#result", turned.name, turned.read_bytes(), "image/png")
    expect(page.locator("#edit-status")).to_contain_text(re.compile("turned|Getting your face right|Ready"))
    wait_for_change(page, edited)
    with page.expect_download() as download:
        page.locator("#download").click()
    assert download.value.suggested_filename == "turned-facevae.png"


def test_a_lock_beside_a_slider_and_a_search_for_sliders(page) -> None:
    lock = page.locator("#slider-male button.lock")
    lock.click()
    expect(lock).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#locks")).to_contain_text("Masculine")
    lock.click()
    expect(lock).to_have_attribute("aria-pressed", "false")
    search = page.locator("#slider-search :is(input, textarea)")
    search.fill("glass")
    expect(page.locator("#slider-male")).to_be_hidden()
    expect(page.locator("#slider-eyeglasses")).to_be_visible()
    search.fill("")
    expect(page.locator("#slider-male")).to_be_visible()


def test_a_link_a_recipe_and_a_look_bring_a_drawn_face_back(page, visit) -> None:
    """The link is opened in a new tab of the same browser, which remembers looks, and no photo."""
    page.locator("#examples button").nth(2).click()
    expect(page.locator("#edit-status")).to_contain_text("Opened face")
    settled(page)
    drag(page, "#slider-smiling", 0.15)
    expect(steps(page)).to_have_count(2)
    shown = settled(page)
    page.locator("#keep button").first.click()
    recipe = json.loads(saved(page, "#save-recipe"))
    assert recipe["drawn"]["seed"] and recipe["strengths"]["Smiling"] > 0
    page.locator("#look-name :is(input, textarea)").fill("reader")
    page.locator("#look-keep").click()
    expect(page.locator("#link-told")).to_contain_text("reader is saved")
    assert len(page.evaluate("JSON.stringify(localStorage)")) < 4000
    page.locator("#copy-link").click()
    page.wait_for_url(re.compile("seed="))
    page.locator("#keep button").first.click()

    other = visit(beside=page, query=page.url.removeprefix(visit.url).removeprefix("/"))
    expect(other.locator("#edit-status")).to_contain_text("Opened from a link")
    assert change(other, "#slider-smiling") == pytest.approx(recipe["strengths"]["Smiling"])
    assert settled(other) == shown
    other.locator("#examples button").nth(3).click()
    expect(other.locator("#edit-status")).to_contain_text("Opened face")
    open_folds(other)
    other.locator("#keep button").first.click()
    other.locator("#looks input").click()
    other.get_by_role("option", name="reader", exact=True).click()
    other.locator("#look-on").click()
    expect(other.locator("#edit-status")).to_contain_text("reader applied")
    assert change(other, "#slider-smiling") != 0
    drop(other, "#tab-edit", "recipe.json", json.dumps(recipe).encode(), "application/json")
    expect(other.locator("#edit-status")).to_contain_text("The recipe's face is back")
    assert settled(other) == shown


def test_generate_then_edit_then_morph(page) -> None:
    astronaut = source(page)
    page.get_by_role("tab", name="Create").click()
    faces = page.locator("#faces img")
    expect(faces).to_have_count(12)
    before = faces.first.get_attribute("src")
    page.locator("#seed input").fill("77")
    page.keyboard.press("Enter")
    page.wait_for_function("b => document.querySelector('#faces img')?.src !== b", arg=before)
    again = faces.first.get_attribute("src")
    page.locator("#dice").click()
    page.wait_for_function("b => document.querySelector('#faces img')?.src !== b", arg=again)
    page.locator("#seed input").fill("77")
    page.keyboard.press("Enter")
    page.wait_for_function("b => document.querySelector('#faces img')?.src === b", arg=again)

    page.locator("#faces button").nth(2).click()
    expect(page.locator("#generate-status")).to_contain_text("Face 79. This person does not exist.")
    page.locator("#generate-to-edit").click()
    expect(page.get_by_role("tab", name="Edit")).to_have_attribute("aria-selected", "true")
    drawn = wait_for_change(page, astronaut)
    drag(page, "#slider-smiling", 0.3)
    wait_for_change(page, drawn)
    page.locator("#edit-to-morph").click()
    expect(page.get_by_role("tab", name="Morph")).to_have_attribute("aria-selected", "true")
    expect(page.locator("#morph-status")).to_contain_text("face-79 is face")
