"""The edit matrix (success and leakage of each slider) as HTML tables with colours."""

import html
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from facevae.attributes import in_words

MEANING = (
    "Held-out faces were moved in their photos to the end of each attribute's measured range, towards the value that they did not have. "
    "Success is the share of them that an independent classifier, which was never trained with or listened to for an edit, then sees on "
    "the other side (it did choose between estimators, on other faces); leakage is how far all its other answers moved on average, in "
    "standard deviations of each answer, so less is better."
)
COLUMNS = (
    "Masked: leakage in which labels that go together in the data count less. Likeness: cosine of two identity embeddings, before and "
    "after. Same person: share that stays nearer to itself than 19 of 20 pairs of two people are to each other. Within the data: share "
    "that the prior finds more likely than the least likely 1% of held-out faces."
)
IN_USE = "shipped"
"""The column of the directions that the sliders have."""
ENDS = ("1", "2", "3", "end")

Cells = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""column -> attribute -> row of numbers."""


def draw_matrix(edits: Mapping[str, Any]) -> str:
    """Both maps, the table of what is in use, and what the words mean; nothing where the evaluation has no matrix."""
    matrix = edits.get("matrix")
    if not matrix:
        return ""
    chosen = edits.get("chosen", {})
    found: Cells = {estimator: {name: row["end"] for name, row in table.items()} for estimator, table in matrix.items()}
    if len(matrix) == 1:  # one set of directions: what can be compared is how far they are followed
        table = next(iter(matrix.values()))
        found = {end: {name: row[end] for name, row in table.items() if end in row} for end in ENDS}
    names = [name for name in edits["attributes"] if any(name in column for column in found.values())]
    maps = "".join(
        heat_map(title, key, say, kind, names, found, chosen)
        for title, key, say, kind in (
            ("Success", "success", lambda v: f"{v:.0%}", "good"),
            ("Leakage, σ", "leakage", lambda v: f"{v:.2f}", "bad"),
        )
    )
    note = " The outlined estimator is the one in use." if len(matrix) > 1 else ""
    faces = f" {edits['n']} faces, judge {edits['judge']}." if "judge" in edits else f" {edits['n']} faces."
    own = matrix.get(IN_USE)
    return (
        f'<h2>What edits do, measured</h2><p class="note">{html.escape(MEANING + note + faces)}</p>{maps}'
        f"{details(names, own, chosen) if own else ''}"
    )


def heat_map(
    title: str, key: str, say: Callable[[float], str], kind: str, names: Sequence[str], found: Cells, chosen: Mapping[str, str]
) -> str:
    """One table: a row for each attribute, a column for each estimator, stronger where the number is larger."""
    values = [row[key] for column in found.values() for row in column.values()]
    most = max([*values, 1.0]) if key == "success" else max([*values, 1e-6])
    head = "".join(f'<th scope="col">{html.escape(column_title(column))}</th>' for column in found)
    body = ""
    for name in names:
        cells = ""
        for column, rows in found.items():
            row = rows.get(name)
            marked = ' class="chosen"' if chosen.get(name) == column else ""
            cells += f'<td{marked} style="--v: {row[key] / most:.2f}">{say(row[key])}</td>' if row else "<td>–</td>"
        body += f'<tr><th scope="row">{html.escape(in_words(name)[0])}</th>{cells}</tr>'
    return (
        f'<div class="heat-box" tabindex="0" role="region" aria-label="{title} of edits"><table class="heat-map {kind}">'
        f"<caption>{title}</caption><thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def column_title(column: str) -> str:
    """An estimator, or how far a direction was followed."""
    titles = {IN_USE: "in use", "end": "end of range"} | {end: f"{end} σ" for end in ENDS[:-1]}
    return titles.get(column, column)


def details(names: Sequence[str], own: Mapping[str, Any], chosen: Mapping[str, str]) -> str:
    """All that was measured at the end of each range for the directions in use."""
    columns: list[tuple[str, Callable[[Mapping[str, Any]], str]]] = [
        ("faces", lambda r: f"{r['n']:d}"),
        ("end, σ", lambda r: f"{r['strength']:.1f}"),
        ("success", lambda r: f"{r['success']:.0%}"),
        ("leakage", lambda r: f"{r['leakage']:.2f}"),
        ("masked", lambda r: f"{r['masked']:.2f}"),
        ("likeness", lambda r: f"{r['identity']:.2f}"),
        ("same person", lambda r: f"{r['same']:.0%}"),
        ("within the data", lambda r: f"{r['density']:.0%}"),
    ]
    head = "".join(f'<th scope="col">{title}</th>' for title in ("attribute", "estimator", *(title for title, _ in columns)))
    rows = "".join(
        f'<tr><th scope="row">{html.escape(in_words(name)[0])}</th><td>{html.escape(chosen.get(name, ""))}</td>'
        + "".join(f"<td>{say(own[name]['end'])}</td>" for _, say in columns)
        + "</tr>"
        for name in names
        if name in own
    )
    return (
        '<details><summary>All numbers of the directions in use</summary><div class="heat-box" tabindex="0" role="region" '
        f'aria-label="All numbers"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
        f'<p class="note">{html.escape(COLUMNS)}</p></details>'
    )
