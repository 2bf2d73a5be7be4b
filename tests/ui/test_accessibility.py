"""Can everybody use the page? axe-core on every tab, in light and in dark, and no tab that scrolls sideways on a phone.

`visit` fails where the page asks another machine for anything, and where it throws an error.
"""

import re
from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="NO BROWSER TESTS: pip install playwright")
from page_actions import at_rest
from playwright.sync_api import expect

axe_playwright_python = pytest.importorskip("axe_playwright_python", reason="NO AXE TESTS: pip install axe-playwright-python")

READY = {"Edit": "#result img", "Morph": "#strip button", "Generate": "#faces img", "Latent space": "#tab-latent img", "About": "#card"}
"""The tabs, and what each has drawn when it is ready."""
BOXES = {"Edit": ("#wishes", "#more-sliders", "#adjust", "#scores-box")}
"""What is folded away at first."""
OPEN = re.compile(r"(^|\s)open(\s|$)")
PHONE_PX = 390
FADE_MS = 400
"""Boxes unfold, toasts fade in."""
GRADIOS_OWN = {"image-redundant-alt": "footer img", "nested-interactive": ".toast-header"}
"""Rules that Gradio's own parts break, and which parts: the icon beside "Settings" bears the same word, and a toast that can be
clicked away holds a button to close it. Neither can be reached from an app. The same rules hold for everything else."""

# From the package's own folder: no test asks the network for it.
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
FIND_VIOLATIONS = """async ([place, rules, allowed]) => {
    const found = await axe.run(place, { resultTypes: ["violations"], ...(rules && { runOnly: rules }) });
    return found.violations.flatMap(({ id, nodes }) => nodes.map(({ target, any, all, none }) => {
        const node = document.querySelector(target.flat().at(-1));
        if (allowed[id] && node.matches(allowed[id])) return null;
        const part = node.closest("[id]:not([id=''], [id^=html-])");
        return `${id}: ${target.flat().join(" ")} in #${part?.id}: ${[...any, ...all, ...none].map(({ message }) => message).join("; ")}`;
    })).filter(Boolean);
}"""


def show(page, tab: str) -> None:
    """Open a tab and all that is folded away in it, and wait until it has drawn what it begins with."""
    page.get_by_role("tab", name=tab).click()
    page.locator(READY[tab]).first.wait_for()
    for box in BOXES.get(tab, ()):
        label = page.locator(f"{box} button.label-wrap").first
        if "open" not in (label.get_attribute("class") or "").split():  # waits for it, and fails where there is none
            label.click()
        expect(label).to_have_class(OPEN)
    at_rest(page)
    page.wait_for_timeout(FADE_MS)


def violations(page, place: str, part: str = "html") -> set[str]:
    """What axe-core finds in a part of the page as it is, but for what is Gradio's own: by all rules in light, and by those about
    colours in dark, where nothing else differs."""
    found = set()
    for colours, rules in (("light", None), ("dark", ["color-contrast", "link-in-text-block"])):
        page.emulate_media(color_scheme=colours)
        page.wait_for_function("dark => document.body.classList.contains('dark') === dark", arg=colours == "dark")
        found |= {f"{place}, {colours}: {one}" for one in page.evaluate(FIND_VIOLATIONS, [part, rules, GRADIOS_OWN])}
    return found


def test_axe_finds_nothing_but_gradios_own(visit):
    page, found = visit(), set()
    page.evaluate(AXE)
    page.add_style_tag(content="*, ::before, ::after { transition: none !important; }")  # colours are judged, not how they fade
    for tab in READY:
        show(page, tab)
        found |= violations(page, tab)
    show(page, "Edit")
    page.locator("#guide").click()  # without a wish
    page.get_by_test_id("toast-body").wait_for()
    page.wait_for_timeout(FADE_MS)
    found |= violations(page, "Edit's toast", ".toast-body")
    assert not found, "\n".join(sorted(found))


def test_no_tab_scrolls_sideways_on_a_phone(visit):
    page = visit(width=PHONE_PX, height=844)
    wide = {}
    for tab in READY:
        show(page, tab)
        wide[tab] = page.evaluate("document.documentElement.scrollWidth")
    assert {tab: width for tab, width in wide.items() if width > PHONE_PX} == {}
