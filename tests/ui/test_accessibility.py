"""Can everybody use the page? axe-core on every tab, in light and in dark, and no tab that scrolls sideways on a phone.

`visit` fails where the page asks another machine for anything, and where it throws an error.
"""

import re
from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="NO BROWSER TESTS: pip install playwright")
from page_actions import at_rest, choose, close_toast, drag, open_folds, source, wait_for_change
from playwright.sync_api import expect

axe_playwright_python = pytest.importorskip("axe_playwright_python", reason="NO AXE TESTS: pip install axe-playwright-python")

READY = {
    "Edit": "#result img",
    "Morph": "#strip button",
    "Create": "#faces img",
    "Inside the model": "#tab-latent img",
    "About": "#about-text",
}
"""The tabs, and what each has drawn when it is ready."""
BOXES = {
    "Edit": ("#wishes", "#more-sliders", "#scores-box"),
    "Morph": ("#morph-options",),
    "Create": ("#generate-more",),
    "About": ("#figures",),
}
"""What is folded away at first."""
OPEN = re.compile(r"(^|\s)open(\s|$)")
PANELS = {
    "Edit": "#tab-edit",
    "Morph": "#tab-morph",
    "Create": "#tab-generate",
    "Inside the model": "#tab-latent",
    "About": "#tab-about",
}
COLOUR_RULES = ["color-contrast", "link-in-text-block"]
PHONE_PX = 390
FADE_MS = 400
"""Boxes unfold, toasts fade in."""
GRADIOS_OWN = {"image-redundant-alt": "footer img", "nested-interactive": ".toast-header, button[aria-label='common.upload']"}
"""Rules that Gradio's own parts break, and which parts: the icon beside "Settings" bears the same word, a toast that can be
clicked away holds a button to close it, and the button that adds to the files of a list is two in one. None of them can be
reached from an app. The same rules hold for everything else."""

# From the package's own folder: no test asks the network for it.
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
FIND_VIOLATIONS = """async ([place, rules, allowed]) => {
    const found = await axe.run(place, { resultTypes: ["violations"], preload: false, iframes: false, ...(rules && { runOnly: rules }) });
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


def violations(page, place: str, part: str, rules: list[str] | None = None) -> set[str]:
    """What axe-core finds in a part of the page as it is, but for what is Gradio's own."""
    return {f"{place}: {found}" for found in page.evaluate(FIND_VIOLATIONS, [part, rules, GRADIOS_OWN])}


def test_axe_finds_nothing_but_gradios_own(page, text_file):
    """By all rules in light: the whole page once, and each tab. In dark, where nothing else differs, by those about colours."""
    found = set()
    page.evaluate(AXE)
    # Colours are judged, not how they fade.
    style = page.add_style_tag(content="*, ::before, ::after { transition: none !important; }")
    show(page, "Edit")
    page.locator("#own-with input[type=file]").set_input_files(text_file)  # a list of files is another part than the empty one
    page.locator("#own-with a").first.wait_for()
    for tab, panel in PANELS.items():
        show(page, tab)
        found |= violations(page, tab, "html" if tab == "About" else panel)
    show(page, "Edit")
    page.locator("#reframe").click()
    page.locator(".frame-layer .frame").wait_for()
    found |= violations(page, "Reframe", "#tab-edit")
    page.locator("#frame .done").click()
    at_rest(page)
    for colours in ("light", "dark"):
        page.emulate_media(color_scheme=colours)
        page.wait_for_function("dark => document.body.classList.contains('dark') === dark", arg=colours == "dark")
        page.locator("#guide").click()  # without a wish; the toast goes by itself
        page.get_by_test_id("toast-body").wait_for()
        page.wait_for_timeout(FADE_MS)
        found |= violations(page, f"Edit's toast, {colours}", ".toast-body", COLOUR_RULES)
        close_toast(page)
    for tab, panel in PANELS.items():
        page.get_by_role("tab", name=tab).click()
        page.wait_for_timeout(FADE_MS)
        found |= violations(page, f"{tab}, dark", panel, COLOUR_RULES)
    page.emulate_media(color_scheme="light")
    page.locator("#own-with button[aria-label=Clear]").dispatch_event("click")  # on a tab that is out of sight
    style.evaluate("style => style.remove()")
    assert not found, "\n".join(sorted(found))


def test_every_tab_is_used_on_a_phone(visit):
    """No tab scrolls sideways, whatever is open in it, and what a finger is busy with stays in sight."""
    page = visit(width=PHONE_PX, height=844)

    def fits(what: str) -> None:
        at_rest(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE_PX, what

    fits("the first visit")
    expect(page.locator("footer .divider").first).to_be_hidden()  # the link before it is
    looks = page.locator("#goal-makeup").bounding_box()
    assert looks["y"] + looks["height"] <= page.viewport_size["height"]  # the first change takes no scrolling
    page.locator("#show input[value=Edited]").check(force=True)
    page.locator("#result img").wait_for()
    assert page.locator("#result").bounding_box()["y"] < page.locator("#slider-smiling").bounding_box()["y"]
    open_folds(page)
    page.locator("#slider-eyeglasses").scroll_into_view_if_needed()
    expect(page.locator("#result img")).to_be_in_viewport()
    first = source(page)
    drag(page, "#slider-eyeglasses", 0.3)
    wait_for_change(page, first)
    show(page, "Edit")
    fits("Edit")
    page.locator("#goal-red_hair").click()
    expect(page.locator("#look-amount")).to_be_visible()
    choose(page, "#locks", "Masculine", "Makeup", "Hair colour")
    page.locator("#own-add").click()
    expect(page.locator("#slider-own-1")).to_be_visible()
    fits("Edit with locks and a slider of one's own")

    show(page, "Morph")
    for count in (3, 4):
        page.locator("#morph-examples [data-index]").nth(count).click()
        expect(page.locator("#keys [data-index]")).to_have_count(count)
    page.locator("#repeat input[value=round]").check(force=True)
    fits("Morph")
    page.locator("#export").scroll_into_view_if_needed()
    expect(page.locator("#export")).to_be_in_viewport()

    show(page, "Create")
    fits("Create")
    page.locator("#faces button").nth(9).scroll_into_view_if_needed()
    page.locator("#faces button").nth(9).click()
    expect(page.locator("#generate-status")).to_contain_text("Face 55. This person does not exist.")
    for place in ("#neighbours", "#generate-stop"):
        expect(page.locator(place)).to_be_in_viewport()
    page.locator("#neighbours").click()
    expect(page.locator("#faces img")).to_have_count(9)
    expect(page.locator("#generate-back")).to_be_in_viewport()
    fits("Create, neighbours")

    show(page, "Inside the model")
    fits("Inside the model")
    page.locator("#latent-map svg").scroll_into_view_if_needed()
    box = page.locator("#latent-map svg").bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= PHONE_PX
    first = page.locator("#latent-face img").get_attribute("src")
    page.mouse.click(box["x"] + 0.3 * box["width"], box["y"] + 0.5 * box["height"])
    expect(page.locator("#latent-face img")).not_to_have_attribute("src", first)
    show(page, "About")
    fits("About")
