"""The real page over the embedded checkpoint, in this process, and a real Chromium that looks at it."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

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
PATIENCE_MS = 30_000
ASTRONAUT = Path(__file__).parents[2] / "assets" / "examples" / "astronaut.jpg"


@pytest.fixture(scope="session")
def astronaut() -> Path:
    return ASTRONAUT


@pytest.fixture(scope="session")
def text_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("uploads") / "notes.txt"
    path.write_text("These are words, not a photo.\n" * 20)
    return path


@pytest.fixture(scope="session")
def blocks() -> Iterator:
    """The page over the embedded checkpoint, served from this process."""
    from facevae.editor import Editor
    from facevae.ui.page import build_page

    page, options = build_page(Editor())
    page.launch(prevent_thread_lock=True, quiet=True, ssr_mode=False, server_name="127.0.0.1", **options)
    yield page
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
    """Opens the page for visitors of their own, and remembers what must not happen: page errors, requests elsewhere."""

    def __init__(self, browser, url: str) -> None:
        self.browser, self.url = browser, url
        self.contexts, self.errors, self.elsewhere = [], [], []

    def __call__(self, width: int = 1280, height: int = 900):
        context = self.browser.new_context(viewport={"width": width, "height": height}, accept_downloads=True)
        context.set_default_timeout(PATIENCE_MS)
        self.contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", self.note)
        page.goto(self.url)
        page.locator("#result img").wait_for()
        return page

    def note(self, request) -> None:
        if not request.url.startswith((self.url, "data:", "blob:")):
            self.elsewhere.append(request.url)

    def leave(self) -> None:
        for context in self.contexts:
            context.close()
        assert not self.errors
        assert not self.elsewhere


@pytest.fixture
def visit(browser, url) -> Iterator[Visitors]:
    """New visitors, one for each call."""
    visitors = Visitors(browser, url)
    yield visitors
    visitors.leave()


@pytest.fixture(scope="session")
def laptop(browser, url) -> Iterator:
    """One visitor at a laptop for many tests: loading the page is the slowest part of each."""
    visitors = Visitors(browser, url)
    yield visitors()
    visitors.leave()
