"""Result of each photo: a table for people, or JSON, one line each, for machines."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TextIO

from facevae.photo.validation import shown_name

STATUS = ("done", "skipped", "failed")
LONGEST_SOURCE = 300
"""Letters of a file's name for people; a picture that was given as a data: address has millions."""


@dataclass(frozen=True)
class Row:
    """One photo. `about` is what machines get besides; `lines` is what people read below it."""

    source: str
    status: Literal["done", "skipped", "failed"]
    output: str = ""
    message: str = ""
    seconds: float = 0.0
    about: Mapping[str, Any] = field(default_factory=dict)
    lines: tuple[str, ...] = ()

    def as_json(self) -> str:
        """On one line; what is empty is left out."""
        values = {"input": self.source, "status": self.status, "output": self.output, "message": self.message}
        values |= {"seconds": round(self.seconds, 3), **self.about}
        return json.dumps({name: value for name, value in values.items() if value not in ("", {})})


def error_sentence(error: Exception, at: str = "") -> str:
    """The message of a `ValueError`, or which file (else `at`) the system refused, and why."""
    if not isinstance(error, OSError) or error.strerror is None:
        return str(error)
    return ": ".join(filter(None, [str(error.filename or at), error.strerror]))


class RowPrinter:
    """Prints rows. Where a result goes to standard output, words go to standard error."""

    def __init__(self, as_json: bool, to_stdout: bool = True) -> None:
        self.as_json, self.stream = as_json, sys.stdout if to_stdout else sys.stderr
        self.rows: list[Row] = []

    def add(self, row: Row) -> None:
        """One row more."""
        self.rows.append(row)
        if self.as_json:
            print(row.as_json(), file=self.stream, flush=True)

    def end(self) -> int:
        """The table, and the exit code: 1 where anything failed."""
        if not self.as_json:
            show(self.rows, self.stream)
        return 1 if any(row.status == "failed" for row in self.rows) else 0


def show(rows: Sequence[Row], stream: TextIO) -> None:
    """The table, and the count of each status where there are several rows."""
    sources = [row.source if len(row.source) <= LONGEST_SOURCE else shown_name(row.source) for row in rows]
    wide = max(map(len, sources), default=0)
    for row, source in zip(rows, sources, strict=True):
        message = " · ".join(filter(None, [row.output and f"→ {row.output}", row.message]))
        print(f"{row.status:7}  {source:{min(wide, 60)}}  {message}".rstrip(), file=stream)
        for line in row.lines:
            print(f"         {line}", file=stream)
    if len(rows) > 1:
        counts = ", ".join(f"{sum(row.status == status for row in rows)} {status}" for status in STATUS)
        print(f"{len(rows)} in all: {counts}", file=stream)
