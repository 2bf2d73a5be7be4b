"""Draw the documents' figures: drawn faces, the astronaut, screenshots; never CelebA."""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from facevae.attributes import PUT_ON
from facevae.editor import Editor, Face
from facevae.files import ASSETS, ROOT, write_atomic
from train.data.prepared import list_celeba
from train.publish.card import write_numbers
from train.publish.edit_figures import ends_sheet, matrix_figure
from train.publish.milestones import PAGE, write_milestones
from train.publish.served_page import APP, checkpoint_flags, served
from train.vae.sample_sheets import caption, tile

ASTRONAUT = ASSETS / "examples" / "astronaut.jpg"
SEEDS = tuple(range(32))
EDITED_SEEDS = (5, 7, 23)
ENDS_SEEDS = (0, 3, 5, 7, 11, 23, 26, 30)
SHOWN_SHARE = 0.6  # of the slider's range: what people use; the end is where nearly every face has changed
MORPH_SEED, MORPH_FRAMES, MORPH_PX = 9, 7, 176
SHOWN_EDITS = ("Smiling", "Blond_Hair", "Black_Hair", "Bangs", "Eyeglasses", "Male", "Young", "Mustache", "Gray_Hair")
GOALS_IN_PHOTO = ("blond", "red_hair", "gray_hair", "makeup")
CELL_PX = 128
GOAL_COLUMNS = 5
WAY_STEPS = (-0.9, -0.45, 0.35, 0.7)  # of the slider's ends
WAY_DETAILS = (0.0, 0.25, 0.5, 0.75, 1.0)
WAY_CELL_PX = 256
PRIVATE_EDITS = (
    ("Smiling", 0.8),
    ("Smiling", -1.0),
    ("Eyeglasses", 0.8),
    ("Blond_Hair", 0.7),
    ("Bangs", 0.8),
    ("Young", -0.7),
    ("Mustache", 0.8),
)
CHROMIUM_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


TABS = {
    "morph": ("Morph", "#strip img", 900),
    "generate": ("Create", "#faces img", 900),
    "latent": ("Inside the model", "#latent-sheet img", 1600),
}
"""What each of these tabs is called, which picture says that it is there, and how high a screenshot of it is, in pixels."""


def draw_figures(checkpoint: Path | None, out: Path, page: bool = True) -> None:
    """Write samples, edits, photo, morph and, where Chromium is at hand, pictures of the page to `out`.

    For the embedded checkpoint also the tables in README.md and docs/milestones.md.
    """
    editor = Editor(checkpoint)
    if checkpoint is None:
        write_numbers(ROOT / "README.md", editor.checkpoint)
        write_milestones(PAGE, editor.evaluation)
    out.mkdir(parents=True, exist_ok=True)
    faces = editor.generate(SEEDS, temperature=0.7)
    save(out / "samples.png", tile(np.stack([f.crop for f in faces]), columns=8))
    save(out / "morph.jpg", morph_strip(editor, editor.open_photo(ASTRONAUT), *editor.generate([MORPH_SEED], temperature=0.7)))
    save(out / "edits.png", edit_sheet(editor, [editor.open_photo(ASTRONAUT), *editor.generate(EDITED_SEEDS, temperature=0.7)]))
    save(out / "ends.png", ends_sheet(editor, editor.generate(ENDS_SEEDS, temperature=0.7)))
    if set(editor.evaluation.get("edits", {}).get("matrix", {})) - {"shipped", "straight"}:  # estimators to compare
        figure = matrix_figure(editor.evaluation["edits"])
        write_atomic(out / "matrix.png", lambda p: figure.savefig(p, format="png", dpi=110))
    save(out / "photo.jpg", photo_sheet(editor, editor.open_photo(ASTRONAUT)))
    save(out / "goals.jpg", goals_sheet(editor, editor.open_photo(ASTRONAUT)))
    save(out / "way.jpg", way_sheet(editor, editor.open_photo(ASTRONAUT)))
    if page:
        shoot_pages(checkpoint, out)


def save(path: Path, pixels: UInt8[np.ndarray, "h w c"]) -> None:
    """PNG or JPEG by the path's ending, atomically."""
    write_atomic(path, lambda p: Image.fromarray(pixels).save(p, format="JPEG" if path.suffix == ".jpg" else "PNG", quality=90))
    print(path)


def morph_strip(editor: Editor, a: Face, b: Face) -> UInt8[np.ndarray, "h w 3"]:
    """`MORPH_FRAMES` crops on the way from one face to another, both included."""
    frames = editor.morph(a, b, np.linspace(0, 1, MORPH_FRAMES).tolist())
    cells = [np.asarray(Image.fromarray(frame).resize((MORPH_PX, MORPH_PX), Image.Resampling.LANCZOS)) for frame in frames]
    return tile(np.stack(cells), columns=MORPH_FRAMES)


def edit_sheet(editor: Editor, faces: list[Face]) -> UInt8[np.ndarray, "h w 3"]:
    """A row for each face: as it is, then each attribute alone at `SHOWN_SHARE` of its slider, in the crop."""
    controls = [c for name in SHOWN_EDITS for c in editor.controls if c.name == name]
    titles = ["as it is"] + [("Older" if c.name == "Young" else c.label.partition(" ↔ ")[0]) for c in controls]
    rows = [np.concatenate([caption(t, CELL_PX + 2) for t in titles], axis=1)]
    for face in faces:
        cells = [face.crop]
        for control in controls:
            direction = editor.checkpoint.directions[control.name]
            strength = SHOWN_SHARE * (direction.low if control.name == "Young" else direction.high)
            cells.append(editor.edit(face, {control.name: strength}).crop)
        strip = tile(np.stack(cells), columns=len(cells))
        rows.append(np.pad(strip, ((0, 2), (0, 2), (0, 0)), constant_values=255))
    return np.concatenate(rows)


def photo_sheet(editor: Editor, face: Face) -> UInt8[np.ndarray, "h w 3"]:
    """The photo, and the same photo after some of the "Make it …" buttons."""
    columns = [np.concatenate([caption("photo", face.photo.shape[1], 28), face.photo])]
    for goal in editor.goals:
        if goal.name in GOALS_IN_PHOTO:
            last = list(editor.guide(face, goal.wanted))[-1]
            columns.append(np.concatenate([caption(goal.label.lower(), face.photo.shape[1], 28), editor.edit(last.face).photo]))
    sheet = np.concatenate(columns, axis=1)
    return np.asarray(Image.fromarray(sheet).resize((1600, round(sheet.shape[0] * 1600 / sheet.shape[1])), Image.Resampling.LANCZOS))


def goals_sheet(editor: Editor, face: Face) -> UInt8[np.ndarray, "h w 3"]:
    """The photo around the face, as it is and after each of the "Make it …" buttons."""
    cells = [("as it is", head(face, face.photo))]
    for goal in editor.goals:
        *_, last = editor.guide(face, goal.wanted)
        seen = "" if last.reason == PUT_ON else f", guide {last.probability:.0%}"
        cells.append((goal.label.lower() + seen, head(face, editor.edit(last.face).photo)))
    pictures = [labelled(cell) for cell in cells] + [blank()] * (-len(cells) % GOAL_COLUMNS)
    rows = [np.concatenate(pictures[k : k + GOAL_COLUMNS], axis=1) for k in range(0, len(pictures), GOAL_COLUMNS)]
    return np.concatenate(rows)


def way_sheet(editor: Editor, face: Face) -> UInt8[np.ndarray, "h w 3"]:
    """The way of a photo: in, refined, edited in the crop and in the photo at several strengths, at several photo details.

    The photo is shown at 100 %, in a window of 256 px around the face.
    """
    steps = list(editor.refine(face))
    refined = steps[-1].face
    first = [("photo, 100 %", head(face, face.photo)), ("crop", face.crop), (f"encoded, {steps[0].psnr_db:.1f} dB", as_decoded(face))]
    rows = [[*first, (f"refined, {steps[-1].psnr_db:.1f} dB", as_decoded(refined))]]
    for attribute in ("Smiling", "Blond_Hair"):
        direction = editor.checkpoint.directions[attribute]
        edits = [(share * (direction.high if share > 0 else -direction.low)) for share in WAY_STEPS]
        results = [(f"{attribute.replace('_', ' ').lower()} {s:+.1f}", editor.edit(refined, {attribute: s})) for s in edits]
        rows += [[(f"{title}, crop", r.crop) for title, r in results], [(f"{title}, photo", head(face, r.photo)) for title, r in results]]
    older = {"Young": WAY_STEPS[0] * -editor.checkpoint.directions["Young"].low}
    rows += [[(f"photo detail {d:g}", head(face, editor.edit(refined, older, detail=d).photo)) for d in WAY_DETAILS]]
    width = max(len(row) for row in rows)
    return np.concatenate([np.concatenate([labelled(cell) for cell in row] + [blank()] * (width - len(row)), axis=1) for row in rows])


def labelled(cell: tuple[str, UInt8[np.ndarray, "h w 3"]]) -> UInt8[np.ndarray, "h2 w2 3"]:
    """A picture at `WAY_CELL_PX` under its title."""
    picture = Image.fromarray(cell[1]).resize((WAY_CELL_PX, WAY_CELL_PX), Image.Resampling.BICUBIC)
    return np.pad(np.concatenate([caption(cell[0], WAY_CELL_PX), np.asarray(picture)]), ((0, 4), (0, 4), (0, 0)), constant_values=255)


def blank() -> UInt8[np.ndarray, "h w 3"]:
    """An empty place in a sheet of `labelled` pictures."""
    return np.full((WAY_CELL_PX + 24, WAY_CELL_PX + 4, 3), 255, np.uint8)


def as_decoded(face: Face) -> UInt8[np.ndarray, "s s 3"]:
    """G(latent)."""
    return np.rint(np.moveaxis(face.start, 0, 2) * 255).astype(np.uint8)


def head(face: Face, photo: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "s s 3"]:
    """A window of `WAY_CELL_PX` of the photo around the face, or more where the face is larger."""
    side = min(max(WAY_CELL_PX, round(face.alignment.side_px * 1.15)), *photo.shape[:2])
    left, top = (
        int(np.clip(c - side / 2, 0, length - side))
        for c, length in zip(face.alignment.corners_px.mean(axis=0), photo.shape[1::-1], strict=True)
    )
    return photo[top : top + side, left : left + side]


def private_sheets(editor: Editor, celeba: Path, out: Path, faces: int = 40) -> None:
    """Edits of CelebA's test faces in their own frames, to be looked at and never to be published: `out` stays out of git."""
    listing = list_celeba(celeba)
    out.mkdir(parents=True, exist_ok=True)
    members = np.random.default_rng(3).permutation(np.flatnonzero(listing.split == 2))[:faces]
    ranges = editor.checkpoint.directions
    edits = [(n, share * (ranges[n].high if share > 0 else -ranges[n].low)) for n, share in PRIVATE_EDITS if n in ranges]
    for number, part in enumerate(np.array_split(members, -(-len(members) // 5))):
        rows = []
        for member in part:
            *_, last = editor.refine(editor.open_photo(listing.files[member]))
            rows.append(np.concatenate([last.face.photo, *(editor.edit(last.face, {n: s}).photo for n, s in edits)], axis=1))
        save(out / f"photos-{number}.png", np.concatenate(rows))


def shoot_pages(checkpoint: Path | None, out: Path) -> None:
    """Screenshots of app.py in Chromium: the Edit tab, wide and on a phone, and the tabs of `TABS`; prints why where there is none."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        print(f"{out}/page*.png left as they are: playwright is not installed (pip install '.[test]')")
        return
    shots = [("page", 1280, 900, "edit"), ("page-phone", 390, 844, "edit")]
    shots += [(f"page-{tab}", 1280, height, tab) for tab, (_, _, height) in TABS.items()]
    with served(APP, *checkpoint_flags(checkpoint)) as server, sync_playwright() as play:
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM_FLAGS)
        for name, width, height, tab in shots:
            page = browser.new_page(viewport={"width": width, "height": height})
            open_tab(page, server.url, tab)
            page.screenshot(path=out / f"{name}.png")
            page.close()
            print(out / f"{name}.png")
        browser.close()


def open_tab(page: Any, url: str, tab: str) -> None:
    """Visit the page and wait for the pictures of a tab; "edit" stays as a first visit shows it."""
    page.goto(url)
    page.locator(":is(#result, #slide) img").first.wait_for(timeout=60_000)  # the first visit opens the example
    page.wait_for_timeout(2000)
    if tab != "edit":
        name, picture, _ = TABS[tab]
        page.get_by_role("tab", name=name).click()
        page.locator(picture).first.wait_for(timeout=60_000)
    page.wait_for_timeout(3000)
    page.evaluate("window.scrollTo(0, 0)")
