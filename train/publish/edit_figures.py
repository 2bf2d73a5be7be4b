"""Figure of the edit matrix, and sheets of edits at the ends of the sliders."""

from typing import Any

import numpy as np
from jaxtyping import UInt8
from matplotlib.figure import Figure

from facevae.editor import Editor, Face
from train.evaluate.edit_matrix import MAIN
from train.vae.sample_sheets import caption, tile

CELL_PX = 128


def matrix_figure(section: dict[str, Any]) -> Figure:
    """Success and leakage at the ends of the ranges: attributes by estimators, the shipped direction first, the means last."""
    matrix, names = section["matrix"], section["attributes"]
    estimators = ["shipped", *(e for e in matrix if e != "shipped")]
    figure = Figure(figsize=(2 + 1.15 * len(estimators), 6.2), layout="constrained")
    for k, (key, title, colours, top) in enumerate(
        (
            ("success", "success: share of faces that change their label", "Greens", 1.0),
            ("leakage", "leak: σ of the other logits", "Reds", 1.0),
        )
    ):
        ax = figure.add_subplot(1, 2, k + 1)
        values = np.array([[matrix[e].get(n, {}).get("end", {}).get(key, np.nan) for e in estimators] for n in names])
        values = np.vstack([values, np.nanmean(values, axis=0)])
        ax.imshow(values, cmap=colours, vmin=0, vmax=top, aspect="auto")
        for (i, j), value in np.ndenumerate(values):
            if np.isfinite(value):
                colour = "white" if value > 0.6 * top else "black"
                ax.text(j, i, f"{value:.2f}", ha="center", va="center", fontsize=7, color=colour)
        ax.set_xticks(range(len(estimators)), estimators, rotation=60, ha="right", fontsize=8)
        ax.set_yticks(range(len(names) + 1), [*(n.replace("_", " ") for n in names), "mean"] if k == 0 else [], fontsize=8)
        ax.axhline(len(names) - 0.5, color="white", linewidth=3)
        ax.set_title(title, fontsize=9)
        ax.spines[:].set_visible(False)
        ax.tick_params(length=0)
    return figure


def ends_sheet(editor: Editor, faces: list[Face]) -> UInt8[np.ndarray, "h w 3"]:
    """A row for each face: as it is, then each main attribute alone at the end of its safe range, towards what the face lacks."""
    names = [name for name in MAIN if name in editor.checkpoint.directions]
    rows = [np.concatenate([caption(t.replace("_", " "), CELL_PX + 2) for t in ("as it is", *names)], axis=1)]
    for face in faces:
        has, cells = editor.probabilities(face), [face.crop]
        for name in names:
            direction = editor.checkpoint.directions[name]
            cells.append(editor.edit(face, {name: direction.low if has[name] > 0.5 else direction.high}).crop)
        rows.append(np.pad(tile(np.stack(cells), columns=len(cells)), ((0, 2), (0, 2), (0, 0)), constant_values=255))
    return np.concatenate(rows)
