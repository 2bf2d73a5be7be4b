"""The Morph tab in a real browser: faces come, move and go, the way is looked at, and a film is made of it or is not."""

import re

import pytest

pytest.importorskip("playwright", reason="NO BROWSER TESTS: pip install playwright")
from page_actions import at_rest, close_toast, drag, drop, source, value, wait_for_change
from PIL import Image
from playwright.sync_api import expect

from facevae.photo.animation import film_formats
from tests.ui.conftest import Visitors

PICTURE = "#morph-result"
KEYS = "#keys [data-index]"  # after a refusal there is one more button, out of sight: Gradio's own
DECODED = "e => e.decode().then(() => e.naturalWidth)"


@pytest.fixture(scope="module")
def visitor(browser, url):
    """Not the laptop: the faces that these tests leave would be in the way of others."""
    visitors = Visitors(browser, url)
    yield visitors()
    visitors.leave()


@pytest.fixture
def morph(visitor):
    """The Morph tab with the two examples that everybody begins with; loaded again where a test has left others there."""
    visitor.get_by_role("tab", name="Morph").click()
    at_rest(visitor)
    labels = visitor.locator(KEYS).evaluate_all("all => all.map((e) => e.getAttribute('aria-label'))")
    if len(labels) != 2 or not all(label.endswith(", an example") for label in labels):
        visitor.reload()
        visitor.locator(":is(#result, #slide) img").first.wait_for()
        visitor.get_by_role("tab", name="Morph").click()
    expect(visitor.locator(KEYS)).to_have_count(2)
    expect(visitor.locator("#strip button")).to_have_count(9)
    source(visitor, PICTURE)
    options = visitor.locator("#morph-options button.label-wrap")
    if "open" not in (options.get_attribute("class") or "").split():
        options.click()
    at_rest(visitor)
    return visitor


def add_example(page, number: int) -> None:
    count = page.locator(KEYS).count()
    page.locator("#morph-examples [data-index]").nth(number).click()
    expect(page.locator(KEYS)).to_have_count(count + 1)


def faces(page) -> list[str]:
    """The names of the faces in their order, once the page is at rest."""
    at_rest(page)
    labels = page.locator(KEYS).evaluate_all("all => all.map((e) => e.getAttribute('aria-label'))")
    return [label.split(": ")[1].removesuffix(", an example") for label in labels]


def save(page, tmp_path):
    with page.expect_download() as download:
        page.locator("#export").click()
    film = tmp_path / download.value.suggested_filename
    download.value.save_as(film)
    return film


def set_frames(page, count: int) -> None:
    page.locator("#frames input[type=number]").fill(str(count))
    page.keyboard.press("Tab")


def test_three_faces_become_a_film_that_plays(morph, tmp_path):
    add_example(morph, 4)
    expect(morph.locator("#morph-status")).to_contain_text("face 3 of 3")
    at_rest(morph)
    first = source(morph, PICTURE)
    drag(morph, "#position", -0.3)
    at_rest(morph)  # the pictures on the way there have come, and the last of them
    dragged = source(morph, PICTURE)
    assert dragged != first and value(morph, "#position") == pytest.approx(0.2, abs=0.02)
    morph.locator("#strip button").nth(8).click()
    wait_for_change(morph, dragged, PICTURE)
    expect(morph.locator("#position input[type=range]")).to_have_value("1")
    expect(morph.locator(f"{PICTURE} img")).to_have_attribute("alt", re.compile("^100% of the way"))
    set_frames(morph, 8)
    with Image.open(save(morph, tmp_path)) as film:
        assert film.format == "GIF" and film.n_frames == 14  # eight forth, six back
    expect(morph.locator("#film-status")).to_contain_text("14 frames, 0.8 s, 256 × 256 px")
    morph.locator("#film img").scroll_into_view_if_needed()
    assert morph.locator("#film img").evaluate(DECODED) == 256
    morph.locator(KEYS).nth(2).click()
    morph.locator("#key-remove").click()  # and there are two again
    expect(morph.locator(KEYS)).to_have_count(2)


def test_play_moves_the_mix_until_it_is_pressed_again_or_a_hand_takes_the_slider(morph):
    button, mix, picture = morph.locator("#play button"), morph.locator("#position input[type=range]"), morph.locator(f"{PICTURE} img")
    before = mix.input_value()
    button.click()
    expect(button).to_have_text("Stop")
    expect(mix).not_to_have_value(before)
    button.click()
    expect(button).to_have_text("Play")
    at_rest(morph)
    expect(picture).to_have_attribute("alt", re.compile(f"^{value(morph, '#position'):.0%} of the way"))  # of where it stopped
    button.click()
    expect(button).to_have_text("Stop")
    mix.press("End")
    expect(button).to_have_text("Play")
    expect(mix).to_have_value("1")
    morph.emulate_media(reduced_motion="reduce")  # then a press goes to the other end at once
    button.click()
    expect(button).to_have_text("Play")
    expect(mix).to_have_value("0")
    at_rest(morph)
    expect(picture).to_have_attribute("alt", re.compile("^0% of the way"))
    morph.emulate_media(reduced_motion="no-preference")


def test_play_waits_for_the_picture(morph):
    button, before, held = morph.locator("#play button"), value(morph, "#position"), []
    morph.route("**/run/**", lambda route: held.append(route))  # Playwright wants a function of Python
    button.click()
    expect(morph.locator("#morph-status")).to_contain_text("Preparing")
    morph.wait_for_timeout(1000)
    assert abs(value(morph, "#position") - before) < 0.06 and len(held) == 1
    held[0].continue_()
    morph.unroute("**/run/**")
    morph.wait_for_function("b => Math.abs(document.querySelector('#position input[type=range]').value - b) > 0.1", arg=before)
    expect(morph.locator("#morph-status")).not_to_contain_text("Preparing")
    button.click()
    at_rest(morph)


def test_a_film_of_the_photo_is_cancelled_and_made_again_in_each_format(morph, tmp_path):
    before, films = source(morph, PICTURE), morph.locator("#film img").count()  # of a test before
    morph.locator("#morph-view input").nth(1).check(force=True)
    expect(morph.locator(f"{PICTURE} img")).to_have_attribute("alt", re.compile("^On photo 1"))
    wait_for_change(morph, before, PICTURE)
    set_frames(morph, 120)
    morph.locator("#export").click()
    morph.locator("#film-cancel:enabled").click()
    expect(morph.locator("#film-status")).to_contain_text(re.compile(r"Cancelled at frame \d+ of 238\. Nothing was saved"))
    expect(morph.locator("#film-cancel")).to_be_disabled()
    expect(morph.locator("#film img")).to_have_count(films)
    set_frames(morph, 8)
    morph.locator("#repeat input[value=round]").check(force=True)
    for form in {"webp", "mp4"} & set(film_formats()):  # MP4 where PyAV is installed
        morph.locator(f"#format input[value={form}]").check(force=True)
        assert save(morph, tmp_path).suffix == f".{form}"
        expect(morph.locator("#film-status")).to_contain_text("8 frames, 0.5 s, 512 × 512 px")
        if form == "webp":
            assert morph.locator("#film img").evaluate(DECODED) == 512
        else:
            ended = "e => new Promise((go) => { e.loop = false; e.onended = () => go(e.videoWidth); e.currentTime = 0; e.play(); })"
            assert morph.locator("#clip video").evaluate(ended) == 512
    morph.locator("#repeat input").first.check(force=True)
    morph.locator("#morph-view input").first.check(force=True)


def test_faces_are_moved_replaced_and_removed_by_keyboard(morph, astronaut, text_file):
    add_example(morph, 4)
    add_example(morph, 2)
    before = faces(morph)
    morph.locator(KEYS).nth(1).focus()
    morph.keyboard.press("Enter")
    expect(morph.locator(KEYS).nth(1)).to_have_attribute("aria-pressed", "true")
    expect(morph.locator(KEYS).nth(1)).to_be_focused()
    at_rest(morph)
    assert value(morph, "#position") == pytest.approx(1 / 3, abs=0.01)
    morph.locator("#key-right").press("Enter")
    expect(morph.locator(KEYS).nth(2)).to_have_attribute("aria-pressed", "true")
    assert faces(morph) == [before[0], before[2], before[1], before[3]]
    morph.locator("#key-remove").press("Enter")
    expect(morph.locator(KEYS)).to_have_count(3)
    assert faces(morph) == [before[0], before[2], before[3]]
    morph.locator("#tab-morph input[type=file]").nth(1).set_input_files(text_file)
    expect(morph.get_by_test_id("toast-body")).to_contain_text("notes.txt")
    assert faces(morph) == [before[0], before[2], before[3]]
    morph.locator("#tab-morph input[type=file]").nth(1).set_input_files(astronaut)
    expect(morph.locator("#morph-status")).to_contain_text("astronaut is face 3 of 3")
    morph.locator("#key-remove").click()
    expect(morph.locator(KEYS)).to_have_count(2)
    expect(morph.locator("#key-remove")).to_be_disabled()
    add_example(morph, 2)  # the same as before


def test_faces_come_from_files_from_edit_and_from_generate_and_six_are_enough(morph, group):
    before = faces(morph)
    expect(morph.locator("#morph-view")).to_be_visible()
    morph.locator("#key-right").click()
    expect(morph.locator("#morph-view")).not_to_be_visible()  # the first face has no photo now
    morph.locator("#key-left").click()
    at_rest(morph)  # two changes at once end in the words of the slower one
    morph.locator("#morph-from-edit").click()
    expect(morph.locator("#morph-status")).to_contain_text("astronaut is face 1 of 2")
    morph.get_by_role("tab", name="Create").click()
    expect(morph.locator("#faces img")).to_have_count(12)
    morph.locator("#generate-to-morph").click()
    expect(morph.get_by_role("tab", name="Morph")).to_have_attribute("aria-selected", "true")
    expect(morph.locator("#morph-status")).to_contain_text("face-46 is face 2 of 2")
    assert faces(morph) == [before[0], "face-46"]

    drop(morph, PICTURE, group.name, group.read_bytes(), "image/bmp")
    expect(morph.locator("#morph-status")).to_contain_text("group is face 3 of 3. Its photo shows 3 faces; this is the largest.")
    for number in (1, 2, 3):
        add_example(morph, number)
    morph.locator("#morph-examples [data-index]").nth(4).click()
    expect(morph.get_by_test_id("toast-body")).to_contain_text("at most 6 faces")
    assert len(faces(morph)) == 6
    close_toast(morph)
