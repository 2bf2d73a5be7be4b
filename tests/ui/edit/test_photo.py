"""Photo in, photo out, in a real browser: several faces, the crop by hand, refinement beside everything else, files."""

import time

import numpy as np
import pytest

pytest.importorskip("playwright", reason="NO BROWSER TESTS: pip install playwright")
from page_actions import GROUP_BOXES_PX, at_rest, change, drag, source, value, wait_for_change
from PIL import Image
from playwright.sync_api import expect

REFINED, REFINING = "Ready.", "Getting your face right …"
NEARER = r"document.querySelector('#reconstruction img').alt.match(/(\d+\.\d) → (\d+\.\d) dB/)?.slice(1)"


def open_file(page, path) -> None:
    """Choose a file. The click that clears the last choice is not made here, and the same file again would be no change."""
    field = page.locator("#tab-edit input[type=file]").first
    field.evaluate("field => { field.value = '' }")
    field.set_input_files(path)


def show_whole_photo(page) -> None:
    page.locator("#view input[value=Photo]").check(force=True)
    at_rest(page)


def download(page, folder):
    with page.expect_download() as file:
        page.locator("#download").click()
    saved = folder / file.value.suggested_filename
    file.value.save_as(saved)
    return saved


def test_faces_of_one_photo_are_edited_one_after_the_other(page, group, tmp_path):
    status, tiles = page.locator("#edit-status"), page.locator("#photo-faces button")
    expect(tiles).to_have_count(0)
    page.locator("#refine input").uncheck()
    open_file(page, group)
    expect(status).to_contain_text("Opened group. Face 1 of 3.")
    expect(tiles).to_have_count(3)
    expect(page.get_by_role("button", name="Face 1 of 3", pressed=True)).to_be_visible()
    show_whole_photo(page)
    first = source(page)
    saved = download(page, tmp_path)
    assert saved.name == "group-facevae.png"
    expect(status).to_contain_text("it is saved as PNG, as BMP cannot hold the edit")
    with Image.open(saved) as file:
        assert file.format == "PNG" and np.array_equal(np.asarray(file), np.asarray(Image.open(group)))
    drag(page, "#slider-bangs", 0.4)
    wait_for_change(page, first)

    crop = source(page, "#crop")
    tiles.nth(0).focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(status).to_contain_text("Face 2 of 3.")
    wait_for_change(page, crop, "#crop")
    second = page.get_by_role("button", name="Face 2 of 3", pressed=True)
    expect(second).to_be_focused()
    assert change(page, "#slider-bangs") == 0
    show_whole_photo(page)
    assert source(page) != first  # the edit of the face that was left is in the photo

    page.locator("#as-png input").check()
    saved = download(page, tmp_path)
    changed = np.abs(np.asarray(Image.open(saved)).astype(int) - np.asarray(Image.open(group))).max(axis=(0, 2)) > 8
    (x, _, side), (x2, _, _) = GROUP_BOXES_PX[:2]
    assert changed[x : x + side].any()
    assert not changed[x2:].any()

    page.locator("#reset").click()
    expect(status).to_contain_text("the edits of the other faces stay")
    tiles.nth(0).click()
    expect(status).to_contain_text("Face 1 of 3.")
    page.locator("#reset").click()
    expect(status).to_contain_text("Original restored.")
    show_whole_photo(page)
    expect(page.locator("#result img")).to_have_attribute("src", first)


@pytest.fixture
def slow_refinement(editor, monkeypatch):
    """Refinement that takes its time, or it may be over before a test looks or clicks."""
    refine = editor.refine

    def slowly(face):
        for step in refine(face):
            time.sleep(0.2)
            yield step

    monkeypatch.setattr(editor, "refine", slowly)


def test_refinement_streams_and_leaves_the_sliders_free(page, group, slow_refinement):
    status = page.locator("#edit-status")
    open_file(page, group)
    expect(status).to_contain_text(REFINING)
    expect(page.locator("#stop")).to_be_enabled()
    drawn, first = source(page, "#reconstruction"), source(page)
    drag(page, "#slider-bangs", 0.4)
    at = value(page, "#slider-bangs")
    wait_for_change(page, first)
    expect(page.locator("#reconstruction img")).not_to_have_attribute("src", drawn)
    expect(page.locator("#stop")).to_be_disabled()  # the words of the slider may come right after it
    assert "Stopped" not in status.inner_text()
    expect(page.locator("#stop")).to_be_disabled()
    assert value(page, "#slider-bangs") == at
    expect(page.locator("#result img")).to_have_attribute("alt", f"Edited face: Bangs {change(page, '#slider-bangs'):+g}")
    assert source(page, "#reconstruction") != drawn
    before, after = map(float, page.evaluate(NEARER))
    assert after > before


def test_refinement_can_be_stopped_or_not_wanted_at_all(page, group, slow_refinement):
    status = page.locator("#edit-status")
    open_file(page, group)
    page.locator("#stop:enabled").click()
    expect(status).to_contain_text("Stopped.")
    expect(page.locator("#stop")).to_be_disabled()
    page.locator("#refine input").uncheck()
    open_file(page, group)
    expect(status).to_contain_text("Opened group")
    time.sleep(1)
    expect(status).to_contain_text("Opened group")
    page.locator("#refine input").check()
    expect(status).to_contain_text(REFINING)


def test_a_late_step_never_comes_after_another_photo(page, group, tmp_path, slow_refinement):
    """The example is open within the time that the refinement of the group takes for a few steps more."""
    first, crop = source(page), source(page, "#crop")
    open_file(page, group)
    expect(page.locator("#edit-status")).to_contain_text(REFINING)
    page.locator("#examples button").first.click()
    expect(page.locator("#edit-status")).to_contain_text("Opened astronaut")
    for _ in range(10):
        time.sleep(0.15)
        assert "Opened astronaut" in page.locator("#edit-status").inner_text()
    assert (source(page), source(page, "#crop")) == (first, crop)
    expect(page.locator("#stop")).to_be_disabled()
    assert download(page, tmp_path).name == "astronaut-facevae.jpg"
