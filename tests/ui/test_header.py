"""The head of the page: the names of the tabs, and a promise about photos that is true where the page is."""

import pytest

pytest.importorskip("playwright", reason="NO BROWSER TESTS: pip install playwright")
from playwright.sync_api import expect

from tests.ui.conftest import Visitors

SENTENCE = "Edit faces in your photos: hair colour, smile, age, makeup."


def test_the_tabs_have_names_for_everybody(page) -> None:
    expect(page.get_by_role("tab")).to_have_text(["Edit", "Morph", "Create", "Inside the model", "About"])


def test_on_this_computer_photos_never_leave_it(page) -> None:
    expect(page.locator("#title p")).to_have_text(f"{SENTENCE} Your photos never leave this computer.")


def test_elsewhere_photos_are_deleted_within_the_hour(browser, url) -> None:
    """Chromium finds names below localhost on this machine; for the page they are those of any server."""
    visitors = Visitors(browser, url.replace("127.0.0.1", "faces.localhost"))
    expect(visitors().locator("#title p")).to_have_text(f"{SENTENCE} Photos are deleted within the hour.")
    visitors.leave()
