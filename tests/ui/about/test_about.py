"""The About tab: a text that can be read in half a minute, and the figures behind a link."""

import re

import pytest

pytest.importorskip("playwright", reason="NO BROWSER TESTS: pip install playwright")
from playwright.sync_api import expect


def test_a_short_text_says_what_matters_and_figures_open_by_its_link(page) -> None:
    page.get_by_role("tab", name="About").click()
    text = page.locator("#about-text")
    expect(text).to_be_visible()
    words = text.inner_text()
    assert len(words.split()) <= 150
    for said in ("within the hour", "AI-edited", "non-commercial research", "less well for people", "annotators", "follow ethnicity"):
        assert said in words
    address, card = page.url, page.locator("#card")
    expect(card).not_to_be_visible()
    text.get_by_role("link", name="figures and model card").click()
    expect(card).to_contain_text("Data and licence")
    expect(page.locator("#matrix")).to_contain_text("What edits do, measured")
    assert page.url == address  # it may be a link to a face
    page.locator("#figures button.label-wrap").click()
    expect(page.locator("#figures button.label-wrap")).not_to_have_class(re.compile(r"(^|\s)open(\s|$)"))
