"""Accuracy of face finding and alignment, on moved CelebA frames and faceless pictures."""

import csv
import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import UInt8
from skimage import data as pictures
from tqdm import tqdm

from facevae.editor import Editor
from facevae.photo import alignment, finding, images
from facevae.photo.alignment import REFERENCE_POINTS, Alignment, Square, pixel_map, refine_alignments
from facevae.photo.finding import find_faces
from train.data.prepared import CELEBA_CROP_PX, Listing
from train.networks.aligner import CELEBA_FRAME_PX
from train.vae.sample_sheets import tile

CANVAS_PX = 480
FACELESS = ("coffee", "chelsea", "rocket", "text", "coins")
ASTRONAUT_TURNS_DEG = (-25, -15, -8, 0, 8, 15, 25)
ASTRONAUT_SCALES = (0.5, 0.7, 1.0, 1.4, 2.0)
ASTRONAUT_GAINS = (0.6, 1.0, 1.3)
SHEET_CELL_PX = 96


def evaluate_alignment(editor: Editor, listing: Listing, split: int = 1, faces: int = 400) -> dict[str, Any]:
    """Errors in % of the eye distance and degrees, of the whole way, of the net alone from rough starts, and of Haar's boxes alone.

    Frames of the partition are turned by up to ±35°, scaled 0.7 to 2 times and moved on a canvas of 480 px; the net alone
    starts up to 0.45 crop sides, ±35° and a factor of 2 off.
    """
    rng = np.random.default_rng(11)
    members = np.flatnonzero(listing.split == split)
    members = rng.permutation(members)[:faces]
    rows: dict[str, list[tuple[float, float] | None]] = {"pipeline": [], "net": [], "haar": [], "start": []}
    for member in tqdm(members, desc="alignment", unit="img", mininterval=10):
        photo, truth = place_frame(cv2.cvtColor(cv2.imread(str(listing.files[member])), cv2.COLOR_BGR2RGB), rng)
        found = find_faces(photo, editor.aligner, editor.finder)
        rows["pipeline"].append(min((errors(face, truth) for face in found), default=None))
        rows["haar"].append(haar_alone(photo, truth))
        start = rough_start(truth, rng)
        rows["start"].append(errors(start, truth))
        rows["net"].append(errors(refine_alignments(photo, [start], editor.aligner)[0], truth))
    return {
        "n": len(members),
        "celeba": {name: summary(row) for name, row in rows.items()},
        **evaluate_pictures(editor),
    }


def evaluate_pictures(editor: Editor) -> dict[str, Any]:
    """Of 105 variants of scikit-image's astronaut those whose face is found and lies right; faces reported where there are none."""
    photo = pictures.astronaut()
    truth = find_faces(photo, editor.aligner, editor.finder)
    if not truth:
        return {"astronaut": {"n": 105, "found": 0, "haar": 0}, "faceless": {}}
    found, haar, wrong = 0, 0, []
    for turn in ASTRONAUT_TURNS_DEG:
        for scale in ASTRONAUT_SCALES:
            for gain in ASTRONAUT_GAINS:
                variant, moved = vary(photo, truth[0], turn, scale, gain)
                best = min((errors(face, moved) for face in find_faces(variant, editor.aligner, editor.finder)), default=(math.inf, 0.0))
                found += best[0] < 25
                if best[0] >= 25:
                    wrong.append([turn, scale, gain, round(min(best[0], 999.0), 1)])
                boxes = haar_alone(variant, moved)
                haar += boxes is not None and boxes[0] < 100
    faceless = {name: len(find_faces(as_rgb(getattr(pictures, name)()), editor.aligner, editor.finder)) for name in FACELESS}
    false_boxes = {name: sum(len(look) for look in first_looks(as_rgb(getattr(pictures, name)()))) for name in FACELESS}
    return {
        "astronaut": {"n": 105, "found": found, "haar": haar, "missed": wrong},
        "faceless": {name: {"faces": faceless[name], "haar": false_boxes[name]} for name in FACELESS},
    }


def evaluate_photos(editor: Editor, folder: Path, sheets: Path) -> dict[str, dict[str, float]]:
    """How many of LFW's and FairFace's photos show a face, by their groups: upright, and turned by 90, 180 or 270° in turn.

    Sheets of all upright crops go to `sheets`, never into the project.
    """
    groups: dict[str, list[Path]] = {"LFW": sorted((folder / "lfw").rglob("*.jpg"))}
    with (folder / "fairface" / "labels.csv").open() as file:
        for row in csv.DictReader(file):
            groups.setdefault(f"{row['race']} {row['gender']}", []).append(folder / "fairface" / row["file"])
    sheets.mkdir(parents=True, exist_ok=True)
    table = {}
    for group, files in groups.items():
        cells, found, turned, sure = [], 0, 0, []
        for number, file in enumerate(files):
            photo = images.open_photo(file).pixels
            faces = find_faces(photo, editor.aligner, editor.finder)
            found += bool(faces)
            turned += bool(find_faces(np.ascontiguousarray(np.rot90(photo, 1 + number % 3)), editor.aligner, editor.finder))
            sure += [face.confidence for face in faces[:1]]
            cells.append(
                alignment.crop(photo, faces[0], SHEET_CELL_PX) if faces else np.full((SHEET_CELL_PX, SHEET_CELL_PX, 3), 40, np.uint8)
            )
        images_sheet = tile(np.stack(cells), columns=10)
        cv2.imwrite(str(sheets / f"{group.replace(' ', '-')}.png"), images_sheet[:, :, ::-1])
        table[group] = {"n": len(files), "found": found, "turned": turned, "confidence": round(float(np.mean(sure)), 3) if sure else 0.0}
    return table


def place_frame(frame: UInt8[np.ndarray, "h w 3"], rng: np.random.Generator) -> tuple[UInt8[np.ndarray, "s s 3"], Alignment]:
    """A CelebA frame, turned, scaled and moved on a canvas, its border repeated; and where its training crop lies then."""
    scale, turn = math.exp(rng.uniform(math.log(0.7), math.log(2.0))), math.radians(rng.uniform(-35, 35))
    x, y = CANVAS_PX / 2 + rng.uniform(-0.12, 0.12, 2) * CANVAS_PX
    width, height = CELEBA_FRAME_PX
    to_canvas = Square(x, y, scale, turn).inverse()  # frame pixels about its middle -> canvas
    to_canvas[:, 2] += to_canvas[:, :2] @ (0.5 - width / 2, 0.5 - height / 2)
    index_map = pixel_map(to_canvas)
    flags = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    canvas = cv2.warpAffine(frame, index_map, (CANVAS_PX, CANVAS_PX), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    side = CELEBA_CROP_PX
    to_crop = np.array([[1 / side, 0, 0], [0, 1 / side, -(height - side) / 2 / side]])
    back = cv2.invertAffineTransform(to_canvas)
    return canvas, Alignment(to_crop @ np.vstack([back, [0, 0, 1]]), found=True)


def rough_start(truth: Alignment, rng: np.random.Generator) -> Alignment:
    """A window that is off by up to 0.45 sides, a factor of 2 and 35°."""
    x, y = rng.uniform(-0.45, 0.45, 2)
    off = Square(0.5 + x, 0.5 + y, math.exp(rng.uniform(-1, 1) * math.log(2)), math.radians(rng.uniform(-35, 35)))
    return Alignment(off.matrix() @ np.vstack([truth.matrix, [0, 0, 1]]), found=True)


def errors(face: Alignment, truth: Alignment) -> tuple[float, float]:
    """Mean distance of eyes and mouth in % of the eye distance, and the angle in degrees."""
    right, said = (a.in_photo(REFERENCE_POINTS) for a in (truth, face))
    eye_distance = np.linalg.norm(right[0] - right[1])
    turns = [math.degrees(math.atan2(a.matrix[0, 1], a.matrix[0, 0])) for a in (face, truth)]
    return float(100 * np.linalg.norm(said - right, axis=1).mean() / eye_distance), abs((turns[0] - turns[1] + 180) % 360 - 180)


def first_looks(photo: UInt8[np.ndarray, "h w 3"]) -> list[list[Square]]:
    """Boxes of the upright picture, cascade by cascade, placed as crops in the picture that was looked at."""
    looks = finding.proposals(cv2.cvtColor(alignment.shrunk(photo, finding.MAX_DETECT_PX), cv2.COLOR_RGB2GRAY))
    return [next(looks) for _ in range(3)]


def haar_alone(photo: UInt8[np.ndarray, "h w 3"], truth: Alignment) -> tuple[float, float] | None:
    """Errors of the box nearest to the truth in the first look that has any, without the net."""
    shrink = min(1.0, finding.MAX_DETECT_PX / max(photo.shape[:2]))
    grey = cv2.cvtColor(alignment.shrunk(photo, finding.MAX_DETECT_PX), cv2.COLOR_RGB2GRAY)
    for squares in finding.proposals(grey):
        if squares:
            return min(errors(Alignment(square.matrix() * (shrink, shrink, 1), found=True), truth) for square in squares)
    return None


def vary(
    photo: UInt8[np.ndarray, "h w 3"], truth: Alignment, turn_deg: float, scale: float, gain: float
) -> tuple[UInt8[np.ndarray, "h2 w2 3"], Alignment]:
    """The photo turned about its middle, scaled, and brighter or darker; and where its face is then."""
    height, width = photo.shape[:2]
    size = (round(width * scale), round(height * scale))
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), -turn_deg, 1.0)
    matrix *= scale
    index_map = pixel_map(matrix)
    flags = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    turned = cv2.warpAffine(photo, index_map, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    back = cv2.invertAffineTransform(matrix)
    return np.rint((turned * gain).clip(0, 255)).astype(np.uint8), Alignment(truth.matrix @ np.vstack([back, [0, 0, 1]]), found=True)


def as_rgb(picture: np.ndarray) -> UInt8[np.ndarray, "h w 3"]:
    """Grey as colour."""
    return np.repeat(picture[:, :, None], 3, axis=2) if picture.ndim == 2 else np.ascontiguousarray(picture[:, :, :3])


def summary(rows: list[tuple[float, float] | None]) -> dict[str, float]:
    """Share found (a face within an eye distance), and of these median and 95th percentile of the error, and the median angle."""
    near = np.array([row for row in rows if row is not None and row[0] < 100])
    if not len(near):
        return {"found": 0.0}
    return {
        "found": round(len(near) / len(rows), 4),
        "error_median": round(float(np.median(near[:, 0])), 2),
        "error_95": round(float(np.percentile(near[:, 0], 95)), 2),
        "turn_deg_median": round(float(np.median(near[:, 1])), 2),
    }


def print_alignment(section: dict[str, Any]) -> None:
    """The tables of the section."""
    print(f"\nFaces found and put right, {section['n']} turned and moved CelebA frames; errors in % of the eye distance")
    print(f"{'':12}{'found':>8}{'median':>9}{'95 %':>9}{'angle, °':>10}")
    for name, row in section["celeba"].items():
        print(f"{name:12}" + "".join(f"{row[key]:{width}.2f}" for key, width in zip(row, (8, 9, 9, 10), strict=False)))
    astronaut = section["astronaut"]
    print(f"astronaut: {astronaut['found']} of {astronaut['n']} variants, {astronaut['haar']} by Haar's boxes alone")
    print(
        "faces seen where there is none (boxes of Haar): "
        + ", ".join(f"{k} {v['faces']} ({v['haar']})" for k, v in section["faceless"].items())
    )
    for name, row in section.get("photos", {}).items():
        print(f"{name:24}{row['found']:5}, turned {row['turned']:4} of {row['n']:4}   mean confidence {row['confidence']:.3f}")
