"""The hostile files once more, through the page: each is opened or refused in its sentence, and the page keeps its state."""

import html
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from hostile import Case, corpus, file_of
from PIL import Image

MOST_MB = 600
SIDE_PX = 16
"""Of the tiny model's crop."""
# Gradio keeps the names of uploads, less what file systems dislike: those that test such names cannot be told by them.
RENAMED = ("<b>bold<!--.png", "two\nlines\u202egpj.png")


@pytest.fixture(scope="module")
def small_url(tiny_checkpoint, editor) -> Iterator[str]:
    """A page over the tiny checkpoint: what a file goes through on its way to the model is the same. `editor` finds faces by boxes."""
    from facevae.editor import Editor
    from facevae.ui.page import build_page

    page, options = build_page(Editor(tiny_checkpoint))
    page.launch(prevent_thread_lock=True, quiet=True, ssr_mode=False, server_name="127.0.0.1", **options)
    yield page.local_url
    page.close(verbose=False)


def memory_mb(key: str) -> float:
    """VmHWM or VmRSS of this process, in which the page runs too."""
    return next(int(line.split()[1]) / 1024 for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(key))


def of_each_kind() -> list[Case]:
    """The first file of each sentence, the last of those that open in each format, and those whose names the page changes."""
    kinds = {case.refused or Path(case.name).suffix: case for case in reversed(corpus()) if case.refused}
    kinds |= {Path(case.name).suffix: case for case in corpus() if not case.refused}
    return [*kinds.values(), *(case for case in corpus() if case.name in RENAMED and case not in kinds.values())]


def upload(client: Client, case: Case) -> list:
    """Name, message, megabytes above rest; the crop must be a picture where the file opened."""
    Path("/proc/self/clear_refs").write_text("5")
    rest = memory_mb("VmRSS")
    try:
        crop, answer = client.predict(handle_file(file_of(case)), {}, api_name="/open_photo")
        sentence = ""
        assert Image.open(crop).size[0] >= SIDE_PX and set(answer) >= {"message", "probabilities"}
    except AppError as error:
        sentence = html.unescape(str(error))
    return [case.name, sentence, memory_mb("VmHWM") - rest]


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="memory is measured as Linux tells it")
def test_files_are_opened_or_refused_by_the_page(small_url, tmp_path):
    """One of each kind: all of them are opened or refused without a page in tests/photo."""
    client = Client(small_url, verbose=False, download_files=tmp_path, httpx_kwargs={"timeout": 120})
    upload(client, corpus()[0])  # the first call warms up
    wrong = []
    for case in of_each_kind():
        name, sentence, megabytes = upload(client, case)
        refused = "is a text file" if name in RENAMED else case.refused.lstrip("^").rstrip("$")
        as_expected = re.search(refused, sentence) if refused else not sentence
        if not as_expected or megabytes > MOST_MB:
            wrong.append((name, sentence, megabytes))
    assert not wrong


def test_a_file_that_is_too_large_is_not_even_sent(laptop):
    from playwright.sync_api import expect

    sent = []

    def note(request) -> None:  # Playwright takes no method of a list
        sent.append(request.url)

    laptop.on("request", note)
    laptop.locator("#edit-upload input").set_input_files(file_of(next(case for case in corpus() if case.name == "over-30-mb.png")))
    expect(laptop.locator("#edit-upload .note")).to_contain_text("over-30-mb.png is too large a file")
    laptop.remove_listener("request", note)
    assert not [url for url in sent if "upload" in url]


@pytest.mark.parametrize("name", ["cut-at-50.0%.jpg", "<b>bold<!--.png"])
def test_a_refused_file_shows_its_sentence_and_the_open_face_stays(laptop, name):
    from page_actions import close_toast
    from playwright.sync_api import expect

    case = next(case for case in corpus() if case.name == name)
    picture, toast = laptop.locator("#result img"), laptop.get_by_test_id("toast-body")
    shown = picture.get_attribute("src")
    laptop.locator("#tab-edit input[type=file]").first.set_input_files(file_of(case))
    expect(toast).to_have_count(1)
    text = toast.inner_text()
    assert re.search("is a text file" if name in RENAMED else case.refused, text), text
    assert "Traceback" not in text
    assert toast.locator("b, script, img").count() == 0
    assert picture.get_attribute("src") == shown
    close_toast(laptop)
    expect(toast).to_have_count(0)
