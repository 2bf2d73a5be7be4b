"""facevae morph: interpolation through two to six faces, as a film or one face."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facevae.checkpoint.metadata import Summary
from facevae.cli.files import check_suffix, is_folder, write_result
from facevae.cli.flags import Parser, add_choice, add_general, add_number, add_overwrite, groups_of
from facevae.cli.rows import Row, RowPrinter, error_sentence
from facevae.cli.sources import STDIO
from facevae.cli.streams import check_stdout, read_stdin, write_stdout
from facevae.files import paired_name
from facevae.photo.animation import film_formats
from facevae.photo.validation import address_sentence
from facevae.settings import DURATION_MS, FRAMES, PATH, POSITION, REPEAT, WHERE
from facevae.version import __version__

if TYPE_CHECKING:
    from facevae.editor import Editor, Face
    from facevae.editor.morph_types import MorphPath

LEAST, MOST = 2, 6


def read_morph(args: Sequence[str], known: Summary) -> Any:
    """facevae morph"""
    parser = Parser(
        "facevae morph",
        "A film of the way through two to six faces, or one face on the way. A recipe (JSON) of a face that the model drew stands for it.",
        "PHOTO PHOTO …",
    )
    parser.add_argument(
        "photos", nargs="+", metavar="PHOTO", help="two to six photos (the largest face of each) or recipes; - is standard input"
    )
    way = parser.add_argument_group("the way")
    for choice in (PATH, REPEAT, WHERE):
        add_choice(way, choice)
    way.add_argument("--smooth", action=argparse.BooleanOptionalAction, default=False, help="slow down at each face")
    groups = ", ".join(dict.fromkeys(control.group for control in known.controls))
    way.add_argument(
        "--parts", nargs="+", action="extend", default=[], metavar="GROUP", help=f"what travels, all of the face without it: {groups}"
    )
    film = parser.add_argument_group("the film")
    add_number(film, FRAMES, FRAMES.default)
    add_number(film, DURATION_MS, DURATION_MS.default)
    add_number(film, POSITION, None, f"no film, but the face there, as PNG; {POSITION.about}")
    film.add_argument("--format", choices=("gif", "webp", "mp4"), help="else what the name after -o says, else gif")
    film.add_argument(
        "-o", "--output", metavar="OUT", help="a file, a folder, or - for standard output; without it, a-to-b.gif beside a.jpg"
    )
    add_overwrite(film)
    add_general(parser)
    flags = parser.read(args)
    if not LEAST <= len(flags.photos) <= MOST:
        raise ValueError(f"a morph goes through {LEAST} to {MOST} faces, not {len(flags.photos)}")
    if flags.photos.count(STDIO) > 1:
        raise ValueError("standard input can be read only once")
    suffix, target = suffix_of(flags), target_of(flags)
    if target is None:
        check_stdout(flags.json)
    if target is not None and not flags.overwrite and target.resolve() in {Path(p).resolve() for p in flags.photos if p != STDIO}:
        raise ValueError(f"{target} would be written over itself: give another name after -o")
    if target is not None:
        check_suffix(target, suffix)
    parts = groups_of(flags.parts, known)
    return lambda: run(flags, parts, suffix, target)


def suffix_of(flags: argparse.Namespace) -> str:
    """What is written, by --position, --format or the name after -o."""
    if flags.position is not None:
        if flags.format is not None:
            raise ValueError("one face on the way is a PNG: --position and --format exclude each other")
        return ".png"
    named = Path(flags.output or "").suffix.lower()[1:]
    form = flags.format or (named if named in ("gif", "webp", "mp4") else "gif")
    if form not in film_formats():
        raise ValueError('MP4 needs PyAV: pip install "facevae[video]"')
    return f".{form}"


def target_of(flags: argparse.Namespace) -> Path | None:
    """Where it goes, named as the page names it; None for standard output."""
    first, last = ("stdin" if name == STDIO else Path(name).stem for name in (flags.photos[0], flags.photos[-1]))
    name = f"{paired_name(first, last)}{suffix_of(flags)}"
    if flags.output == STDIO or (flags.output is None and flags.photos[0] == STDIO):
        return None
    if flags.output is None:
        return Path(flags.photos[0]).parent / name
    return Path(flags.output) / name if is_folder(flags.output) else Path(flags.output)


def run(flags: argparse.Namespace, parts: tuple[str, ...], suffix: str, target: Path | None) -> int:
    """Open the faces, draw, write."""
    from facevae.editor import Editor
    from facevae.editor.morph_types import MorphPath

    printer = RowPrinter(flags.json, target is not None)
    editor, shown = Editor(flags.checkpoint, flags.revision), " ".join(flags.photos)
    try:
        faces = [open_face(editor, name) for name in flags.photos]
        way = MorphPath(flags.path, flags.repeat, flags.smooth, parts)
        content, about = still(editor, faces, way, flags) if suffix == ".png" else film(editor, faces, way, flags, suffix[1:])
        if target is None:
            write_stdout(content)
        else:
            write_result(target, content, flags.overwrite)
    except (ValueError, OSError) as error:
        printer.add(Row(shown, "failed", message=error_sentence(error)))
        return printer.end()
    remarks = " ".join(f"{face.name}: {face.message}" for face in faces if face.message)
    size = f"{about['width']} × {about['height']} px, {len(content) / 1000:,.0f} kB"
    length = f"{about['frames']} frames, {about['seconds_long']:.1f} s, " if "frames" in about else ""
    printer.add(Row(shown, "done", str(target or STDIO), f"{length}{size}. {remarks}".strip(), about=about))
    return printer.end()


def open_face(editor: "Editor", name: str) -> "Face":
    """A photo's largest face, as the page's Morph tab opens it; or the face of a recipe that needs no photo, with its edit."""
    from facevae.editor.edit_files import is_json
    from facevae.editor.recipe import recipe_from

    if name == STDIO:
        return editor.open_photo(read_stdin(), name="standard input")
    if sentence := address_sentence(name):
        raise ValueError(sentence)
    if Path(name).is_file() and is_json(Path(name)):
        opened = editor.reopen(recipe_from(Path(name).read_bytes()))
        return (editor.knowing(opened.own) if opened.own else editor).bake(opened.face, opened.strengths, opened.locks)
    return editor.open_photo(name)


def film(editor: "Editor", faces: "Sequence[Face]", way: "MorphPath", flags: argparse.Namespace, form: str) -> tuple[bytes, dict[str, Any]]:
    """The film, with its frames counted on standard error."""
    from tqdm import tqdm

    from facevae.editor.morph_types import FilmConfig

    config, step = FilmConfig(form, flags.frames, flags.duration_ms, flags.where), None
    with tqdm(unit="frame", file=sys.stderr, disable=None, leave=False) as bar:
        for step in editor.morph_film(faces, way, config):
            bar.total = step.frames
            bar.update(step.frame - bar.n)
    assert step is not None
    return step.data, {"width": step.width_px, "height": step.height_px, "frames": step.frames, "seconds_long": step.seconds}


def still(editor: "Editor", faces: "Sequence[Face]", way: "MorphPath", flags: argparse.Namespace) -> tuple[bytes, dict[str, Any]]:
    """One face on the way: of two bare ones the same picture as the API's."""
    from facevae.photo.images import png_bytes

    (picture,) = editor.morph_through(faces, [flags.position], way, flags.where)
    notes = {"Software": f"facevae {__version__}", "Comment": "AI-generated with facevae: a morph"}
    return png_bytes(picture, notes), {"width": picture.shape[1], "height": picture.shape[0]}
