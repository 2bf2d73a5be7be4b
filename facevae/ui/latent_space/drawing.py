"""HTML of the tab Inside the model: sheets of faces, charts, and measures of an exhibit."""

import html
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import Float32, UInt8

from facevae.exhibits import views
from facevae.exhibits.exhibit import Exhibit
from facevae.ui import charts
from facevae.ui.components import enlarge
from facevae.ui.widgets.face_tiles import data_url

ROWS = 8
"""Dimensions on one sheet; each has seven faces."""
COLUMNS = 24
"""Dimensions in the map of correlations."""
OTHERS = 9
"""Other attributes beside its own in the bars of a direction."""
CELL_PX = 96
DRAWN = 9
"""Faces of N(0, I) for each model."""
NOBODY = "A face the model draws at this place, not the photo of the point."
ENDS = '<div class="ends"><span>low</span><span>the face</span><span>high</span></div>'
ESTIMATORS = {
    "centroid": "the mean encoding of the faces with the label minus that of the faces without",
    "exclusive": "the mean encoding of the faces with this hair colour minus the mean of the other colours",
    "partial": "what the label adds to the mean encoding while all other labels stay fixed (least squares)",
    "correlation": "each dimension's correlation with the label, times its spread",
    "logistic": "the weights of a logistic regression, turned into its shortest move",
    "learned": "the step that makes a classifier see the trait, learned through the decoder, while other traits change little",
    "sparing": "learned through the decoder, too, with more weight on other traits staying as they are",
}


Slide = Callable[[Float32[np.ndarray, " d"], float], Float32[np.ndarray, " d"] | None]
FOLLOWS = "Above: the straight direction. Below: what the slider does, which follows the latent flow from this face's labels to the others."


def words(attribute: str) -> str:
    """A label of the data set, as a person writes it. "Male" is about looks alone, as in the Edit tab."""
    return "Masculine" if attribute == "Male" else attribute.replace("_", " ").capitalize()


def start(exhibit: Exhibit, seed: float | None) -> np.ndarray:
    """The face that is moved: that of a seed, or the mean for 0."""
    return views.start_latent(exhibit, int(seed) if seed else None)


# Pictures -------------------------------------------------------------------------------------------------------------


def large(picture: UInt8[np.ndarray, "h w c"], side_px: int = CELL_PX) -> UInt8[np.ndarray, "H W 3"]:
    """A small picture, grey or in colour, smoothly enlarged."""
    return np.asarray(enlarge(np.ascontiguousarray(picture.repeat(3 // picture.shape[-1], axis=-1)), side_px))


def picture_tag(picture: UInt8[np.ndarray, "h w c"], alt: str, side_px: int = CELL_PX) -> str:
    """A picture inside the page itself: no file of it is left anywhere."""
    return f'<img src="{data_url(large(picture, side_px))}" alt="{html.escape(alt)}">'


def row_tag(pictures: UInt8[np.ndarray, "n h w c"], alt: str) -> str:
    """Pictures side by side, as one."""
    return picture_tag(np.concatenate([large(p) for p in pictures], axis=1), alt)


def grid(pictures: UInt8[np.ndarray, "n h w c"], columns: int) -> UInt8[np.ndarray, "H W 3"]:
    """Pictures in rows."""
    cells = [large(p) for p in pictures]
    return np.concatenate([np.concatenate(cells[i : i + columns], axis=1) for i in range(0, len(cells), columns)])


def draw_together(exhibits: Sequence[Exhibit], photo: UInt8[np.ndarray, "s s 3"], drawn: UInt8[np.ndarray, "s s 3"], seed: int) -> str:
    """Two faces through each of the models, and faces that each draws from the same noise."""
    about = exhibits[0].about
    seen = np.stack([views.resize(picture, about.shape) for picture in (photo, drawn)])
    columns = [["Seen", picture_tag(seen[0], "A photo, as the models see it"), picture_tag(seen[1], "A drawn face"), ""]]
    for exhibit in exhibits:
        back = views.decode(exhibit, views.encode(exhibit, seen))
        noise = views.decode(exhibit, views.normal(exhibit, range(seed, seed + DRAWN)))
        title = html.escape(exhibit.about.title)
        columns.append(
            [
                f"{title}<small>{exhibit.about.psnr_db:.1f} dB</small>",
                *(picture_tag(picture, f"Through {title}") for picture in back),
                picture_tag(grid(noise, 3), f"{DRAWN} faces that {title} draws from noise", 3 * CELL_PX),
            ]
        )
    cells = "".join(f"<div>{column[k]}</div>" for k in range(3) for column in columns)
    noise = "".join(f"<div>{column[3] or 'Drawn from N(0, I)'}</div>" for column in columns)
    note = f"dB: mean PSNR of the reconstructions of {about.held_out:,} held-out faces."
    return f'<div class="together">{cells}{noise}</div><p class="note">{note}</p>'


def draw_sheet(exhibit: Exhibit, seed: float | None, page: int) -> str:
    """A page of dimensions, the one that carries most first; the face in the middle of each row is the same."""
    dimensions = views.order(exhibit)[page * ROWS : (page + 1) * ROWS]
    latents = views.traversal(exhibit, dimensions, start(exhibit, seed))  # (r, 7, d)
    middle = latents.shape[1] // 2
    sides = np.delete(latents, middle, axis=1).reshape(-1, latents.shape[-1])
    pictures = views.decode(exhibit, np.concatenate([latents[0, middle][None], sides]))
    face, moved = pictures[0], pictures[1:].reshape(len(dimensions), -1, *pictures.shape[1:])
    values, unit = views.importance(exhibit)
    rows = []
    for j, row in zip(dimensions, moved, strict=True):
        seven = np.insert(row, middle, face, axis=0)
        text = f"{values[j]:.2f} nats" if unit == "nats" else f"var {values[j]:.3g}"
        rows.append(f'<div class="name">z<sub>{j}</sub><small>{text}</small></div>{row_tag(seven, f"z{j} from −3 to +3 of its spread")}')
    return f'<div class="sheet"><div class="name"></div>{ENDS}{"".join(rows)}</div>'


def draw_strip(exhibit: Exhibit, seed: float | None, direction: str | None, slide: Slide | None = None) -> str:
    """The face moved along a direction, and below it as the slider moves it, where that follows the latent flow and not the direction."""
    if direction is None or direction not in exhibit.about.directions:
        return ""
    face = start(exhibit, seed)
    straight = views.decode(exhibit, views.attribute_traversal(exhibit, direction, face))
    strip = f"{row_tag(straight, f'{words(direction)} from −3 to +3 σ')}{ENDS}"
    if slide is not None:
        curved = views.decode(exhibit, face + np.stack([slide(face, strength) for strength in views.SPAN.tolist()]))
        strip += f'{row_tag(curved, f"{words(direction)} from −3 to +3 along the latent flow")}<p class="note">{FOLLOWS}</p>'
    return f'<div class="strip">{strip}</div>'


def point_pixels(exhibit: Exhibit, index: int, attribute: str | None) -> UInt8[np.ndarray, "s s c"]:
    """The face drawn at a point of the map."""
    return views.decode(exhibit, views.at_point(exhibit, index, attribute)[None])[0]


def draw_point(exhibit: Exhibit, index: int, attribute: str | None) -> tuple[str, str]:
    """The face drawn at a point of the map, and the line that says which."""
    picture = point_pixels(exhibit, index, attribute)
    label = ""
    if attribute is not None:
        has = exhibit.space.labels[index, exhibit.about.attributes.index(attribute)]
        label = f", {'with' if has else 'without'} “{words(attribute)}”"
    said = f"Point {index + 1} of {len(exhibit.space.points)}{label}. {NOBODY}"
    return picture_tag(picture, f"A face drawn at point {index + 1}", 256), html.escape(said)


# Charts ---------------------------------------------------------------------------------------------------------------


def draw_map(exhibit: Exhibit, attribute: str | None, point: int) -> str:
    """Held-out encodings on their first two principal components."""
    space = exhibit.space
    marked = None if attribute is None else space.labels[:, exhibit.about.attributes.index(attribute)] > 0
    share = space.spread[:2] ** 2 / (space.spread**2).sum()
    label = f"Encodings of {len(space.points)} held-out faces. Arrow keys walk from point to point."
    key = "" if attribute is None else f'<span class="on">● {html.escape(words(attribute))}</span> <span>● not</span> · '
    note = (
        f"{key}{len(space.points)} held-out faces on the first two principal components ({share[0]:.0%} and {share[1]:.0%} of the variance)"
    )
    return charts.scatter(space.points, marked, point, label, "latent-map-note") + f'<p class="note" id="latent-map-note">{note}</p>'


def draw_heat(exhibit: Exhibit) -> str:
    """Attributes against the dimensions that go with any of them most."""
    dimensions = views.strongest(exhibit, COLUMNS)
    if not dimensions:
        return '<p class="note">There are no labels.</p>'
    chart = charts.heat(
        exhibit.space.correlation[:, dimensions], [words(a) for a in exhibit.about.attributes], [f"z{j}" for j in dimensions]
    )
    note = f"Pearson r over {exhibit.about.encoded:,} train faces, the strongest dimensions first; point at a cell to read it."
    return f'{chart}<p class="note"><span class="on">● r &gt; 0</span> <span class="off">● r &lt; 0</span> · {note}</p>'


def draw_facts(exhibit: Exhibit, direction: str | None) -> str:
    """Estimator, AUROC, and what else a move along the direction changes."""
    if direction is None or direction not in exhibit.about.directions:
        return '<p class="note">There are no labels, so no direction.</p>'
    finding = exhibit.about.directions[direction]
    how = ESTIMATORS.get(finding.estimator, "")
    others = sorted((a for a in finding.leakage if a != direction), key=lambda a: -abs(finding.leakage[a]))[:OTHERS]
    shown = {words(a): finding.leakage[a] for a in [direction, *others] if a in finding.leakage}
    label = f"Change of the judge's logits at +2 σ of {words(direction)}: " + ", ".join(
        f"{name} {value:+.2f}" for name, value in shown.items()
    )
    return (
        f"<p><b>Method: {html.escape(finding.estimator)}</b>{': ' + how if how else ''}.</p>"
        f"<p><b>AUROC {finding.auroc:.2f}</b> on held-out faces: how well the place along it tells who has the label (0.5 is chance).</p>"
        f"<p><b>Leakage</b>: what +2 σ changes, in the eyes of a classifier of another seed "
        f"(mean of {exhibit.about.judged} faces, in the spread of each logit; the {len(others)} largest).</p>"
        + charts.bars(shown, words(direction), label)
    )


def draw_curves(exhibit: Exhibit) -> str:
    """Training statistics over images seen."""
    curves = exhibit.about.curves
    if not curves:
        return '<p class="note">Fitted in closed form: there was nothing to train in steps.</p>'
    plots = []
    for title, names in (
        ("Distortion, nats per image", ("distortion", "valid_distortion")),
        ("Rate, nats per image", ("rate", "valid_rate")),
        ("PSNR of held-out faces, dB", ("valid_psnr_db",)),
    ):
        rows = {name.replace("_", " "): curves[name] for name in names if name in curves}
        if rows and any(any(row) for row in rows.values()):
            plots.append(charts.lines(title, curves["nimg"], rows))
    return "".join(plots) + f'<p class="note">Solid: train; dashed: held-out faces.{recorded_part(curves)}</p>'


def recorded_part(curves: Mapping[str, Sequence[float]]) -> str:
    """What to know where only the end of training was recorded; the rate of held-out faces stands still while the encoder does."""
    if curves["nimg"][0] < curves["nimg"][-1] / 2:
        return ""
    if len(set(curves.get("valid_rate", ()))) != 1:
        return " Recorded is only the last part."
    return " Recorded is only the last part, in which the decoder alone learned: to draw sharper, which costs some PSNR."
