"""The Create tab in a real browser: its journeys by mouse and by keyboard; `test_searching.py` has the rest of it."""

import re

import pytest

pytest.importorskip("playwright", reason="NO BROWSER TESTS: pip install playwright")
from page_actions import at_rest, choose, close_toast, drag
from PIL import Image
from playwright.sync_api import expect


@pytest.fixture
def generating(laptop):
    """The Create tab with the twelve faces of seed 1."""
    laptop.get_by_role("tab", name="Create").click()
    for menu in ("#only-with", "#only-without"):
        tokens = laptop.locator(f"{menu} [title^=Remove]")
        for left in range(tokens.count(), 0, -1):
            tokens.first.click()
            expect(tokens).to_have_count(left - 1)
    laptop.locator("#seed input").fill("9000")
    tile(laptop, 0, "Face 9000")  # or what the test before has left might be taken for the faces of seed 1
    laptop.locator("#seed input").fill("1")
    tile(laptop, 0, "Face 1")
    expect(laptop.locator("#faces img")).to_have_count(12)
    return laptop


def tile(page, at: int, words: str) -> None:
    expect(page.locator("#faces button").nth(at)).to_have_attribute("aria-label", re.compile(f"^{words}(:|$)"))


def status(page, words) -> None:
    expect(page.locator("#generate-status")).to_contain_text(words)


def test_only_some_faces_come_as_they_are_found_and_stop_keeps_them(generating):
    page = generating
    for rare in ("Hat", "Mustache", "Glasses"):
        choose(page, "#only-with", rare)
    # A face with glasses: until then what is counted may be the search of the wishes before.
    expect(page.locator("#chosen img")).to_have_attribute("alt", re.compile(r"The chosen face, Face \d+: .*glasses"))
    page.locator("#generate-stop:enabled").click()
    status(page, re.compile(r"Stopped: ([1-9]|1[01]) of 12 found, \d+ tried"))  # the twelfth is the 249th try
    expect(page.locator("#generate-stop")).to_be_disabled()
    found = int(re.search(r"(\d+) of", page.locator("#generate-status").inner_text())[1])
    expect(page.locator("#faces img")).to_have_count(found)
    choose(page, "#only-without", "Glasses")
    expect(page.get_by_test_id("toast-body")).to_contain_text("Glasses is asked for and against")
    expect(page.locator("#faces img")).to_have_count(found)
    close_toast(page)


def test_more_neighbours_and_back_by_keyboard(generating):
    page = generating
    page.locator("#more").click()
    expect(page.locator("#faces img")).to_have_count(24)
    tile(page, 23, "Face 25")  # 11 is left out
    at_rest(page)  # the tiles are laid out anew once more when all are described
    page.locator("#faces button").nth(13).press("Enter")
    status(page, "Face 15. This person does not exist.")
    expect(page.locator("#faces button").nth(13)).to_have_attribute("aria-pressed", "true")
    page.locator("#neighbours").press("Enter")
    expect(page.locator("#faces img")).to_have_count(9)
    tile(page, 4, "Face 15")
    expect(page.locator("#faces button").nth(4)).to_have_attribute("aria-pressed", "true")
    page.locator("#faces button").nth(0).press("Enter")
    status(page, "face-15-near-1. This person does not exist.")
    before, centre = (page.locator("#faces img").nth(at).get_attribute("src") for at in (0, 4))
    page.locator("#radius input[type=range]").press("ArrowLeft")
    page.wait_for_function("b => document.querySelector('#faces img').src !== b", arg=before)
    assert page.locator("#faces img").nth(4).get_attribute("src") == centre
    page.locator("#neighbours").press("Enter")
    tile(page, 4, "face-15-near-1")
    page.locator("#generate-back").press("Enter")
    tile(page, 4, "Face 15")
    page.locator("#generate-back").press("Enter")
    expect(page.locator("#faces img")).to_have_count(24)
    expect(page.locator("#generate-back")).to_have_count(0)
    status(page, "Face 15. This person does not exist.")


def test_a_neighbour_is_downloaded_edited_and_the_sheet_is_saved(generating, tmp_path):
    page = generating
    page.locator("#neighbours").click()
    tile(page, 4, "Face 1")
    page.locator("#faces button").nth(8).click()
    status(page, "face-1-near-8. This person does not exist.")
    saved = {}
    for button in ("#save-face", "#save-sheet"):
        with page.expect_download() as download:
            page.locator(button).click()
        download.value.save_as(tmp_path / download.value.suggested_filename)
        with Image.open(tmp_path / download.value.suggested_filename) as file:
            saved[download.value.suggested_filename] = file.size
            assert "AI-generated" in file.text["Comment"] and "latent" in file.text["facevae"]
    assert saved == {"face-1-near-8-facevae.png": (128, 128), "face-1-neighbours-facevae.png": (416, 470)}
    page.locator("#generate-to-edit").click()
    expect(page.get_by_role("tab", name="Edit")).to_have_attribute("aria-selected", "true")
    expect(page.locator("#edit-status")).to_contain_text("Opened face-1-near-8")


def test_a_dragged_slider_ends_with_its_own_faces(generating):
    page = generating
    drag(page, "#count", 0.06)
    count = int(page.locator("#count input[type=range]").input_value())
    assert count > 12
    expect(page.locator("#faces img")).to_have_count(count)
    page.locator("#count input[type=range]").press("Home")
    expect(page.locator("#faces img")).to_have_count(1)
    page.locator("#count input[type=range]").evaluate("e => { e.value = 12; e.dispatchEvent(new Event('input', { bubbles: true })) }")
    expect(page.locator("#faces img")).to_have_count(12)
