"""The journeys of the page, in a real browser, by mouse and by keyboard."""

import re
import time

import numpy as np
import pytest

pytest.importorskip("playwright", reason="NO BROWSER TESTS: pip install playwright")
from page_actions import at_rest, change, drag, drop, source, value, wait_for_change
from PIL import Image
from playwright.sync_api import expect

from facevae.editor import Editor

IMAGE_DESCRIPTION = 0x010E  # the EXIF tag


def test_edit_by_mouse_by_keyboard_by_goal_and_download(page, astronaut, tmp_path):
    first = source(page)

    drag(page, "#slider-wavy-hair", 0.3)
    dragged = wait_for_change(page, first)
    assert change(page, "#slider-wavy-hair") > 0
    expect(page.locator("#result img")).to_have_attribute("alt", re.compile(r"Edited face: Wavy \+\d"))

    page.locator("#slider-mouth-slightly-open input[type=range]").focus()
    for _ in range(8):
        page.keyboard.press("ArrowRight")
    pressed = wait_for_change(page, dragged)
    assert change(page, "#slider-mouth-slightly-open") == pytest.approx(0.8)
    expect(page.locator("#result img")).to_have_attribute("alt", re.compile(r"Mouth open \+0\.8"))

    page.locator("#goal-smiling").click()
    expect(page.locator("#edit-status")).to_contain_text("Reset all brings the photo back")
    expect(page.locator("#edit-status")).to_contain_text(re.compile(r"Smiling: the classifier is \d+% sure"))
    expect(page.locator("#result img")).to_have_attribute("alt", "Edited face: guided")  # which took the sliders' edits over
    assert change(page, "#slider-wavy-hair") == 0

    with page.expect_download() as download:
        page.locator("#download").click()
    saved = tmp_path / download.value.suggested_filename
    download.value.save_as(saved)
    with Image.open(saved) as edited, Image.open(astronaut) as photo:
        assert edited.format == "JPEG"
        assert edited.size == photo.size
        assert "AI-edited" in edited.getexif()[IMAGE_DESCRIPTION]
        assert np.abs(np.asarray(edited).astype(int) - np.asarray(photo)).max() > 10

    page.locator("#reset").click()
    expect(page.locator("#edit-status")).to_contain_text("Back to the photo")
    assert wait_for_change(page, pressed) == first


def test_before_and_after_by_keyboard(page):
    first = source(page)
    drag(page, "#slider-bangs", 0.3)
    edited = wait_for_change(page, first)
    page.locator("#show input[value=Original]").focus()
    page.keyboard.press("Space")
    expect(page.locator("#result img")).to_have_attribute("alt", "Original photo")
    assert wait_for_change(page, edited) == first
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(page.locator("#slide img")).to_have_count(2)
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Space")
    expect(page.locator("#result img")).to_have_attribute("alt", re.compile("Edited face: Bangs"))


def test_guidance_can_be_stopped(page, monkeypatch):
    guide = Editor.guide

    def slowly(*args, **kwargs):
        for step in guide(*args, **kwargs):
            yield step
            time.sleep(0.2)

    monkeypatch.setattr(Editor, "guide", slowly)  # or it may be over before the click arrives
    first = source(page)
    page.locator("#goal-mustache").click()
    page.locator("#stop:enabled").click()  # before the classifier agrees: nobody is born with 90 % of a mustache
    expect(page.locator("#edit-status")).to_contain_text(re.compile(r"Stopped\. Mustache: .* Reset all brings the photo back"))
    expect(page.locator("#stop")).to_be_disabled()
    expect(page.locator("#goal-mustache")).to_be_enabled()
    page.locator("#reset").click()
    expect(page.locator("#edit-status")).to_contain_text("Back to the photo")
    assert source(page) == first


@pytest.mark.parametrize("way", ["chosen", "dropped"])
def test_a_text_file_ends_in_one_sentence_and_nothing_is_lost(page, text_file, way):
    first = source(page)
    drag(page, "#slider-bangs", 0.3)
    wait_for_change(page, first)
    at = value(page, "#slider-bangs")
    expect(page.locator("#result img")).to_have_attribute("alt", f"Edited face: Bangs {change(page, '#slider-bangs'):+g}")
    edited = source(page)
    if way == "chosen":
        page.locator("#tab-edit input[type=file]").first.set_input_files(text_file)
    else:
        drop(page, "#result", text_file.name, text_file.read_bytes(), "text/plain")
    toast = page.get_by_test_id("toast-body")
    expect(toast).to_have_count(1)
    expect(toast).to_contain_text("notes.txt")
    assert "Traceback" not in toast.inner_text()
    assert source(page) == edited
    assert value(page, "#slider-bangs") == at
    drag(page, "#slider-bangs", -0.2)
    wait_for_change(page, edited)


def test_a_dropped_photo_is_opened(page, astronaut, tmp_path):
    first = source(page)
    turned = tmp_path / "turned.png"
    with Image.open(astronaut) as photo:
        photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(turned)
    drop(page, "#result", turned.name, turned.read_bytes(), "image/png")
    wait_for_change(page, first)
    with page.expect_download() as download:
        page.locator("#download").click()
    assert download.value.suggested_filename == "turned-facevae.png"


def test_generate_then_edit_then_morph(page):
    astronaut = source(page)
    page.get_by_role("tab", name="Generate").click()
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
    expect(page.locator("#generate-status")).to_contain_text("Seed 79")
    page.locator("#generate-to-edit").click()
    expect(page.get_by_role("tab", name="Edit")).to_have_attribute("aria-selected", "true")
    drawn = wait_for_change(page, astronaut)
    drag(page, "#slider-smiling", 0.3)
    wait_for_change(page, drawn)
    page.locator("#edit-to-morph").click()
    expect(page.get_by_role("tab", name="Morph")).to_have_attribute("aria-selected", "true")
    expect(page.locator("#morph-status")).to_contain_text("face-79 is face")


def test_two_visitors_have_their_own_faces(visit):
    one, two = visit(), visit()
    first = source(two)
    two.locator("#examples button").nth(1).click()
    other = wait_for_change(two, first)
    drag(one, "#slider-bangs", 0.3)
    drag(two, "#slider-bangs", 0.3)
    assert wait_for_change(one, first) != wait_for_change(two, other)
    names = []
    for page in (one, two):
        with page.expect_download() as download:
            page.locator("#download").click()
        names.append(download.value.suggested_filename)
    assert names[0] == "astronaut-facevae.jpg"
    assert names[1].endswith("-facevae.png")


def test_phone(visit):
    page = visit(width=390, height=844)
    assert page.locator("#result").bounding_box()["y"] < page.locator("#slider-smiling").bounding_box()["y"]
    for tab in ("Morph", "Generate", "About", "Edit"):
        page.get_by_role("tab", name=tab).click()
        at_rest(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, tab
    page.locator("#slider-eyeglasses").scroll_into_view_if_needed()
    expect(page.locator("#result img")).to_be_in_viewport()
    first = source(page)
    drag(page, "#slider-eyeglasses", 0.3)
    wait_for_change(page, first)
