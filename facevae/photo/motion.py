"""Dense correspondences between two faces: a smooth motion that lays parts onto parts.

Both faces meet halfway (Liao et al., Automating Image Morphing Using Structural Similarity on a Halfway Domain, 2014): a point x of
the halfway grid lies at x - w(x) in the first face and at x + w(x) in the second, and at x + (2t - 1) w(x) in the morph at share t.
One field w gives the maps for every t, and swapping the faces only turns its sign.

The field starts with the affine motion of eyes, brows and mouth and follows the gradients of the parts' shares, and a little of
the light, from coarse to fine: Lucas and Kanade's least squares in small windows, smoothed after each step.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from facevae.nets.parser import PARTS
from facevae.photo.alignment import Alignment, compose, crop
from facevae.photo.ovals import smooth_step
from facevae.photo.parts import WIDE, Parser, Shares, parse_photo, share_of

GRID_PX = 256
"""Of the grid over the window `WIDE`: 128 in a crop side."""
UNIT = GRID_PX / WIDE.side
ORIGIN = np.array([WIDE.x - WIDE.side / 2, WIDE.y - WIDE.side / 2])
"""The grid's top left, in crop sides."""
FEATURES = {"lips": 2.5, "mouth": 1.0, "eyes": 2.5, "brows": 1.2}
OUTLINES = {"hair": 0.35, "neck": 0.15, "clothes": 0.15}
"""How much each part counts. Hair and clothes weigh little: they lie where they like, and would pull the face along."""
FACE, FACE_WEIGHT = ("skin", "brows", "eyes", "glasses", "lips", "mouth"), 0.7
LIGHT_WEIGHT, LIGHT_SIGMA, LIGHT_FLOOR = 0.7, 8.0, 8.0  # of the contrast, in px of the grid and in levels
SLIPPED = 0.012  # crop sides: eyes or lips further apart after all than this have been pulled away by something else
LEVELS = ((8, 20, 2.0), (4, 30, 2.0), (2, 15, 1.5), (1, 8, 1.5))
"""How much smaller the grid is, steps there, and sigma of the smoothing after each, in px of the smaller grid."""
WINDOW, DAMPING = 1.5, 0.02  # of the least squares: sigma in px, and what keeps flat places still
LEAST_SHARE, LEAST_MASS, LEAST_APART = 0.3, 4.0, 0.05  # of a part that has a place; eyes nearer than this, in crop sides, are one
NEAR, FAR = 0.35, 0.9  # crop sides from the middle of the face, between which the affine start fades out
SETTLED = 0.06  # crop sides: around the middle of a part, how far it is moved with it
LEAST_JACOBIAN, ROUNDS = 0.12, 40
INVERSE_STEPS = 6
EDGE = 0.1  # of the grid, in which the motion fades to none

Field = Float32[np.ndarray, "g g 2"]


@dataclass(frozen=True, eq=False)
class FaceGrid:
    """A face on the grid: its pixels, its parts, and 1 where its photo has pixels."""

    pixels: UInt8[np.ndarray, "g g 3"]
    shares: Shares
    covered: Float32[np.ndarray, "g g"]


def read_grid(photo: UInt8[np.ndarray, "h w 3"], alignment: Alignment, parser: Parser) -> FaceGrid:
    """Parse the photo around a face."""
    view = Alignment(compose(WIDE.matrix(), alignment.matrix), found=alignment.found)
    parts = parse_photo(photo, alignment, parser)
    points = here() / UNIT + (ORIGIN + 0.5 / UNIT)  # in crop sides
    in_photo = alignment.in_photo(points.reshape(-1, 2).astype(np.float64)).reshape(points.shape)
    covered = ((in_photo > 0) & (in_photo < photo.shape[1::-1])).all(axis=2).astype(np.float32)
    size = parts.shares.shape[-1]
    start = (parts.window.x - parts.window.side / 2, parts.window.y - parts.window.side / 2)
    at = ((points - start) * (size / parts.window.side) - 0.5).astype(np.float32)
    blur = size / parts.window.side / UNIT / 2
    shares = np.stack([sample(cv2.GaussianBlur(share, (0, 0), blur), at) for share in parts.shares])
    return FaceGrid(crop(photo, view, GRID_PX), shares, covered)


def find_motion(a: FaceGrid, b: FaceGrid) -> Field:
    """The field w, in px of the grid; 0 everywhere where no motion without folds is found."""
    start = affine_start(a.shares, b.shares)
    best, least = still_at_edge(start), np.inf
    for outlines in (True, False):  # a fringe that only one face has can pull eyes upwards: then outlines do not count
        both = (features(face, outlines) for face in (a, b))
        field = still_at_edge(follow_parts(start, *both, a.covered, b.covered))
        error = misfit(field, a.shares, b.shares)
        if error < least:
            best, least = field, error
        if error <= SLIPPED:
            break
    return settle(best, a.shares, b.shares)


def still_at_edge(field: Field) -> Field:
    """Without folds, and fading out towards the border of the grid."""
    edge = np.minimum(np.arange(GRID_PX) + 0.5, GRID_PX - 0.5 - np.arange(GRID_PX)) / (EDGE * GRID_PX)
    edge = smooth_step(edge, 0.0, 1.0)
    return unfold(field * (edge[:, None] * edge[None, :])[:, :, None])


def misfit(field: Field, a: Shares, b: Shares) -> float:
    """How far eyes and lips of both faces still are from each other, the worst of them, in crop sides."""
    before, (first, last) = part_middles(a).keys() & part_middles(b).keys(), moved_middles(field, a, b)
    gaps = [
        np.linalg.norm(first[name] - last[name]) if name in first and name in last else np.inf
        for name in before
        if not name.endswith("brows")
    ]
    return float(max(gaps, default=0.0)) / UNIT


def settle(field: Field, a: Shares, b: Shares) -> Field:
    """The field with the middles of eyes and lips exactly on each other: what the least squares leave of their distance is taken out."""
    for _ in range(2):
        first, last = moved_middles(field, a, b)
        for name in first.keys() & last.keys():
            if not name.endswith("brows"):
                gap, middle = (first[name] - last[name]) / 2, (first[name] + last[name]) / 2
                near = np.exp(-((here() - middle) ** 2).sum(axis=2) / (2 * (SETTLED * UNIT) ** 2))
                field = field - near[:, :, None] * gap.astype(np.float32)
    return unfold(field.astype(np.float32))


def moved_middles(field: Field, a: Shares, b: Shares) -> list[dict[str, np.ndarray]]:
    """The middles of the parts of both faces in the halfway grid."""
    return [part_middles(np.stack([sample(share, here() + side * field) for share in shares])) for shares, side in ((a, -1), (b, 1))]


def halfway(field: Field, t: float) -> Float32[np.ndarray, "g g 2"]:
    """Where in the halfway grid each point of the morph at share t lies: x with x + (2t - 1) w(x) = y."""
    start, turn = here(), np.float32(2 * t - 1)
    moved = field
    for _ in range(INVERSE_STEPS):  # converges where nothing folds
        moved = sample(field, start - turn * moved)
    return start - turn * moved


def features(face: FaceGrid, outlines: bool) -> Float32[np.ndarray, "g g c"]:
    """What is laid onto each other: shares of parts, each with its weight, and the light inside the face without its large-scale part."""
    skin = share_of(face.shares, FACE)
    grey = cv2.cvtColor(face.pixels, cv2.COLOR_RGB2GRAY).astype(np.float32)
    light = fine_light(grey, LIGHT_SIGMA, LIGHT_FLOOR) * skin
    weights = FEATURES | OUTLINES if outlines else FEATURES
    parts = [face.shares[PARTS.index(name)] * weight for name, weight in weights.items()]
    return np.dstack([*parts, light * LIGHT_WEIGHT, *([skin * FACE_WEIGHT] if outlines else [])])


def fine_light(grey: Float32[np.ndarray, "s s"], sigma_px: float, floor: float) -> Float32[np.ndarray, "s s"]:
    """The light without its large-scale part, over the contrast nearby, from -1 to 1; below the floor contrast is noise."""
    detail = grey - cv2.GaussianBlur(grey, (0, 0), sigma_px)
    contrast = np.sqrt(cv2.GaussianBlur(detail * detail, (0, 0), sigma_px))
    return (detail / (contrast + floor) / 3).clip(-1, 1)


def follow_parts(
    start: Field,
    a: Float32[np.ndarray, "g g c"],
    b: Float32[np.ndarray, "g g c"],
    covered_a: Float32[np.ndarray, "g g"],
    covered_b: Float32[np.ndarray, "g g"],
) -> Field:
    """The field that lays the features of both faces onto each other; `start` is kept where nothing tells otherwise."""
    added = np.zeros_like(start)
    for shrink, steps, sigma in LEVELS:
        size = GRID_PX // shrink
        fa, fb = (shrunk(cv2.GaussianBlur(f, (0, 0), 0.6 * shrink), size) for f in (a, b))
        ca, cb = (shrunk(covered, size) for covered in (covered_a, covered_b))
        base, added = (shrunk(field, size) / shrink for field in (start, added))
        grid = here(size)
        for _ in range(steps):
            to_a, to_b = grid - (base + added), grid + (base + added)
            step = least_squares(sample(fa, to_a), sample(fb, to_b), sample(ca, to_a) * sample(cb, to_b))
            added = cv2.GaussianBlur(added + step, (0, 0), sigma)
        added = cv2.resize(added, (GRID_PX, GRID_PX), interpolation=cv2.INTER_CUBIC) * shrink
    return start + added


def least_squares(a: Float32[np.ndarray, "h w c"], b: Float32[np.ndarray, "h w c"], seen: Float32[np.ndarray, "h w"]) -> np.ndarray:
    """The step of w, at most 1 px on each axis, that best explains a - b nearby, (h, w, 2)."""
    both, difference = a + b, a - b
    dx, dy = (cv2.Sobel(both, cv2.CV_32F, x, 1 - x, ksize=3, scale=1 / 8) for x in (1, 0))
    products = (dx * dx, dx * dy, dy * dy, dx * difference, dy * difference)
    sums = cv2.GaussianBlur(np.dstack([p.sum(axis=2) for p in products]) * seen[:, :, None], (0, 0), WINDOW)
    xx, xy, yy, xd, yd = cv2.split(sums)
    xx, yy = xx + DAMPING, yy + DAMPING
    step = np.dstack([yy * xd - xy * yd, xx * yd - xy * xd]) / (xx * yy - xy * xy)[:, :, None]
    return step.clip(-1, 1)


def affine_start(a: Shares, b: Shares) -> Field:
    """The affine motion that lays the middles of eyes, brows and lips onto each other, near the face; 0 where too few have one."""
    middles_a, middles_b = part_middles(a), part_middles(b)
    common = [name for name in middles_a if name in middles_b]
    if len(common) < 3 or "lips" not in common:
        return np.zeros((GRID_PX, GRID_PX, 2), np.float32)
    ends = np.stack([[middles[name] for name in common] for middles in (middles_a, middles_b)])  # (2, n, 2)
    middle, half = ends.mean(axis=0), (ends[1] - ends[0]) / 2
    matrix, *_ = np.linalg.lstsq(np.hstack([middle, np.ones((len(common), 1))]), half, rcond=None)  # (3, 2)
    away = np.linalg.norm(here() - middle.mean(axis=0), axis=2) / UNIT
    near = smooth_step(-away, -FAR, -NEAR)
    return (cv2.transform(here(), matrix.T) * near[:, :, None]).astype(np.float32)


def part_middles(shares: Shares) -> dict[str, np.ndarray]:
    """Where the parts that have a place in the crop are, in px of the grid; those of one side of the face by side."""
    left, top = np.rint((0.05 - ORIGIN) * UNIT).astype(int)
    right, bottom = np.rint((0.95 - ORIGIN) * UNIT).astype(int)
    place = here()[top:bottom, left:right]

    def middle(share: np.ndarray) -> np.ndarray | None:
        mass = share.sum()
        return (place * share[:, :, None]).sum((0, 1)) / mass if mass > LEAST_MASS else None

    found, centre = {}, None
    for name, parts in (("eyes", ("eyes",)), ("eyes", ("eyes", "glasses")), ("brows", ("brows",))):  # dark glasses hide eyes
        if f"left {name}" in found:
            continue
        share = share_of(shares, parts)[top:bottom, left:right]
        share = np.where(share > LEAST_SHARE, share, 0)
        both = middle(share)
        if both is None:
            continue
        centre = both[0] if centre is None else centre
        sides = [middle(share * side) for side in (place[..., 0] < centre, place[..., 0] >= centre)]
        if sides[0] is not None and sides[1] is not None and sides[1][0] - sides[0][0] > LEAST_APART * UNIT:
            found |= {f"left {name}": sides[0], f"right {name}": sides[1]}
        elif name == "eyes":  # one eye is no centre of the face
            centre = None
    lips = share_of(shares, ("lips", "mouth"))[top:bottom, left:right]
    lips = middle(np.where(lips > LEAST_SHARE, lips, 0))
    return found if lips is None else found | {"lips": lips}


def unfold(
    field: Float32[np.ndarray, "h w 2"],
    area: Callable[[Float32[np.ndarray, "h w 2"]], Float32[np.ndarray, "h w"]] | None = None,
    least: float = LEAST_JACOBIAN,
) -> Float32[np.ndarray, "h w 2"]:
    """The field, smoothed where a face would be folded or nearly torn by it, which `area` tells, that of each pixel; on the way to either
    end where it is not given. 0 where that does not help."""
    area = area or least_jacobian
    for _ in range(ROUNDS):
        folded = (area(field) < least).astype(np.float32)
        if not folded.any():
            return field
        near = cv2.GaussianBlur(cv2.dilate(folded, np.ones((11, 11))), (0, 0), 2.5)
        field = field + near[:, :, None] * (cv2.GaussianBlur(field, (0, 0), 3) - field)
    return np.zeros_like(field)


def least_jacobian(field: Field) -> Float32[np.ndarray, "g g"]:
    """The smaller determinant of the Jacobians of x - w(x) and x + w(x): how much of a pixel's area is left."""
    dx, dy = np.gradient(field, axis=1), np.gradient(field, axis=0)
    trace, determinant = dx[..., 0] + dy[..., 1], dx[..., 0] * dy[..., 1] - dx[..., 1] * dy[..., 0]
    return 1 - np.abs(trace) + determinant


def here(height: int = GRID_PX, width: int = 0) -> Float32[np.ndarray, "h w 2"]:
    """The indices of a grid, x first; a square one where no width is given."""
    y, x = np.mgrid[:height, : width or height].astype(np.float32)
    return np.dstack([x, y])


def sample(x: Float32[np.ndarray, "h w ..."], at: Float32[np.ndarray, "y x 2"]) -> Float32[np.ndarray, "y x ..."]:
    """Bilinear, its border repeated."""
    return cv2.remap(x, at, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def shrunk(x: Float32[np.ndarray, "h w ..."], height: int, width: int = 0) -> Float32[np.ndarray, "y x ..."]:
    """Means of areas, at a coarser grid; a square one where no width is given."""
    return cv2.resize(x, (width or height, height), interpolation=cv2.INTER_AREA)
