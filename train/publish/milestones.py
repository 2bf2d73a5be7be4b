"""Milestones of the long run: figures of the protocol, as the table of docs/milestones.md."""

import json
from pathlib import Path
from typing import Any

from facevae.files import ROOT, write_json
from train.measure.markdown import table
from train.measure.protocol import REAL, REBUILT, spread
from train.publish.card import write_between

KEPT = ROOT / "docs" / "training" / "milestones.json"
PAGE = ROOT / "docs" / "milestones.md"
MARKS = ("<!-- milestones: written by python -m train figures -->", "<!-- end of milestones -->")


def keep_milestone(says: str, evaluation: dict[str, Any], path: Path = KEPT) -> None:
    """Add a row, or measure it anew where there is one of the same words: what the protocol found on weights that `says` names.

    `ValueError` where the evaluation lacks the protocol, or was made by another protocol, judge or faces than the rows before.
    """
    rows: list[dict[str, Any]] = json.loads(path.read_text()) if path.is_file() else []
    if "protocol" not in evaluation:
        raise ValueError("only what the protocol measured can be kept")
    row = {"says": says, "nimg": evaluation["training"]["nimg"], "protocol": evaluation["protocol"]}
    if other := next((r for r in rows if r["says"] != says and measured_by(r["protocol"]) != measured_by(row["protocol"])), None):
        raise ValueError(f"{other['says']!r} was measured otherwise ({measured_by(other['protocol'])}, not {measured_by(row['protocol'])})")
    at = next((i for i, r in enumerate(rows) if r["says"] == says), len(rows))
    write_json(path, [*rows[:at], row, *rows[at + 1 :]])


def measured_by(section: dict[str, Any]) -> str:
    """What two sections must share to be compared."""
    return f"protocol {section['version']}, judge {section['judge']}, {section['n']} faces of {section['split']}"


def milestones(kept: list[dict[str, Any]], embedded: dict[str, Any]) -> str:
    """The rows that were kept, then the embedded checkpoint's evaluation, as Markdown."""
    last = {"says": "**embedded**", "nimg": embedded["training"]["nimg"], "protocol": embedded["protocol"]}
    head = [
        "weights",
        "images seen",
        "PSNR, dB",
        "rate, nats",
        "MS-SSIM",
        "Fréchet, rebuilt",
        "… drawn, fitted T = 1",
        "… N(0, I)",
        "recall",
    ]
    floor = last["protocol"]["distances"][REAL]["frechet"]
    note = (
        f"{measured_by(last['protocol']).capitalize()}. Photos against other photos: {spread(floor)}. Recall: of the faces drawn from the "
        f"fitted prior.\n\n"
    )
    return note + table(head, [[row["says"], f"{row['nimg']:,}", *cells(row["protocol"])] for row in [*kept, last]])


def cells(section: dict[str, Any]) -> list[str]:
    """The figures of one row."""
    likeness, distances = section["reconstruction"], section["distances"]
    return [
        f"{likeness['psnr_db']:.2f}",
        f"{likeness['rate_nats']:.0f}",
        f"{likeness['ms_ssim']:.3f}",
        *(spread(distances[k]["frechet"]) for k in (REBUILT, "samples T=1", "N(0, I) T=1")),
        f"{distances['samples T=1']['all']['recall']:.2f}",
    ]


def write_milestones(page: Path, embedded: dict[str, Any]) -> None:
    """Put the table between its marks."""
    write_between(page, MARKS, milestones(json.loads(KEPT.read_text()), embedded))
