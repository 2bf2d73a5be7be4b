"""facevae inspect: faces of a photo, their places and what the classifier sees."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from facevae.attributes import SHOWN, WITHHELD, in_words
from facevae.checkpoint.metadata import Summary
from facevae.cli.files import Job
from facevae.cli.flags import Parser, add_general, add_workers
from facevae.cli.rows import Row, RowPrinter
from facevae.cli.sources import STDIO, sources
from facevae.cli.streams import read_stdin
from facevae.cli.work import work

if TYPE_CHECKING:
    from facevae.editor import Editor, Face


@dataclass(frozen=True)
class InspectTask:
    """The task: open each face, and write nothing."""

    def finished_row(self, job: Job) -> Row | None:
        """Looking leaves nothing behind."""
        return None

    def do(self, editor: "Editor", job: Job) -> Row:
        from facevae.photo.images import open_photo

        begun = time.monotonic()
        photo = open_photo(read_stdin(), "standard input") if job.source == STDIO else open_photo(job.source)
        first = editor.open_photo(photo)
        # Every face of the photo as it came: nothing has been edited that could be left.
        faces = [first, *(replace(editor.choose(first, index), left=()) for index in range(1, len(first.faces)))]
        seen = [describe_face(editor, face) for face in faces]
        height, width = photo.pixels.shape[:2]
        count = sum(place.found for place in first.faces)
        counted = f"{count} {'face' if count == 1 else 'faces'}"
        message = f"{photo.format or 'picture'}, {width} × {height} px, {counted}. {first.message} {(first.source or photo).remark}"
        about = {"format": photo.format, "width": width, "height": height, "found": count, "faces": seen}
        lines = tuple(line for values in seen for line in face_lines(values))
        return Row(job.source, "done", "", message.strip(), time.monotonic() - begun, about, lines)


def describe_face(editor: "Editor", face: "Face") -> dict[str, Any]:
    """A face in plain values; labels that are withheld from the sliders stay out: nobody should read them off a face."""
    assert face.alignment is not None
    return {
        "face": face.index,
        "found": face.alignment.found,
        "confidence": round(face.alignment.confidence, 4),
        "side_px": round(face.alignment.side_px, 1),
        "corners_px": [[round(float(v), 1) for v in corner] for corner in face.alignment.corners_px],
        "psnr": round(next(editor.refine(face)).psnr_db, 2),
        "message": face.message,
        "probabilities": {n: round(p, 4) for n, p in editor.probabilities(face).items() if n not in WITHHELD},
        "scores": {name: round(score, 3) for name, score in editor.scores(face).items()},
    }


def face_lines(values: dict[str, Any]) -> list[str]:
    """A face for people: the attributes of the sliders that are seen, the surest first, and where it stands on the most extreme."""
    seen = {}
    for shown in SHOWN:
        if shown.name in values["probabilities"]:
            words, itself = in_words(shown.name)
            probability = values["probabilities"][shown.name]
            seen[words.lower()] = probability if itself else 1 - probability
    sure = sorted(((p, words) for words, p in seen.items() if p > 0.5), reverse=True)
    x, y = (sum(corner[k] for corner in values["corners_px"]) / 4 for k in (0, 1))
    scores = sorted(values["scores"].items(), key=lambda item: -abs(item[1]))[:6]
    return [
        f"face {values['face']}: {values['side_px']:.0f} px wide around ({x:.0f}, {y:.0f}), confidence {values['confidence']:.3f}, "
        f"redrawn at {values['psnr']:.1f} dB",
        f"  seen: {', '.join(f'{words} {p:.0%}' for p, words in sure) or 'nothing that stands out'}",
        f"  stands at: {', '.join(f'{name} {score:+.1f} σ' for name, score in scores)}",
    ]


def read_inspect(args: Sequence[str], known: Summary) -> Any:
    """facevae inspect"""
    parser = Parser("facevae inspect", "Which faces a photo shows, where they are, and what the classifier sees in them.", "PHOTO …")
    parser.add_argument("photos", nargs="+", metavar="PHOTO", help="photos, folders, patterns, or - for standard input")
    add_workers(parser)
    add_general(parser)
    flags = parser.read(args)
    jobs = [Job(source.name, trouble=source.trouble, idle=source.idle) for source in sources(flags.photos, None)]
    if sum(job.source == STDIO for job in jobs) > 1:
        raise ValueError("standard input can be read only once")
    workers = 1 if any(job.source == STDIO for job in jobs) else flags.workers
    return lambda: work(jobs, InspectTask(), RowPrinter(flags.json), flags.checkpoint, flags.revision, workers)
