"""Plots and picture sheets of the reports (matplotlib, without pyplot)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from train.vae.sample_sheets import tile

# Okabe and Ito's colours, which colour-blind readers can tell apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
PANEL_IN = (4.6, 3.2)


def panels(columns: int, rows: int = 1, size_in: tuple[float, float] = PANEL_IN) -> tuple[Figure, list[Axes]]:
    """An empty figure and its axes, row by row."""
    figure = Figure(figsize=(columns * size_in[0], rows * size_in[1]), layout="constrained")
    axes = [figure.add_subplot(rows, columns, i + 1) for i in range(rows * columns)]
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(alpha=0.25)
    return figure, axes


def draw_lines(
    ax: Axes, lines: Mapping[str, tuple[Sequence[float], Sequence[float]]], x: str, y: str, title: str = "", log_y: bool = False
) -> None:
    """Named lines of (x values, y values); names that start with "valid" are dashed in the colour of the line before."""
    colour = -1
    for name, (xs, ys) in lines.items():
        dashed = name.startswith("valid")
        colour += 0 if dashed else 1
        ax.plot(xs, ys, label=name, color=COLOURS[colour % len(COLOURS)], linestyle="--" if dashed else "-", linewidth=1.6)
    ax.set(xlabel=x, ylabel=y, title=title)
    if log_y:
        ax.set_yscale("log")
    if len(lines) > 1:
        ax.legend(fontsize=8, frameon=False)


def draw_heat(
    figure: Figure, ax: Axes, values: Float[np.ndarray, "r c"], rows: Sequence[str], columns: Sequence[str], limit: float | None = None
) -> None:
    """A matrix from blue through white to red, 0 being white."""
    limit = limit or float(np.abs(values).max()) or 1.0
    image = ax.imshow(values, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto")
    ax.set_xticks(range(len(columns)), columns, rotation=90, fontsize=7)
    ax.set_yticks(range(len(rows)), rows, fontsize=7)
    ax.grid(visible=False)
    figure.colorbar(image, ax=ax, shrink=0.8)


def stat(stats: Sequence[Mapping[str, Any]], key: str) -> tuple[list[float], list[float]]:
    """Images seen and one column of a run's statistics, for `draw_lines`."""
    return [row["nimg"] for row in stats], [row[key] for row in stats]


def enlarge(picture: UInt8[np.ndarray, "h w c"], scale: int) -> UInt8[np.ndarray, "H W c"]:
    """Every pixel as a square of `scale` pixels."""
    return picture.repeat(scale, axis=0).repeat(scale, axis=1)


def rows_of(rows: Sequence[UInt8[np.ndarray, "n h w c"]]) -> UInt8[np.ndarray, "H W c"]:
    """A sheet with one row for each batch of pictures; all have the same length."""
    return tile(np.concatenate(list(rows)), columns=len(rows[0]))


def picture_sheet(
    rows: Sequence[UInt8[np.ndarray, "n h w c"]], row_names: Sequence[str], column_names: Sequence[str] = (), scale: int = 2
) -> Figure:
    """`rows_of` with words at its left, and above its columns; one pixel of the pictures is `scale` pixels of the PNG."""
    sheet = enlarge(rows_of(rows), scale)
    (height, width, _), dpi, letter_px = sheet.shape, 110, 7
    left, top = max(map(len, row_names)) * letter_px + 14, 26 if column_names else 4
    figure = Figure(figsize=((left + width + 4) / dpi, (top + height + 4) / dpi), dpi=dpi)
    ax = figure.add_axes((left / (left + width + 4), 4 / (top + height + 4), width / (left + width + 4), height / (top + height + 4)))
    ax.imshow(sheet if sheet.shape[-1] == 3 else sheet.repeat(3, axis=-1), interpolation="nearest")
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0, labeltop=True, labelbottom=False)
    ax.set_yticks(middles(height, len(rows)), row_names, fontsize=8)
    ax.set_xticks(middles(width, len(rows[0])) if column_names else [], column_names, fontsize=8)
    return figure


def middles(length_px: int, count: int) -> Float[np.ndarray, " count"]:
    """Where the middles of `count` equal cells lie on a side of this length."""
    return (np.arange(count) + 0.5) * length_px / count
