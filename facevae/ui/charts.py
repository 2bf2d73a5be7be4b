"""Small charts as SVG text; colours and fonts come from style.css."""

import html
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float

WIDTH = 480
MARGIN = 14
PLOT_HEIGHT = 150
LEFT, BOTTOM = 52, 34
"""Room for the numbers beside and below a plot."""


def scatter(
    points: Float[np.ndarray, "n 2"], marked: Bool[np.ndarray, " n"] | None, chosen: int | None, label: str, described_by: str
) -> str:
    """A map of points, both axes on one scale, those that are `marked` in the accent colour. map.js lets it be clicked and walked."""
    low, high = points.min(0), points.max(0)
    scale = (WIDTH - 2 * MARGIN) / max(high[0] - low[0], 1e-6)
    height = float(np.clip((high[1] - low[1]) * scale + 2 * MARGIN, 0.5 * WIDTH, 0.9 * WIDTH))
    scale = min(scale, (height - 2 * MARGIN) / max(high[1] - low[1], 1e-6))
    middle = (low + high) / 2
    x = WIDTH / 2 + (points[:, 0] - middle[0]) * scale
    y = height / 2 - (points[:, 1] - middle[1]) * scale
    order = range(len(points)) if marked is None else np.argsort(marked, kind="stable").tolist()  # the marked ones on top
    kinds = ["on" if marked is not None and marked[i] else "rest" for i in range(len(points))]
    dots = "".join(f'<circle data-i="{i}" cx="{x[i]:.1f}" cy="{y[i]:.1f}" r="3.4" class="{kinds[i]}"></circle>' for i in order)
    ring = "" if chosen is None else f'cx="{x[chosen]:.1f}" cy="{y[chosen]:.1f}"'
    return (
        f'<svg class="chart map" viewBox="0 0 {WIDTH} {height:.0f}" tabindex="0" role="application" aria-roledescription="map" '
        f'aria-label="{html.escape(label)}" aria-describedby="{described_by}">{dots}<circle class="ring" r="8" {ring}></circle></svg>'
    )


def heat(values: Float[np.ndarray, "r c"], rows: Sequence[str], columns: Sequence[str]) -> str:
    """A matrix of correlations: accent colour above zero, its opposite below, stronger the further from it; the value as a tooltip."""
    left, top, cell = 132, 30, (WIDTH - 132) / len(columns)
    tall = min(cell, 18.0)
    limit = float(np.abs(values).max()) or 1.0
    cells = []
    for i, row in enumerate(rows):
        y = top + i * tall
        cells.append(f'<text x="{left - 6}" y="{y + tall / 2:.1f}" class="end">{html.escape(row)}</text>')
        for k, column in enumerate(columns):
            value = float(values[i, k])
            cells.append(
                f'<rect x="{left + k * cell:.1f}" y="{y:.1f}" width="{cell - 1:.1f}" height="{tall - 1:.1f}" '
                f'class="{"on" if value > 0 else "off"}" fill-opacity="{abs(value) / limit:.2f}">'
                f"<title>{html.escape(row)} × {html.escape(column)}: r = {value:+.2f}</title></rect>"
            )
    for k, column in enumerate(columns):
        x = left + (k + 0.5) * cell
        cells.append(
            f'<text x="{x:.1f}" y="{top - 6}" class="turned" transform="rotate(-60 {x:.1f} {top - 6})">{html.escape(column)}</text>'
        )
    i, k = np.unravel_index(np.abs(values).argmax(), values.shape)
    strongest = f"{rows[i]} × {columns[k]}, r = {values[i, k]:+.2f}"
    label = f"Correlation of {len(rows)} attributes with {len(columns)} dimensions; strongest: {strongest}"
    height = top + len(rows) * tall + 2
    return f'<svg class="chart heat" viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{html.escape(label)}">{"".join(cells)}</svg>'


def bars(values: Mapping[str, float], emphasised: str, label: str) -> str:
    """Horizontal bars to both sides of zero, one of them emphasised, each with its number."""
    left, right, tall = 150, 44, 19
    low, high = min(0.0, *values.values()), max(0.0, *values.values())
    scale = (WIDTH - left - 2 * right) / max(high - low, 1e-6)
    zero = left + right - low * scale
    parts = []
    for i, (name, value) in enumerate(values.items()):
        y, end = i * tall + 3, zero + value * scale
        kind = "own" if name == emphasised else "bar"
        parts.append(
            f'<text x="{left - 6}" y="{y + 6.5:.1f}" class="end{" strong" if name == emphasised else ""}">{html.escape(name)}</text>'
        )
        parts.append(f'<rect x="{min(zero, end):.1f}" y="{y}" width="{max(abs(end - zero), 0.5):.1f}" height="13" class="{kind}"/>')
        side, x = ("", end + 5) if value >= 0 else (" end", end - 5)
        parts.append(f'<text x="{x:.1f}" y="{y + 6.5:.1f}" class="number{side}">{value:+.2f}</text>')
    height = len(values) * tall + 4
    axis = f'<line x1="{zero:.1f}" x2="{zero:.1f}" y1="0" y2="{height}" class="axis"/>'
    return f'<svg class="chart" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{html.escape(label)}">{axis}{"".join(parts)}</svg>'


def lines(title: str, x: Sequence[float], curves: Mapping[str, Sequence[float]]) -> str:
    """Curves over images seen, those of held-out faces ("valid") dashed, with the ends of both axes as numbers."""
    everything = [v for row in curves.values() for v in row]
    low, high = min(everything), max(everything)
    first = min(x)
    span, seen = max(high - low, 1e-9), max(max(x) - first, 1.0)
    top, right = 30, WIDTH - MARGIN

    def at(nimg: float, value: float) -> str:
        return f"{LEFT + (nimg - first) / seen * (right - LEFT):.1f},{top + (high - value) / span * PLOT_HEIGHT:.1f}"

    drawn = "".join(
        f'<polyline points="{" ".join(at(a, b) for a, b in zip(x, row, strict=True))}" class="{"dashed" if "valid" in name else "line"}">'
        f"<title>{html.escape(name)}: {row[-1]:,.4g} at the end</title></polyline>"
        for name, row in curves.items()
    )
    floor, height = top + PLOT_HEIGHT, top + PLOT_HEIGHT + BOTTOM
    ends = "; ".join(f"{name} {row[0]:,.4g} to {row[-1]:,.4g}" for name, row in curves.items())
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{html.escape(f"{title}: {ends}")}">'
        f'<text x="{LEFT}" y="10" class="strong">{html.escape(title)}</text>'
        f'<polyline points="{LEFT},{top} {LEFT},{floor} {right},{floor}" class="axis"/>'
        f'<text x="{LEFT - 6}" y="{top + 4}" class="end number">{in_short(high)}</text>'
        f'<text x="{LEFT - 6}" y="{floor - 4}" class="end number">{in_short(low)}</text>'
        f'<text x="{LEFT}" y="{floor + 12}" class="number">{in_short(first)}</text>'
        f'<text x="{right}" y="{floor + 12}" class="end number">{in_short(max(x))} images</text>{drawn}</svg>'
    )


def progress(curves: Mapping[str, Sequence[float]], loss: Sequence[float]) -> str:
    """A search that is under way: probabilities from 0 to 1, each named at its end, and below them the loss."""
    right, tall, low = WIDTH - 150, 96, 44
    top, steps = 8, max(len(loss) - 1, 1)

    def path(row: Sequence[float], y: float, height: float, high: float) -> str:
        points = " ".join(f"{LEFT + i / steps * (right - LEFT):.1f},{y + (1 - v / high) * height:.1f}" for i, v in enumerate(row))
        return f'<polyline points="{points}"'

    ends = apart([top + (1 - row[-1]) * tall for row in curves.values()], top + 2, top + tall)
    parts = [
        f'<polyline points="{LEFT},{top} {LEFT},{top + tall} {right},{top + tall}" class="axis"/>'
        f'<text x="{LEFT - 6}" y="{top + 4}" class="end number">100%</text>'
        f'<text x="{LEFT - 6}" y="{top + tall - 3}" class="end number">0%</text>'
    ]
    for (name, row), y in zip(curves.items(), ends, strict=True):
        parts.append(f'{path(row, top, tall, 1.0)} class="line"/>')
        parts.append(f'<text x="{right + 6}" y="{y:.1f}">{html.escape(name)} {row[-1]:.0%}</text>')
    floor, high = top + tall + 14, max(max(loss), 1e-9)
    parts.append(f'<polyline points="{LEFT},{floor} {LEFT},{floor + low} {right},{floor + low}" class="axis"/>')
    parts.append(f'<text x="{LEFT - 6}" y="{floor + 4}" class="end number">{in_short(high)}</text>')
    parts.append(f'{path(loss, floor, low, high)} class="dashed"/>')
    parts.append(f'<text x="{right + 6}" y="{floor + (1 - loss[-1] / high) * low:.1f}">loss {in_short(loss[-1])}</text>')
    parts.append(f'<text x="{right}" y="{floor + low + 11}" class="end number">{counted(len(loss) - 1)}</text>')
    words = "; ".join(f"{name} {row[0]:.0%} to {row[-1]:.0%}" for name, row in curves.items())
    label = html.escape(f"Probabilities over {counted(len(loss) - 1)}: {words}; loss {in_short(loss[0])} to {in_short(loss[-1])}")
    return f'<svg class="chart" viewBox="0 0 {WIDTH} {floor + low + 20}" role="img" aria-label="{label}">{"".join(parts)}</svg>'


def counted(steps: int) -> str:
    """ "1 step", "12 steps"."""
    return f"{steps} step{'' if steps == 1 else 's'}"


def apart(places: Sequence[float], first: float, last: float, gap: float = 13.0) -> list[float]:
    """The same places in the same order, moved as little as it takes for labels not to cover each other."""
    order = sorted(range(len(places)), key=places.__getitem__)
    found = list(places)
    at = first - gap
    for k in order:
        at = found[k] = max(found[k], at + gap)
    at = max(last, first + gap * (len(places) - 1)) + gap
    for k in reversed(order):
        at = found[k] = min(found[k], at - gap)
    return found


def in_short(value: float) -> str:
    """A number of an axis: three digits, thousands or millions."""
    if abs(value) >= 999_500:
        return f"{value / 1e6:.3g}M"
    return f"{value / 1000:,.3g}k" if abs(value) >= 10_000 else f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
