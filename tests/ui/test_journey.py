"""One visitor's whole way through the Edit tab in a real Chromium: drag, keys, guidance, undo, redo, save, drop the file back."""

import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from page_actions import at_rest, change, drag, drop, source, value, wait_for_change
from PIL import Image
from playwright.sync_api import expect


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


def test_drag_keys_guide_undo_redo_save_and_back(visit) -> None:
    page = visit()
    at_rest(page)
    page.locator("#examples button").first.click()
    expect(page.locator("#edit-status")).to_contain_text("Opened astronaut")
    start = settled(page)
    drag(page, "#slider-smiling", -0.2)
    expect(steps(page)).to_have_count(2)
    dragged, smile = settled(page), change(page, "#slider-smiling")
    assert dragged != start
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
    guided = settled(page)

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
    picture = settled(page)
    assert (change(page, "#slider-smiling"), change(page, "#slider-male")) == (smile, 0)
    assert picture == dragged
    steps(page).nth(3).click()
    expect(steps(page).nth(3)).to_have_attribute("aria-pressed", "true")
    assert settled(page) == guided

    # The file carries all of it: dropped back, it is the same picture, and the sliders go on from there.
    page.locator("#as-png input").check()
    drag(page, "#slider-smiling", -0.1)
    expect(steps(page)).to_have_count(5)
    content, moved = saved(page), value(page, "#slider-smiling")
    drop(page, "#tab-edit", "back.png", content, "image/png")
    expect(page.locator("#edit-status")).to_contain_text("with its edit")
    assert value(page, "#slider-smiling") == pytest.approx(moved, abs=0.051)
    settled(page)
    assert np.array_equal(pixels(saved(page)), pixels(content))
    page.locator("#reset").click()
    expect(page.locator("#edit-status")).to_contain_text("Back to the photo")
    settled(page)
    assert not np.array_equal(pixels(saved(page)), pixels(content))


def test_a_recipe_and_a_link_bring_a_drawn_face_back(visit) -> None:
    page = visit()
    page.locator("#examples button").nth(2).click()
    expect(page.locator("#edit-status")).to_contain_text("Opened face")
    settled(page)
    drag(page, "#slider-smiling", 0.15)
    expect(steps(page)).to_have_count(2)
    shown = settled(page)
    page.locator("#keep button").first.click()
    recipe = json.loads(saved(page, "#save-recipe"))
    assert recipe["drawn"]["seed"] and recipe["strengths"]["Smiling"] > 0
    page.locator("#copy-link").click()
    page.wait_for_url(re.compile("seed="))

    other = visit()
    other.goto(page.url)
    expect(other.locator("#edit-status")).to_contain_text("Opened from a link")
    assert change(other, "#slider-smiling") == pytest.approx(recipe["strengths"]["Smiling"])
    assert settled(other) == shown
    third = visit()
    drop(third, "#tab-edit", "recipe.json", json.dumps(recipe).encode(), "application/json")
    expect(third.locator("#edit-status")).to_contain_text("The recipe's face is back")
    assert settled(third) == shown


def test_locks_search_compare_and_looks(visit) -> None:
    page = visit(390, 844)
    at_rest(page)
    page.locator("#reset").click()
    expect(page.locator("#edit-status")).to_contain_text("Back to the photo")
    settled(page)
    lock = page.locator("#slider-male button.lock")
    lock.click()
    expect(lock).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#locks")).to_contain_text("Masculine")
    lock.click()
    expect(lock).to_have_attribute("aria-pressed", "false")
    page.locator("#slider-search :is(input, textarea)").fill("glass")
    expect(page.locator("#slider-male")).to_be_hidden()
    expect(page.locator("#slider-eyeglasses")).to_be_visible()
    page.locator("#slider-search :is(input, textarea)").fill("")
    expect(page.locator("#slider-male")).to_be_visible()

    # Held by the keyboard, the button shows the photo; let go, the edit again.
    drag(page, "#slider-eyeglasses", 0.3)
    expect(steps(page).last).to_have_attribute("aria-label", re.compile("Glasses"))
    edited = settled(page)
    hold = page.locator("#hold")
    hold.focus()
    page.keyboard.down("Space")
    wait_for_change(page, edited)
    expect(page.locator("#show input[value=Original]")).to_be_checked()
    page.keyboard.up("Space")
    expect(page.locator("#show input[value=Edited]")).to_be_checked()
    assert settled(page) == edited

    # A look outlives the page, and a photo does not.
    page.locator("#keep button").first.click()
    page.locator("#look-name :is(input, textarea)").fill("reader")
    page.locator("#look-keep").click()
    expect(page.locator("#link-told")).to_contain_text("reader is kept")
    stored = page.evaluate("JSON.stringify(localStorage)")
    assert len(stored) < 4000
    page.reload()
    at_rest(page)
    page.locator("#examples button").nth(3).click()
    expect(page.locator("#edit-status")).to_contain_text("Opened face")
    page.locator("#keep button").first.click()
    page.locator("#looks input").click()
    page.get_by_role("option", name="reader", exact=True).click()
    page.locator("#look-on").click()
    expect(page.locator("#edit-status")).to_contain_text("reader is on")
    assert change(page, "#slider-eyeglasses") != 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_result_is_the_new_start(page) -> None:
    drag(page, "#slider-smiling", -0.2)
    expect(steps(page)).to_have_count(2)
    done = settled(page)
    page.locator("#bake").click()
    expect(page.locator("#edit-status")).to_contain_text("start from here")
    assert settled(page) == done and change(page, "#slider-smiling") == 0
    page.locator("#show input[value=Original]").check(force=True)
    assert settled(page) == done
    page.locator("#show input[value=Edited]").check(force=True)
    page.locator("#undo").click()
    expect(page.locator("#edit-status")).to_contain_text("Step 1")
    assert change(page, "#slider-smiling") != 0
