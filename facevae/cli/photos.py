"""facevae edit, guide and recipe apply: commands from photos to photos."""

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facevae.attributes import GOALS, PUT_ON
from facevae.checkpoint.metadata import Summary
from facevae.cli.files import Job, is_given_folder, plan, write_result
from facevae.cli.flags import SIGNS, Parser, add_attributes, add_editing, add_general, add_locks, add_output, strengths_of
from facevae.cli.names import find_attribute, one_of, read_wanted
from facevae.cli.rows import Row, RowPrinter
from facevae.cli.sources import STDIO
from facevae.cli.streams import check_stdout, read_stdin, write_stdout
from facevae.cli.work import Task, work
from facevae.photo.alignment import Adjustment
from facevae.photo.formats import SAME_SUFFIX, SUFFIXES, open_header
from facevae.photo.metadata import recipe_text
from facevae.photo.validation import address_sentence
from facevae.request import ALL, EditRequest, GuidanceResult, RenderedFile, redraw, run_request
from facevae.settings import CROP

if TYPE_CHECKING:
    from facevae.editor import Editor


REFINE_TIMES = "five to eight times"
"""How long an edit takes with refinement, measured on CPU cores: 5.6 times in processor time, 7.6 on the clock. Guidance: 1.4 times."""


@dataclass(frozen=True)
class EditTask:
    """The task of all three: run a request, and write its result."""

    request: EditRequest
    digest: str
    """Of the checkpoint."""
    overwrite: bool = False

    def finished_row(self, job: Job) -> Row | None:
        """A result that carries the fingerprint of the same request and photo is not made again."""
        there = [target for target in job.targets if target.is_file()]
        fingerprints = {target: stored_fingerprint(target) for target in there}
        if not any(fingerprints.values()) or job.source == STDIO or not Path(job.source).is_file():
            return None
        try:
            now = self.request.fingerprint(Path(job.source).read_bytes(), self.digest)
        except OSError:  # `do` says so
            return None
        same = next((target for target in there if fingerprints[target] == now), None)
        return same and Row(job.source, "skipped", str(same), "done before")

    def do(self, editor: "Editor", job: Job) -> Row:
        """Open, change, write."""
        from facevae.photo.images import open_photo, target_format

        begun = time.monotonic()
        photo = open_photo(read_stdin(), "standard input") if job.source == STDIO else open_photo(job.source)
        job.target(SUFFIXES[target_format(photo, self.request.format)])  # refused before it costs anything
        made = run_request(editor, self.request, photo, self.request.fingerprint(photo.content or b"", self.digest))
        return finish(job, made, self.overwrite, time.monotonic() - begun, about_of(made))


def finish(job: Job, made: RenderedFile, overwrite: bool, seconds: float, about: Mapping[str, Any] = {}) -> Row:
    """Write a result to where it goes."""
    target = job.target(made.suffix)
    if target is None:
        write_stdout(made.content)
    else:
        write_result(target, made.content, overwrite)
    message = " ".join(filter(None, [guidance_message(made.guidance), made.message]))
    return Row(job.source, "done", str(target or STDIO), message, seconds, about)


def about_of(made: RenderedFile) -> dict[str, Any]:
    """What --json says of a result besides its row."""
    found: dict[str, Any] = {"face": made.face, "faces": made.faces}
    if made.guidance is None:
        return found
    last, report = made.guidance.last, made.guidance.report
    found |= {"probability": last.probability, "steps": last.step, "reason": last.reason}
    return found | {"report": asdict(report) | {"moved": dict(report.moved)}}


def guidance_message(guidance: GuidanceResult | None) -> str:
    """How sure guidance made the classifier, in words; nothing where there was no search."""
    if guidance is None or guidance.last.reason == PUT_ON:
        return ""
    ended = {"target": "", "plateau": "; it got no further", "steps": "; these were all the steps it may take"}[guidance.last.reason]
    return f"the classifier is {guidance.last.probability:.0%} sure{ended}."


def stored_fingerprint(path: Path) -> str:
    """The fingerprint of the request in a saved picture's recipe; empty where there is none."""
    try:
        with open_header(path, tuple(SUFFIXES)) as image:
            recipe = json.loads(recipe_text(image) or "{}")
        return str(recipe.get("asked", ""))
    except Exception:  # damaged files raise anything; such a file is rendered again
        return ""


# The commands ---------------------------------------------------------------------------------------------------------


def read_edit(args: Sequence[str], known: Summary) -> Any:
    """facevae edit"""
    parser = photo_parser("edit", "Move the sliders: each slider of the page is a flag.")
    add_changes(parser, known, f"without this flag yes, but not for folders: it takes {REFINE_TIMES} as long")
    flags = parser.read(args)
    strengths = strengths_of(flags, known)
    if not strengths:
        raise ValueError("nothing is asked for: give at least one attribute, such as --smiling 2 (facevae edit --help lists them)")
    return edit_command(flags, known, EditRequest(strengths, locks_of(flags, known), **edit_values(flags, refine_by_default(flags))))


def read_guide(args: Sequence[str], known: Summary) -> Any:
    """facevae guide"""
    about = "Search, with the classifier's gradient, until it sees what is wanted. Attributes' own flags say where to begin."
    parser = photo_parser("guide", about)
    wishes = parser.add_argument_group("wishes")
    wishes.add_argument("--want", nargs="+", action="extend", default=[], metavar="NAME", help="attributes that shall be seen")
    wishes.add_argument("--avoid", nargs="+", action="extend", default=[], metavar="NAME", help="attributes that shall not be seen")
    goals = {goal.name: goal for goal in GOALS if set(goal.wanted) <= set(known.attributes)}
    wishes.add_argument("--make", metavar="GOAL", help=f'a button of the page\'s "Make it": {", ".join(goals)}')
    add_changes(parser, known, "without this flag yes")
    flags = parser.read(args)
    wanted = dict(goals[one_of(flags.make, goals, "goal")].wanted) if flags.make else {}
    wanted |= read_wanted(flags.want, flags.avoid, known.attributes)
    if not wanted:
        raise ValueError("nothing is asked for: give --want, --avoid or --make")
    values = edit_values(flags, refine=True)  # of the time that guidance takes, refinement is a third
    return edit_command(flags, known, EditRequest(strengths_of(flags, known), locks_of(flags, known), wanted, **values))


def read_recipe_apply(args: Sequence[str], known: Summary) -> Any:
    """facevae recipe apply"""
    parser = Parser(
        "facevae recipe apply",
        "The edit of a recipe, on each photo: its strengths, locks, guidance and photo detail. Without a photo, the picture of a recipe "
        "of a face that the model drew.",
        "RECIPE [PHOTO …]",
    )
    parser.add_argument("recipe", metavar="RECIPE", help="a recipe (JSON), a picture that was saved with one, or - for standard input")
    parser.add_argument("photos", nargs="*", metavar="PHOTO", help="photos, folders, patterns, or - for standard input")
    add_editing(parser, "as the recipe's face was without this flag", detail=None)
    add_output(parser)
    add_general(parser)
    flags = parser.read(args)
    if flags.recipe == STDIO and STDIO in flags.photos:
        raise ValueError("standard input can be read only once")
    request = EditRequest(recipe=read_recipe(flags.recipe), **edit_values(flags))
    if flags.photos:
        return edit_command(flags, known, request)
    from facevae.editor.recipe import recipe_from  # torch comes with it, and --help is answered by now

    if recipe_from(request.recipe).alignment is not None:
        raise ValueError("this recipe belongs to a photo, which is not in it: name the photos that it shall be applied to")
    job = plan([flags.recipe], flags.output, flags.overwrite)[0]  # named after the file, never after what stands in it
    return photos_command(flags, [job], RedrawTask(replace(request, format="png"), known.digest, flags.overwrite))


@dataclass(frozen=True)
class RedrawTask(EditTask):
    """A recipe that needs no photo: the job's source is the recipe itself."""

    def finished_row(self, job: Job) -> Row | None:
        """Drawing a face takes no longer than finding out."""
        return None

    def do(self, editor: "Editor", job: Job) -> Row:
        from facevae.editor.recipe import recipe_from

        begun = time.monotonic()
        job.target(".png")
        made = redraw(editor, recipe_from(self.request.recipe), self.request.fingerprint(b"", self.digest))
        return finish(job, made, self.overwrite, time.monotonic() - begun)


def photo_parser(command: str, about: str) -> Parser:
    """What edit and guide begin with."""
    parser = Parser(f"facevae {command}", about, "PHOTO …", SIGNS)
    parser.add_argument("photos", nargs="+", metavar="PHOTO", help="photos, folders, patterns, or - for standard input")
    return parser


def add_changes(parser: Parser, known: Summary, refine: str) -> None:
    """The rest of what they have in common: the flags of the page's Edit tab; `refine` is what is done without that flag."""
    add_locks(parser)
    add_attributes(parser, known)
    add_editing(parser, refine)
    add_output(parser)
    add_general(parser)


def locks_of(flags: argparse.Namespace, known: Summary) -> tuple[str, ...]:
    """What is to be held; either sense of a word means the attribute."""
    return tuple(dict.fromkeys(find_attribute(given, known.lockable)[0] for given in flags.lock))


def edit_values(flags: argparse.Namespace, refine: bool | None = None) -> dict[str, Any]:
    """What is asked around the sliders; `refine` where the flag is not given."""
    refine = refine if flags.refine is None else flags.refine
    adjustment = Adjustment(*(getattr(flags, setting.name) for setting in CROP))
    if flags.face == ALL and adjustment != Adjustment():
        raise ValueError("--face all takes every crop as it was found: place a crop for one face at a time")
    if flags.at is not None and flags.face is not None:
        raise ValueError("--at and --face both say which face: give one of them")
    named = Path(flags.output).suffix.lower() if flags.output and flags.output != STDIO else ""
    asked = {".png": "png", ".heic": "heic"}.get(SAME_SUFFIX.get(named, named), "original")
    format = flags.format or asked
    return {"detail": flags.detail, "refine": refine, "adjustment": adjustment, "face": flags.face, "format": format, "at": flags.at}


def refine_by_default(flags: argparse.Namespace) -> bool:
    """Whether photos are refined where nobody says so: a folder may hold hundreds of them."""
    return not any(map(is_given_folder, flags.photos))


def edit_command(flags: argparse.Namespace, known: Summary, request: EditRequest) -> Any:
    """The command, read and ready to run."""
    jobs = plan(flags.photos, flags.output, flags.overwrite)
    quick = flags.refine is None and request.refine is False
    remark = f"Folders are done without --refine: it finds a nearer likeness and takes {REFINE_TIMES} as long." if quick else ""
    return photos_command(flags, jobs, EditTask(request, known.digest, flags.overwrite), remark)


def photos_command(flags: argparse.Namespace, jobs: Sequence[Job], task: Task, remark: str = "") -> Any:
    """The jobs as what `facevae.__main__` runs, `remark` said before them; `ValueError` where words and a picture would be mixed."""
    to_stdout = any(not (job.targets or job.trouble or job.idle) for job in jobs)
    if to_stdout:
        check_stdout(flags.json)
    printer = RowPrinter(flags.json, not to_stdout)
    piped = to_stdout or any(job.source == STDIO for job in jobs)
    return lambda: work(jobs, task, printer, flags.checkpoint, flags.revision, 1 if piped else flags.workers, remark)


def read_recipe(name: str) -> str:
    """The recipe's JSON, from a file, a picture or standard input; `ValueError` where there is none in it."""
    from facevae.editor.recipe import recipe_from
    from facevae.photo.images import MAX_FILE_BYTES, open_photo

    if sentence := address_sentence(name):
        raise ValueError(sentence)
    if name != STDIO and not Path(name).is_file():
        raise ValueError(f"{name} is no file with a recipe")
    if name != STDIO and Path(name).stat().st_size > MAX_FILE_BYTES:  # a picture that carries one may be as large as any photo
        raise ValueError(f"{name} is larger than any recipe")
    raw = read_stdin() if name == STDIO else Path(name).read_bytes()
    if raw.lstrip()[:1] != b"{":
        raw = open_photo(raw, "standard input" if name == STDIO else Path(name).name).recipe.encode()
        if not raw:
            raise ValueError(f"{name} carries no recipe")
    text = raw.decode("utf-8", errors="replace")
    recipe_from(text)
    return text
