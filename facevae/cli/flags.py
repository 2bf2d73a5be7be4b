"""Flags built from facevae.settings and the checkpoint's sliders, as on the page."""

import argparse
import math
import re
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path

from facevae.attributes import Control
from facevae.checkpoint.metadata import EMBEDDED, Summary, summarize
from facevae.cli.names import flag, one_of
from facevae.settings import CROP, PHOTO_DETAIL, Choice, Number, check_number

SIGNS = (
    "Strengths are in σ of the attribute itself, as in Python and over HTTP: 0 leaves the photo as it is, more is more of what the "
    "flag says. Where the page's slider has two words or runs the other way, its words stand beside the flag: --male 2 is towards "
    "the left of the page's Masculine ↔ feminine, --no-beard 2 takes the beard away."
)
WIDTH = 110
NUMBER = re.compile(r"-(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$")


class Parser(argparse.ArgumentParser):
    """Flags in any spelling, photos before, between or after them, and everything behind `--` a photo, whatever it begins with."""

    def __init__(self, prog: str, about: str, takes: str, more: str = "") -> None:
        """`takes` is what stands behind the command besides flags, `more` what there is to say below them."""
        about, more = (textwrap.fill(text, WIDTH) for text in (about, more))
        usage = f"{prog} {takes} [flags]".replace("  ", " ")
        super().__init__(prog, usage, about, more, allow_abbrev=False, formatter_class=Formatter)

    def read(self, args: Sequence[str]) -> argparse.Namespace:
        """The flags; ends the program with 2 and a sentence where they cannot be read, with 0 for --help."""
        return self.parse_intermixed_args(tidy(args))


class Formatter(argparse.RawDescriptionHelpFormatter):
    """Room for the longest attribute."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=25, width=WIDTH)


def tidy(args: Sequence[str]) -> list[str]:
    """--Blond_Hair becomes --blond-hair, a negative number is tied to its flag, and what follows `--` comes first, as a path."""
    end = args.index("--") if "--" in args else len(args)
    photos = [f"./{name}" if name.startswith("-") and name != "-" else name for name in args[end + 1 :]]
    tidied: list[str] = []
    for arg in args[:end]:
        if NUMBER.match(arg) and tidied and tidied[-1].startswith("--") and "=" not in tidied[-1]:
            tidied[-1] += f"={arg}"
        elif arg.startswith("--"):
            name, equals, value = arg.partition("=")
            tidied.append(name.replace("_", "-").lower() + equals + value)
        else:
            tidied.append(arg)
    return photos + tidied


def checkpoint_of(args: Sequence[str]) -> tuple[str | None, str | None]:
    """--checkpoint and --revision, read before there is a parser: which other flags there are depends on them."""
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    add_checkpoint(first)
    found, _ = first.parse_known_args(tidy(args))
    return found.checkpoint, found.revision


def open_summary(source: str | None, revision: str | None) -> Summary:
    """The summary of the checkpoint that is asked for; one of the Hub is fetched."""
    if source == "":
        raise ValueError("the name of the checkpoint is empty")
    if source is None or Path(source).is_dir():
        return summarize(EMBEDDED if source is None else Path(source))
    from facevae.checkpoint.hub import fetch, source_of

    return summarize(fetch(source_of(source, revision)).folder)


def add_checkpoint(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--checkpoint", metavar="FOLDER", help='a checkpoint folder or "owner/name" on the Hub; without it, the embedded one'
    )
    parser.add_argument("--revision", help="commit, tag or branch of a checkpoint of the Hub")


def add_general(parser: argparse.ArgumentParser) -> None:
    """What every command has."""
    group = parser.add_argument_group("everything else")
    add_checkpoint(group)  # type: ignore[arg-type]
    group.add_argument("--json", action="store_true", help="one JSON object a line on standard output, for machines")


def add_number(parser: argparse._ActionsContainer, setting: Number, default: float | None, about: str = "") -> None:
    """A slider as a flag with its range; `default` None leaves it to the command."""
    unless = f", {default:g} without this flag" if default is not None else ""
    help_text = f"{setting.low:g} to {setting.high:g}{unless}: {about or setting.about}".replace("%", "%%")
    parser.add_argument(flag(setting.name), type=reader(setting), default=default, metavar="N", help=help_text)


def add_choice(parser: argparse._ActionsContainer, setting: Choice) -> None:
    """A few choices as a flag."""
    known = f"{setting.about}; {setting.default} without this flag".replace("%", "%%")
    parser.add_argument(flag(setting.name), type=str.lower, choices=setting.values, default=setting.default, help=known)


def reader(setting: Number) -> Callable[[str], float]:
    """A parser of the setting's values from text."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        try:
            return int(setting.check(value)) if setting.whole else setting.check(value)
        except ValueError:
            kind = "a whole number" if setting.whole else "a number"
            raise argparse.ArgumentTypeError(f"{text!r} is not {kind} from {setting.low:g} to {setting.high:g}") from None

    return read


def as_setting(control: Control) -> Number:
    """A slider of the checkpoint as a setting, in strengths of the attribute itself."""
    low, high = control.strengths
    safe_low, safe_high = control.safe_strengths
    page = f'"{control.label}" on the page{", the other way round there" if control.reversed else ""}'
    about = f"{page}; measured to work from {safe_low:g} to {safe_high:g}"
    return Number(control.name, control.label, low, high, 0.0, control.step, about)


def add_attributes(parser: argparse.ArgumentParser, known: Summary) -> None:
    """A flag for each slider, in the groups of the page."""
    for group in dict.fromkeys(control.group for control in known.controls):
        flags = parser.add_argument_group(f"{group}, in σ")
        for control in known.controls:
            if control.group == group:
                add_number(flags, as_setting(control), None)


def strengths_of(flags: argparse.Namespace, known: Summary) -> dict[str, float]:
    """What the attributes' flags ask for."""
    given = {control.name: getattr(flags, flag(control.name)[2:].replace("-", "_")) for control in known.controls}
    return {name: value for name, value in given.items() if value is not None}


def add_editing(parser: argparse.ArgumentParser, refine: str, detail: float | None = PHOTO_DETAIL.default) -> None:
    """What the page has around the sliders: which face, its crop, the likeness, photo detail.

    `refine` says what is done without that flag, which is None then; `detail` None leaves it to a recipe.
    """
    group = parser.add_argument_group("the face in the photo")
    group.add_argument("--face", type=face_of, metavar="N|all", help="which face, the largest being 0, or all of them, one after the other")
    group.add_argument(
        "--refine", action=argparse.BooleanOptionalAction, help=f"search for a nearer likeness first, as the page does; {refine}"
    )
    add_number(group, PHOTO_DETAIL, detail)
    group.add_argument("--at", type=place_of, metavar="X,Y", help="the face at this place, in pixels of the upright photo")
    for setting in CROP:
        add_number(group, setting, setting.default)


def add_locks(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--lock", nargs="+", action="extend", default=[], metavar="NAME", help="attributes to hold as they are, whatever else moves"
    )


def add_output(parser: argparse.ArgumentParser) -> None:
    """Where files go, and how many at a time."""
    group = parser.add_argument_group("files")
    kinds = "the photo's own format (JPEG for HEIC), PNG or HEIC; else what the name after -o says"
    where = "a file, a folder, or - for standard output; without it, photo-facevae.jpg beside photo.jpg"
    group.add_argument("-o", "--output", metavar="OUT", help=where)
    group.add_argument("--format", choices=("original", "png", "heic"), help=kinds)
    add_overwrite(group)
    add_workers(group)


def add_overwrite(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--overwrite", action="store_true", help="write over photos that are read, and over files that facevae did not make"
    )


def add_workers(parser: argparse._ActionsContainer) -> None:
    processes = Number("workers", "", 1, 64, 1, 1, "processes, each with a model of its own and one thread")
    add_number(parser, processes, 1)


def face_of(text: str) -> int | str:
    """A face by its number, or all."""
    if text.lower() == "all":
        return "all"
    if not text.isdecimal() or int(text) > 999:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number from 0 on nor all")
    return int(text)


def place_of(text: str) -> tuple[float, float]:
    """A place in a photo, in pixels."""
    try:
        x, y = (check_number(float(part), "a place", 0, 1e6) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no place in a photo: two numbers of pixels such as 1200,800 would work") from None
    return x, y


def groups_of(given: Sequence[str], known: Summary) -> tuple[str, ...]:
    """The attributes of the named groups of sliders."""
    names = dict.fromkeys(control.group for control in known.controls)
    chosen = {one_of(group, names, "group of sliders") for group in given}
    return tuple(control.name for control in known.controls if control.group in chosen)
