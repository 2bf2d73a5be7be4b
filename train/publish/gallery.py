"""Gallery: every look and both ends of every slider on each photo; a table of verdicts."""

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from facevae.editor import Editor, Face
from facevae.editor.hair import NoHairError
from facevae.files import write_atomic
from train.vae.sample_sheets import caption

CELL_PX = 512
COLUMNS = 4
DRAWN_SEEDS = (5, 12, 23, 30)
VERDICTS = ("yes", "arguable", "no")
QUESTION = "Would you send this to a friend?"
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".heic")


def draw_gallery(editor: Editor, photos: Sequence[Path], out: Path) -> Path:
    """A sheet of looks and one of sliders for each photo and each of `DRAWN_SEEDS`, at `CELL_PX`; gives the list of verdicts to fill in.

    `verdicts.csv` has a line for each look on each photo; what it holds already is kept. `tally` counts it.
    """
    out.mkdir(parents=True, exist_ok=True)
    faces = [editor.open_photo(path) for path in photos] + editor.generate(DRAWN_SEEDS, temperature=0.7)
    for face in faces:
        if face.photo is not None:
            face = list(editor.refine(face))[-1].face
        for kind, cells in (("looks", looks(editor, face)), ("sliders", sliders(editor, face))):
            path, pixels = out / f"{face.name}-{kind}.jpg", sheet([("as it is", around(face, whole(face))), *cells])
            write_atomic(path, lambda p, pixels=pixels: Image.fromarray(pixels).save(p, format="JPEG", quality=92))
            print(path, flush=True)
    return write_verdicts(out / "verdicts.csv", [face.name for face in faces], [goal.name for goal in editor.goals])


def looks(editor: Editor, face: Face) -> Iterator[tuple[str, UInt8[np.ndarray, "h w 3"]]]:
    """Each "Make it …" button, with what the classifier and the judge see; a face without hair has no hair colours."""
    for goal in editor.goals:
        try:
            *_, last = editor.guide(face, goal.wanted)
        except NoHairError:
            continue
        judged = editor.report(face, {}, last.face, goal.wanted).judge
        seen = f", judge {min(p if goal.wanted[name] else 1 - p for name, p in judged.items()):.0%}" if judged else ""
        yield f"{goal.name}: guide {last.probability:.0%}{seen}", around(face, whole(editor.edit(last.face)))


def sliders(editor: Editor, face: Face) -> Iterator[tuple[str, UInt8[np.ndarray, "h w 3"]]]:
    """Both ends of each slider's measured range."""
    for control in editor.controls:
        for end in control.safe_strengths:
            yield f"{control.name} {end:+.1f}", around(face, whole(editor.edit(face, {control.name: end})))


def whole(face: Face) -> UInt8[np.ndarray, "h w 3"]:
    """The photo with the face in it, or the face alone where it has no photo."""
    return face.crop if face.photo is None else face.photo


def around(face: Face, picture: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "s s 3"]:
    """The square of the picture around the face, at most `CELL_PX`: larger faces are shrunk, smaller ones stay at 100 % or are enlarged."""
    if face.photo is not None and face.alignment is not None:
        side = min(max(CELL_PX, round(face.alignment.side_px * 1.3)), *picture.shape[:2])
        middle = face.alignment.corners_px.mean(axis=0)
        left, top = (int(np.clip(c - side / 2, 0, n - side)) for c, n in zip(middle, picture.shape[1::-1], strict=True))
        picture = picture[top : top + side, left : left + side]
    way = Image.Resampling.LANCZOS if len(picture) > CELL_PX else Image.Resampling.BICUBIC
    return np.asarray(Image.fromarray(picture).resize((CELL_PX, CELL_PX), way))


def sheet(cells: Sequence[tuple[str, UInt8[np.ndarray, "s s 3"]]]) -> UInt8[np.ndarray, "h w 3"]:
    """Pictures under their titles, `COLUMNS` in a row."""
    drawn = [np.concatenate([caption(title, CELL_PX, 26), picture]) for title, picture in cells]
    drawn += [np.full_like(drawn[0], 255)] * (-len(drawn) % COLUMNS)
    return np.concatenate([np.concatenate(drawn[k : k + COLUMNS], axis=1) for k in range(0, len(drawn), COLUMNS)])


def write_verdicts(path: Path, photos: Sequence[str], looks: Sequence[str]) -> Path:
    """The list to fill in: photo, look, verdict (one of `VERDICTS`). Verdicts that are there stay."""
    there = {(photo, look): verdict for photo, look, verdict in read_verdicts(path)} if path.is_file() else {}

    def write(temporary: Path) -> None:
        with temporary.open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["photo", "look", QUESTION])
            rows.writerows([photo, look, there.get((photo, look), "")] for photo in photos for look in looks)

    write_atomic(path, write)
    return path


def read_verdicts(path: Path) -> list[tuple[str, str, str]]:
    """Photo, look and verdict of each line; `ValueError` names a verdict that is none."""
    with path.open(newline="") as file:
        rows = [tuple(cell.strip() for cell in row) for row in csv.reader(file)][1:]
    for number, row in enumerate(rows, 2):
        if len(row) != 3 or row[2] not in ("", *VERDICTS):
            raise ValueError(f"{path}, line {number}: a line is photo, look and one of {', '.join(VERDICTS)}")
    return [(photo, look, verdict) for photo, look, verdict in rows]


def tally(path: Path) -> str:
    """The gallery's table as Markdown: look × yes, arguable, no."""
    counts: dict[str, Counter[str]] = {}
    for _, look, verdict in read_verdicts(path):
        counts.setdefault(look, Counter())[verdict] += 1
    counts["all"] = sum(counts.values(), Counter())
    lines = [f"| look | {' | '.join(VERDICTS)} | {QUESTION} |", "| --- |" + " --: |" * (len(VERDICTS) + 1)]
    for look, count in counts.items():
        judged = sum(count[verdict] for verdict in VERDICTS)
        share = f"{count['yes'] / judged:.0%}" if judged else "–"
        lines.append(f"| {look} | {' | '.join(str(count[verdict]) for verdict in VERDICTS)} | {share} |")
    return "\n".join(lines)


def photos_of(folder: Path) -> list[Path]:
    """The pictures of a folder, by name; `ValueError` where there is none."""
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES) if folder.is_dir() else []
    if not found:
        raise ValueError(f"there is no photo in {folder}")
    return found
