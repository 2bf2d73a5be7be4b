"""facevae generate: new faces from seeds, as one sheet or as a file each."""

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facevae.checkpoint.metadata import Summary
from facevae.cli.files import check_suffix, is_folder, write_result
from facevae.cli.flags import Parser, add_choice, add_general, add_number, add_overwrite
from facevae.cli.names import read_wanted
from facevae.cli.rows import Row, RowPrinter, error_sentence
from facevae.cli.sources import MARK, STDIO
from facevae.cli.streams import check_stdout, write_stdout
from facevae.files import tidy_name
from facevae.settings import COLUMNS, COUNT, NEAR_COLUMNS, PRIOR, RADIUS, SEED, TEMPERATURE, Number

if TYPE_CHECKING:
    from facevae.editor import Editor, Face

MOST = 1000
"""Faces of a sheet; a folder takes as many."""
LAST_SEED = int(SEED.high)
AT_ONCE = 16
FIRST_DEPTH = 1
"""Of the page's first sheet of neighbours; it seeds their noise."""


def read_generate(args: Sequence[str], known: Summary) -> Any:
    """facevae generate"""
    parser = Parser(
        "facevae generate",
        "Draw new faces by their seeds: a sheet, or a file each where -o is a folder. The same seed is the same face.",
        "",
    )
    seeds = '"7", "0-63", "3,5,8-10", or "100-" for 100 and on without poor draws, as on the page; "1-" without this flag'
    parser.add_argument("--seeds", default="1-", help=seeds)
    one = f"; all of --seeds without this flag, {COUNT.default:g} where they have no end"
    add_number(parser, Number("count", COUNT.label, 1, MOST, COUNT.default, 1, COUNT.about), None, f"{COUNT.about}{one}")
    add_number(parser, TEMPERATURE, TEMPERATURE.default)
    add_choice(parser, PRIOR)
    wishes = parser.add_argument_group("only faces")
    wishes.add_argument(
        "--with", dest="with_it", nargs="+", action="extend", default=[], metavar="NAME", help="in which the classifier sees this"
    )
    wishes.add_argument("--without", nargs="+", action="extend", default=[], metavar="NAME", help="in which it does not")
    near = parser.add_argument_group("neighbours")
    add_number(near, Number("near", "", 1, 35, 8, 1, "so many faces near the first one, which is in their middle"), None)
    add_number(near, RADIUS, RADIUS.default)
    files = parser.add_argument_group("files")
    files.add_argument(
        "-o", "--output", metavar="OUT", help="a PNG, a folder, or - for standard output; without it, faces-1-to-12-facevae.png here"
    )
    add_number(
        files,
        Number("columns", "", 1, 32, COLUMNS, 1, f"faces side by side; {COLUMNS}, and {NEAR_COLUMNS} of neighbours, without this flag"),
        None,
    )
    add_overwrite(files)
    add_general(parser)
    flags = parser.read(args)
    runs = seeds_of(flags.seeds)
    wanted = read_wanted(flags.with_it, flags.without, known.attributes)
    to_folder = flags.output not in (None, STDIO) and is_folder(flags.output)
    if flags.output == STDIO:
        check_stdout(flags.json)
    if flags.output not in (None, STDIO) and not to_folder:
        check_suffix(Path(flags.output), ".png")
    return lambda: run(flags, runs, wanted, to_folder)


def seeds_of(text: str) -> list[range]:
    """Runs of seeds; the last may have no end. `ValueError` where the text cannot be read."""
    runs = []
    parts = text.replace(" ", "").split(",")
    for at, part in enumerate(parts, start=1):
        match = re.fullmatch(r"(\d{1,10})(-(\d{0,10}))?", part)
        if match is None:
            raise ValueError(f'{part!r} is no row of seeds: "7", "0-63", "3,5,8-10" and "100-" are')
        first = int(match[1])
        last = first if match[2] is None else int(match[3]) if match[3] else LAST_SEED
        if not first <= last <= LAST_SEED or (match[2] == "-" and at < len(parts)):
            raise ValueError(
                f"{part!r} is no row of seeds: they go from 0 to {LAST_SEED}, the smaller one first, without an end only in the end"
            )
        runs.append(range(first, last + 1))
    return runs


def run(flags: argparse.Namespace, runs: list[range], wanted: dict[str, bool], to_folder: bool) -> int:
    """Draw, and write a sheet or a file each."""
    from facevae.editor import Editor
    from facevae.editor.contact_sheet import save_sheet

    printer = RowPrinter(flags.json, flags.output != STDIO)
    editor = Editor(flags.checkpoint, flags.revision)
    try:
        faces, tried = draw(editor, flags, runs, wanted)
        if not faces:
            raise ValueError(f"none of {tried} faces is as they were asked for: ask for less, or try other seeds")
        columns, kept = flags.columns or COLUMNS, wanted
        if flags.near is not None:
            faces, columns, kept = with_neighbours(editor, faces[0], flags.near, flags.radius), flags.columns or NEAR_COLUMNS, {}
        if to_folder:
            for face in faces:
                printer.add(to_file(editor, face, Path(flags.output), flags.overwrite))
            return printer.end()
        content = editor.save(faces[0])[0] if len(faces) == 1 else save_sheet(editor, faces, columns, kept)
        if flags.output == STDIO:
            write_stdout(content)
        else:
            write_result(target := Path(flags.output or default_file_name(faces, flags.near)), content, flags.overwrite)
    except (ValueError, OSError) as error:
        printer.add(Row(f"seeds {flags.seeds}", "failed", message=error_sentence(error)))
        return printer.end()
    searched = f" of {tried} tried" if wanted else ""
    message = f"{len(faces)} {'face' if len(faces) == 1 else 'faces'}{searched}, {len(content) / 1000:,.0f} kB."
    output = STDIO if flags.output == STDIO else str(target)
    about = {"tried": tried, "faces": [face_values(face) for face in faces]}
    printer.add(Row(f"seeds {flags.seeds}", "done", output, message, about=about))
    return printer.end()


def to_file(editor: "Editor", face: "Face", folder: Path, overwrite: bool) -> Row:
    """One face as a file of its own; what is in the way of one stops no other."""
    content, suffix = editor.save(face)
    target = folder / f"{tidy_name(face.name)}{MARK}{suffix}"
    try:
        write_result(target, content, overwrite)
    except (ValueError, OSError) as error:
        return Row(face.name, "failed", message=error_sentence(error), about=face_values(face))
    return Row(face.name, "done", str(target), about=face_values(face))


def draw(editor: "Editor", flags: argparse.Namespace, runs: list[range], wanted: dict[str, bool]) -> "tuple[list[Face], int]":
    """The first `count` of the seeds whose faces are as they are asked for, and how many were tried."""
    from tqdm import tqdm

    from facevae.editor.generation import MAX_TRIES

    endless = runs[-1].stop > LAST_SEED
    count = flags.count or (COUNT.default if endless else sum(map(len, runs)))
    if count > MOST:
        raise ValueError(f"{count} faces are asked for; {MOST} fit on a sheet")
    found: list[Face] = []
    tried = 0
    with tqdm(total=count, unit="face", file=sys.stderr, disable=None, leave=False) as bar:
        for seeds in runs:
            if endless and wanted and seeds is runs[-1]:
                seeds = seeds[:MAX_TRIES]
            as_on_page = bool(wanted) or (endless and seeds is runs[-1])
            for new, tries in blocks(editor, flags, seeds, wanted, count - len(found), as_on_page):
                found += new
                tried += tries
                bar.update(len(new))
    return found, tried


def blocks(
    editor: "Editor", flags: argparse.Namespace, seeds: range, wanted: dict[str, bool], count: int, as_on_page: bool
) -> "Iterator[tuple[list[Face], int]]":
    """Faces of a run of seeds, some at a time, each with how many were tried for them; `as_on_page` leaves poor draws out."""
    while seeds and count > 0:
        size = min(AT_ONCE, count, len(seeds))
        if as_on_page:
            *_, last = editor.search(wanted, seeds[0], size, flags.temperature, flags.prior, len(seeds))
            faces, tried = list(last.faces), last.tried
        else:
            faces, tried = editor.generate(seeds[:size], flags.temperature, flags.prior), size
        yield faces, tried
        seeds, count = seeds[tried:], count - len(faces)


def with_neighbours(editor: "Editor", face: "Face", count: int, radius: float) -> "list[Face]":
    """A face among its neighbours, in their middle, as on the page's first sheet of them."""
    near = editor.neighbours(face, range(count), radius, FIRST_DEPTH)
    return [*near[: count // 2], face, *near[count // 2 :]]


def default_file_name(faces: "Sequence[Face]", near: int | None) -> str:
    """What the file is called, as on the page."""
    if len(faces) == 1:
        return f"{tidy_name(faces[0].name)}{MARK}.png"
    if near is not None:
        return f"{tidy_name(faces[len(faces) // 2].name)}-neighbours{MARK}.png"
    return f"faces-{faces[0].seed}-to-{faces[-1].seed}{MARK}.png"


def face_values(face: "Face") -> dict[str, Any]:
    """A drawn face for machines."""
    return {"name": face.name} | ({"seed": face.seed} if face.seed is not None else {})
