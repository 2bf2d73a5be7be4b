"""Markdown tables and percentages."""

from typing import Any


def percent(value: float | None) -> str:
    """A share as a percentage, a dash where there is none."""
    return "–" if value is None else f"{100 * value:.1f} %"


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    return "".join("| " + " | ".join(row) + " |\n" for row in [head, ["---"] * len(head), *rows])


def judged_by(section: dict[str, Any]) -> str:
    """Which judge scored."""
    return f" Judge {section['judge']}."
