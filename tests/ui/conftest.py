"""The real page over the embedded checkpoint, in this process, and a real Chromium that looks at it."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from few_steps import refine_in_few_steps
from page_actions import GROUP_BOXES_PX, GROUP_PX, QUEUES, at_rest, open_folds, watch
from PIL import Image

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

CHROMIUM_FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_MS = 120_000
"""Against tests that never end, not a measure of speed: on a busy machine the page alone takes a minute."""
REFINE_STEPS = 8
"""Of thirty: each is a picture for the browser to draw."""
ASTRONAUT = Path(__file__).parents[2] / "assets" / "examples" / "astronaut.jpg"


@pytest.fixture(scope="session")
def astronaut() -> Path:
    return ASTRONAUT


@pytest.fixture(scope="session")
def text_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("uploads") / "notes.txt"
    path.write_text("These are words, not a photo.\n" * 20)
    return path


def find_by_boxes(photo: np.ndarray, *_) -> list:
    """Stands in for `find_faces`, so that the page's tests do not wait for the alignment net to be good: Haar's boxes
    alone, and in the group photo the places where its faces were put."""
    from facevae.photo.alignment import Alignment, Square
    from facevae.photo.finding import proposals

    if photo.shape == (GROUP_PX[1], GROUP_PX[0], 3):
        squares = [Square(x + side / 2, y + side / 2, side) for x, y, side in GROUP_BOXES_PX]
    else:
        squares = next(proposals(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)))  # the other cascades see faces in clouds
    return [Alignment(square.matrix(), found=True, confidence=0.998) for square in squares]


@pytest.fixture(scope="session")
def editor() -> Iterator:
    """The embedded checkpoint; faces are found by their boxes, and refined in a few steps."""
    from facevae.editor import Editor

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("facevae.editor.photos.find_faces", find_by_boxes)
        yield refine_in_few_steps(Editor(), REFINE_STEPS)


@pytest.fixture(scope="module")
def tab(tiny_checkpoint):
    """The Edit tab over the tiny checkpoint, without a browser: its handlers are called as the page calls them."""
    import gradio as gr

    from facevae.editor import Editor
    from facevae.ui.edit.tab import EditTab
    from facevae.ui.examples import Examples

    editor = refine_in_few_steps(Editor(tiny_checkpoint), REFINE_STEPS)
    with gr.Blocks():
        return EditTab(editor, Examples(editor), gr.BrowserState({}))


@pytest.fixture(scope="module")
def face(tab):
    """A photo whose crop was placed by hand: the tiny checkpoint finds no face by itself."""
    from facevae.editor import Adjustment

    pixels = np.random.default_rng(0).integers(0, 256, (64, 80, 3)).astype(np.uint8)
    return tab.editor.open_photo(pixels, Adjustment(zoom=1.2), name="noise")


@pytest.fixture
def visitor(tab, face):
    """Who has just opened the face."""
    from fake_visitor import Visitor

    found = Visitor(tab)
    return found.take(tab.opening.open_face(found.session, face)).read()


@pytest.fixture(scope="session")
def group(editor, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three drawn faces in one picture, as BMP: a format that cannot hold the edit's note."""
    canvas = np.full((GROUP_PX[1], GROUP_PX[0], 3), 170, np.uint8)
    for face, (x, y, side) in zip(editor.generate([5, 12, 30], temperature=0.6), GROUP_BOXES_PX, strict=True):
        canvas[y : y + side, x : x + side] = cv2.resize(face.crop, (side, side), interpolation=cv2.INTER_CUBIC)
    path = tmp_path_factory.mktemp("uploads") / "group.bmp"
    Image.fromarray(canvas).save(path)
    return path


@pytest.fixture(scope="session")
def blocks(editor) -> Iterator:
    """The page over the embedded checkpoint, served from this process."""
    from facevae.ui.page import build_page

    page, options = build_page(editor)
    page.launch(prevent_thread_lock=True, quiet=True, ssr_mode=False, server_name="127.0.0.1", **options)
    QUEUES.append(page._queue)
    yield page
    QUEUES.remove(page._queue)
    page.close(verbose=False)


@pytest.fixture(scope="session")
def url(blocks) -> str:
    """Its address."""
    return blocks.local_url.rstrip("/")


@pytest.fixture(scope="session")
def browser():
    """Chromium from the system; without it the browser tests are skipped, or fail where it is required."""
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    try:
        from playwright.sync_api import expect, sync_playwright
    except ImportError:
        chromium = None
    if chromium is None:
        reason = "NO BROWSER TESTS: Chromium or Playwright is missing (apt-get install chromium; pip install playwright)"
        if os.environ.get("FACEVAE_REQUIRE_BROWSER") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        expect.set_options(timeout=PATIENCE_MS)
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


class Visitors:
    """Opens the page for new visitors, and remembers what must not happen: page errors, requests elsewhere.

    Loading the page is the slowest part of a test (about 9 s of the processor): `page` below is loaded already.
    """

    def __init__(self, browser, url: str) -> None:
        self.browser, self.url = browser, url
        self.opened, self.errors, self.elsewhere = [], [], []

    def __call__(self, width: int = 1280, height: int = 900, query: str = "", beside=None):
        """A page in a browser of its own; in a new tab of the browser of the page `beside`, where that is given."""
        if beside is None:
            context = self.browser.new_context(viewport={"width": width, "height": height}, accept_downloads=True)
            context.set_default_timeout(PATIENCE_MS)
            self.opened.append(context)
            page = context.new_page()
        else:
            page = beside.context.new_page()
            self.opened.append(page)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", self.note)
        watch(page)
        page.goto(self.url + query)
        page.locator(":is(#result, #slide) img").first.wait_for()
        return page

    def note(self, request) -> None:
        if not request.url.startswith((self.url, "data:", "blob:")):
            self.elsewhere.append(request.url)

    def leave(self) -> None:
        for opened in self.opened:
            opened.close()
        assert not self.errors
        assert not self.elsewhere


@pytest.fixture
def visit(browser, url) -> Iterator[Visitors]:
    """New visitors, one for each call."""
    visitors = Visitors(browser, url)
    yield visitors
    visitors.leave()


@pytest.fixture
def page(laptop):
    """The laptop's page, brought back to the Edit tab with the astronaut as it was."""
    from playwright.sync_api import expect

    laptop.get_by_role("tab", name="Edit").click()
    laptop.evaluate("scrollTo(0, 0)")
    for choice in ("#view input[value=Face]", "#show input[value=Edited]", "#refine input"):
        laptop.locator(choice).check(force=True)
    laptop.locator("#as-png input").uncheck()
    laptop.locator("#examples button").first.click()
    at_rest(laptop)  # nobody could tell from the page that what is open has been opened again
    expect(laptop.locator("#edit-status")).to_contain_text("Opened astronaut")
    expect(laptop.locator("#result img")).to_have_attribute("alt", "Edited face: no change")
    # By script: toasts go by themselves, too, and one that fades cannot be clicked.
    laptop.evaluate("document.querySelectorAll('[data-testid=toast-close]').forEach((toast) => toast.click())")
    return laptop


@pytest.fixture(scope="session")
def laptop(browser, url) -> Iterator:
    """One visitor at a laptop for many tests: loading the page is the slowest part of each.

    The first example is refined once, for the first visitor; from then on it opens refined.
    """
    visitors = Visitors(browser, url)
    page = visitors()
    at_rest(page)
    open_folds(page)
    yield page
    visitors.leave()
