"""Toy faces drawn by code: labelled data for tests, and for a first try without any photo."""

from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw
from tqdm import tqdm

from facevae.files import write_json
from train.data.prepared import FORMAT

# CelebA's names. All factors are drawn independently of each other, but for the hair colours, of which a
# face has at most one (red hair has no name in CelebA).
HAIR_COLOURS = {
    "Black_Hair": (28, 24, 26),
    "Brown_Hair": (104, 66, 40),
    "Blond_Hair": (232, 200, 118),
    "Gray_Hair": (166, 168, 172),
    "": (176, 74, 40),
}
SHARES = {
    "Smiling": 0.5,
    "Male": 0.5,
    "Young": 0.6,
    "Eyeglasses": 0.25,
    "Pale_Skin": 0.3,
    "Chubby": 0.3,
    "Bangs": 0.3,
    "Mustache": 0.2,
    "Wearing_Lipstick": 0.3,
}
ATTRIBUTES = sorted([*SHARES, *(name for name in HAIR_COLOURS if name)])
FACTORS = ["Smiling", "Hair_Colour", "Eyeglasses", "Half_Width", "Skin_Tone", "Rotation_Deg"]
SUPERSAMPLE = 3
CELEBA_WIDTH_PX, CELEBA_HEIGHT_PX = 178, 218
Colour = tuple[int, int, int]


def draw_faces(n: int, size: int, seed: int) -> tuple[UInt8[np.ndarray, "n s s 3"], UInt8[np.ndarray, "n a"], list[str]]:
    """Pictures, labels of 0 and 1, and the attributes' names; face i depends on (seed, i) and not on n."""
    pictures = np.empty((n, size, size, 3), np.uint8)
    labels = np.empty((n, len(ATTRIBUTES)), np.uint8)
    for i in range(n):
        pictures[i], labels[i] = draw_face(size, seed, i)
    return pictures, labels, list(ATTRIBUTES)


def draw_factors(n: int, size: int, seed: int) -> tuple[UInt8[np.ndarray, "n s s 3"], Float[np.ndarray, "n f"], list[str]]:
    """The pictures of `draw_faces`, the true factors that made them, and the factors' names; see `draw_with_factors`."""
    pictures = np.empty((n, size, size, 3), np.uint8)
    factors = np.empty((n, len(FACTORS)))
    for i in range(n):
        pictures[i], _, factors[i] = draw_with_factors(size, seed, i)
    return pictures, factors, list(FACTORS)


def draw_face(size: int, seed: int, index: int) -> tuple[UInt8[np.ndarray, "s s 3"], UInt8[np.ndarray, " a"]]:
    """One face, eyes and mouth about where CelebA's centre crop has them, and its labels."""
    picture, labels, _ = draw_with_factors(size, seed, index)
    return picture, labels


def draw_with_factors(
    size: int, seed: int, index: int
) -> tuple[UInt8[np.ndarray, "s s 3"], UInt8[np.ndarray, " a"], Float[np.ndarray, " f"]]:
    """A face, its labels, and its factors in the order of `FACTORS`.

    Smiling and glasses are 0 or 1; hair is its place in `HAIR_COLOURS`; the half width is a share of the picture's side;
    the skin's tone is its luma (ITU-R 601) from 0 to 1; the rotation is in degrees, anticlockwise. All are drawn
    independently of each other.
    """
    if size < 8:
        raise ValueError(f"size {size} is below 8 px, the least in which a face can be told")
    rng = np.random.default_rng((seed, index))
    has = {name: bool(rng.random() < share) for name, share in SHARES.items()}
    hair_name = list(HAIR_COLOURS)[rng.integers(len(HAIR_COLOURS))]
    has |= {name: name == hair_name for name in HAIR_COLOURS if name}

    background = tuple(int(v) for v in rng.integers(40, 236, 3))
    pen = Pen(size * SUPERSAMPLE, background)
    half, skin = draw_head(pen, rng, has, near(rng, HAIR_COLOURS[hair_name], 8))
    # Unlabelled variation: a small turn and a shift of the whole head.
    angle_deg = rng.uniform(-9, 9)
    turned = pen.image.rotate(
        angle_deg,
        Image.Resampling.BICUBIC,
        translate=tuple(int(v) for v in rng.uniform(-0.03, 0.03, 2) * pen.side),
        fillcolor=background,
    )
    picture = np.asarray(turned.resize((size, size), Image.Resampling.BOX))
    tone = sum(share * level for share, level in zip((0.299, 0.587, 0.114), skin, strict=True)) / 255
    factors = [has["Smiling"], list(HAIR_COLOURS).index(hair_name), has["Eyeglasses"], half, tone, angle_deg]
    return picture, np.array([has[name] for name in ATTRIBUTES], np.uint8), np.array(factors, float)


def draw_head(pen: "Pen", rng: np.random.Generator, has: dict[str, bool], hair: Colour) -> tuple[float, Colour]:
    """Hair, head, and face from back to front; lengths are shares of the picture's side. Gives half the width and the skin's colour."""
    skin = (246, 228, 216) if has["Pale_Skin"] else blend((226, 172, 134), (120, 78, 54), rng.uniform(0, 1))
    skin = near(rng, skin, 5)
    shade = blend(skin, (60, 30, 24), 0.28)
    half = rng.uniform(0.305, 0.335) if has["Chubby"] else rng.uniform(0.225, 0.26)  # half the width of the head
    chin, eye_y, eye_x, mouth_y = rng.uniform(0.9, 0.94), 0.5, rng.uniform(0.108, 0.122), rng.uniform(0.735, 0.755)

    # Behind the head: a body, and hair that is long or short.
    pen.ellipse(0.5, 1.14, 0.42, 0.2, near(rng, (90, 100, 130), 60))
    if not has["Male"]:
        pen.ellipse(0.5, 0.52, half + 0.09, 0.44, hair)
        pen.rectangle(0.5 - half - 0.09, 0.5, 0.5 + half + 0.09, 1.0, hair)
    pen.rectangle(0.42, 0.8, 0.58, 1.02, shade)
    pen.ellipse(0.5, 0.4, half + 0.035, 0.31, hair)
    for side in (-1, 1):
        pen.ellipse(0.5 + side * half, 0.55, 0.03, 0.06, shade)
    pen.ellipse(0.5, (0.2 + chin) / 2, half, (chin - 0.2) / 2, skin)

    # Fringe: a cap of hair down to the brows, or a parted hairline above a free forehead.
    if has["Bangs"]:
        pen.cap(0.5, 0.44, half, 0.31, 0.42, hair)
    else:
        pen.cap(0.5, 0.44, half, 0.31, rng.uniform(0.2, 0.25), hair)

    # Eyes and brows.
    iris = near(rng, (86, 84, 80), 45)
    brow = blend(hair, (40, 30, 26), 0.45)
    for side in (-1, 1):
        x = 0.5 + side * eye_x
        pen.ellipse(x, eye_y, 0.052, 0.027, (250, 250, 248))
        pen.ellipse(x, eye_y, 0.026, 0.026, iris)
        pen.ellipse(x, eye_y, 0.012, 0.012, (12, 12, 14))
        pen.curve(x, eye_y - 0.028, 0.055, -0.012, 0.011, (40, 28, 26))
        pen.curve(x, eye_y - 0.065, 0.062, -0.015, 0.024 if has["Male"] else 0.012, brow)
        if not has["Young"]:
            pen.curve(x, eye_y + 0.055, 0.05, 0.014, 0.009, shade)  # bags under the eyes
            pen.line([(0.5 + side * 0.075, 0.645), (0.5 + side * 0.125, 0.735)], 0.011, shade)  # folds beside the nose
    if not has["Young"] and not has["Bangs"]:
        for y in (0.335, 0.37):
            pen.curve(0.5, y, 0.12, -0.012, 0.008, shade)
    pen.line([(0.5, 0.53), (0.475, 0.635), (0.515, 0.642)], 0.012, shade)

    # Mouth: corners up and teeth, or straight to a little sad.
    lips = (196, 30, 62) if has["Wearing_Lipstick"] else blend(skin, (150, 60, 60), 0.55)
    if has["Smiling"]:
        pen.smile(0.5, mouth_y - 0.02, rng.uniform(0.1, 0.125), rng.uniform(0.06, 0.08), lips)
    else:
        pen.curve(0.5, mouth_y, rng.uniform(0.07, 0.09), rng.uniform(-0.014, 0.003), 0.03, lips)
    if has["Mustache"]:
        pen.curve(0.5, mouth_y - 0.05, 0.1, -0.03, 0.04, blend(hair, (30, 24, 22), 0.3))
    if has["Eyeglasses"]:
        frame = near(rng, (30, 30, 36), 15)
        for side in (-1, 1):
            pen.ring(0.5 + side * eye_x, eye_y + 0.005, 0.085, 0.066, 0.016, frame)
            pen.line([(0.5 + side * (eye_x + 0.085), eye_y), (0.5 + side * half, eye_y - 0.015)], 0.014, frame)
        pen.line([(0.5 - eye_x + 0.085, eye_y), (0.5 + eye_x - 0.085, eye_y)], 0.014, frame)
    return half, skin


class Pen:
    """Pillow's drawing in shares of the side of a square picture; x to the right, y down."""

    def __init__(self, side: int, background: Colour) -> None:
        self.side = side
        self.image = Image.new("RGB", (side, side), background)
        self.draw = ImageDraw.Draw(self.image)

    def box(self, left: float, top: float, right: float, bottom: float) -> tuple[float, ...]:
        return tuple(v * self.side for v in (left, top, right, bottom))

    def ellipse(self, x: float, y: float, rx: float, ry: float, fill: Colour) -> None:
        self.draw.ellipse(self.box(x - rx, y - ry, x + rx, y + ry), fill=fill)

    def rectangle(self, left: float, top: float, right: float, bottom: float, fill: Colour) -> None:
        self.draw.rectangle(self.box(left, top, right, bottom), fill=fill)

    def ring(self, x: float, y: float, rx: float, ry: float, width: float, fill: Colour) -> None:
        self.draw.ellipse(self.box(x - rx, y - ry, x + rx, y + ry), outline=fill, width=max(1, round(width * self.side)))

    def cap(self, x: float, y: float, rx: float, ry: float, bottom: float, fill: Colour) -> None:
        """The part of an ellipse above the height `bottom`."""
        reach = np.arcsin(np.clip((y - bottom) / ry, -1, 1))
        angles = np.linspace(np.pi + reach, 2 * np.pi - reach, 32)
        self.polygon([(x + rx * np.cos(a), y + ry * np.sin(a)) for a in angles], fill)

    def polygon(self, points: list[tuple[float, float]], fill: Colour) -> None:
        self.draw.polygon([(x * self.side, y * self.side) for x, y in points], fill=fill)

    def line(self, points: list[tuple[float, float]], width: float, fill: Colour) -> None:
        self.draw.line(
            [(x * self.side, y * self.side) for x, y in points], fill=fill, width=max(1, round(width * self.side)), joint="curve"
        )

    def curve(self, x: float, y: float, half: float, depth: float, width: float, fill: Colour) -> None:
        """A parabola around (x, y), its middle `depth` below its ends."""
        self.line([(x + u * half, y + depth * (0.5 - u * u)) for u in np.linspace(-1, 1, 24)], width, fill)

    def smile(self, x: float, y: float, half: float, depth: float, lips: Colour) -> None:
        """An open mouth: teeth between a shallow and a deep parabola, lips around them."""
        across = np.linspace(-1, 1, 24)
        upper = [(x + u * half, y + 0.25 * depth * (1 - u * u)) for u in across]
        lower = [(x + u * half, y + depth * (1 - u * u)) for u in across]
        self.polygon(upper + lower[::-1], (252, 250, 244))
        self.line(upper, 0.016, lips)
        self.line(lower, 0.022, lips)


def blend(a: Colour, b: Colour, share: float) -> Colour:
    """The colour that lies `share` of the way from a to b."""
    return tuple(round(p + (q - p) * share) for p, q in zip(a, b, strict=True))


def near(rng: np.random.Generator, colour: Colour, spread: int) -> Colour:
    """A colour at most `spread` levels away in each channel."""
    return tuple(int(v) for v in (np.array(colour) + rng.integers(-spread, spread + 1, 3)).clip(0, 255))


def split_of(n: int) -> UInt8[np.ndarray, " n"]:
    """80 / 10 / 10 %: of ten faces in a row the ninth is for validation and the tenth for tests."""
    if n < 10:
        raise ValueError(f"{n} faces are too few for three splits; draw at least 10")
    place = np.arange(n) % 10
    return np.where(place < 8, 0, np.where(place == 8, 1, 2)).astype(np.uint8)


def prepare_synthetic(out: Path, n: int, size: int, seed: int) -> None:
    """Write toy faces as `train.data.prepared.prepare` writes photos; `ValueError` where `out` holds something else."""
    split = split_of(n)
    out.mkdir(parents=True, exist_ok=True)
    if any(out.iterdir()):
        raise ValueError(f"{out} is not empty; choose an empty folder")
    images = np.lib.format.open_memmap(out / "images.npy", mode="w+", dtype=np.uint8, shape=(n, size, size, 3))
    labels = np.empty((n, len(ATTRIBUTES)), np.uint8)
    for i in tqdm(range(n), unit="img", desc="draw", mininterval=0.5):
        images[i], labels[i] = draw_face(size, seed, i)
    images.flush()
    np.save(out / "labels.npy", labels)
    np.save(out / "split.npy", split)
    np.save(out / "identity.npy", np.arange(n, dtype=np.int64))
    files = [f"{i + 1:06d}.png" for i in range(n)]
    meta = {"format": FORMAT, "size": size, "crop": None, "attributes": ATTRIBUTES, "files": files}
    write_json(out / "dataset.json", {"dataset": meta, "done": n})


def write_celeba_layout(folder: Path, n: int, seed: int) -> None:
    """Toy faces as CelebA comes: 178×218 JPEGs, attributes of -1 and 1, partition and identity files."""
    pictures = folder / "img_align_celeba"
    pictures.mkdir(parents=True, exist_ok=True)
    border = (CELEBA_HEIGHT_PX - CELEBA_WIDTH_PX) // 2
    names, rows = [f"{i + 1:06d}.jpg" for i in range(n)], []
    for i, name in enumerate(names):
        face, labels = draw_face(CELEBA_WIDTH_PX, seed, i)
        tall = np.pad(face, ((border, border), (0, 0), (0, 0)), mode="edge")
        Image.fromarray(tall).save(pictures / name, quality=92)
        rows.append(" ".join(f"{2 * int(v) - 1:2d}" for v in labels))
    attributes = [f"{name} {row}\n" for name, row in zip(names, rows, strict=True)]
    (folder / "list_attr_celeba.txt").write_text(f"{n}\n{' '.join(ATTRIBUTES)}\n" + "".join(attributes))
    parts = zip(names, split_of(n), strict=True)
    (folder / "list_eval_partition.txt").write_text("".join(f"{name} {part}\n" for name, part in parts))
    (folder / "identity_CelebA.txt").write_text("".join(f"{name} {i // 2 + 1}\n" for i, name in enumerate(names)))
