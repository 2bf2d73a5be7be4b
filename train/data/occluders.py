"""Things drawn over faces, with masks: lettering, bars, hands, masks, microphones, cut-outs."""

import math
import string

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont
from sklearn.datasets import load_sample_images

# Outlines in the unit crop, whose eyes and mouth lie at alignment.REFERENCE_POINTS.
_LEFT_CHEEK = ((0.42, 0.57), (0.31, 0.60), (0.32, 0.74), (0.40, 0.86))
FACE_MASK = ((0.50, 0.55), *((1 - x, y) for x, y in _LEFT_CHEEK), (0.50, 0.89), *reversed(_LEFT_CHEEK))
MOUTH = (0.50, 0.74)
MASK_COLOURS = ((235, 238, 240), (150, 190, 220), (120, 170, 200), (40, 40, 44), (200, 215, 205))


class Occluders:
    """Draws one thing over a picture. Everything random comes from the generator that is given."""

    def __init__(self, photos: UInt8[np.ndarray, "n c c 3"], members: np.ndarray) -> None:
        self.photos, self.members = photos, members
        # Two photos without a face that scikit-learn ships (a temple, a flower).
        self.scenes = [np.ascontiguousarray(picture) for picture in load_sample_images().images]
        self.fonts = [ImageFont.load_default(size) for size in (10, 14, 20, 28, 40)]

    def cover(
        self, picture: UInt8[np.ndarray, "s s 3"], view: Float[np.ndarray, "2 3"], rng: np.random.Generator
    ) -> tuple[UInt8[np.ndarray, "s s 3"], UInt8[np.ndarray, "s s"]]:
        """The picture with something over it, and where that is (255). `view` leads from the unit crop to the picture's pixels."""
        kinds = (self._letters, self._letters, self._bars, self._hand, self._hand, self._face_mask, self._microphone, self._cut_out)
        ground, shape = kinds[rng.integers(len(kinds))](picture, view, rng)
        if rng.random() < 0.6:  # light falls on it unevenly
            ramp = np.linspace(rng.uniform(0.6, 1.1), rng.uniform(0.6, 1.1), len(picture))
            ground = ground * (ramp[:, None, None] if rng.random() < 0.5 else ramp[None, :, None])
        if rng.random() < 0.5:
            ground = ground + rng.standard_normal(ground.shape, dtype=np.float32) * rng.uniform(2, 12)
        alpha = cv2.GaussianBlur(shape, (0, 0), 0.6)[:, :, None].astype(np.float32) / 255
        return np.rint(picture * (1 - alpha) + ground * alpha).clip(0, 255).astype(np.uint8), shape

    def _letters(self, picture: np.ndarray, view: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        size = len(picture)
        text = "".join(rng.choice(list(string.ascii_letters + string.digits + "  .-!"), int(rng.integers(2, 14))))
        lines, at = int(rng.integers(1, 4)), rng.uniform((-0.1, 0.05), (0.6, 0.9)) * size
        if rng.random() < 0.5:
            shape = np.zeros((size, size), np.uint8)
            scale, thick, font = float(rng.uniform(0.35, 1.6)), int(rng.integers(1, 5)), int(rng.integers(0, 8))
            for line in range(lines):
                place = (int(at[0]), int(at[1] + line * 28 * scale))
                cv2.putText(shape, text[line:], place, font, scale, 255, thick, cv2.LINE_AA)
        else:
            sheet = Image.new("L", (size, size))
            bold = int(rng.integers(0, 3))
            font = self.fonts[rng.integers(len(self.fonts))]
            ImageDraw.Draw(sheet).multiline_text(at.tolist(), "\n".join([text] * lines), 255, font, stroke_width=bold)
            shape = np.array(sheet)
        if rng.random() < 0.3:
            turn = cv2.getRotationMatrix2D((size / 2, size / 2), float(rng.uniform(-40, 40)), 1.0)
            shape = cv2.warpAffine(shape, turn, (size, size))
        return _plain(picture, rng.choice([0, 255, 255, 128]) if rng.random() < 0.6 else rng.integers(0, 256, 3)), shape

    def _bars(self, picture: np.ndarray, view: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        size, shape = len(picture), np.zeros(picture.shape[:2], np.uint8)
        for _ in range(int(rng.integers(1, 3))):
            box = (rng.uniform(0, size, 2).tolist(), rng.uniform((0.05, 0.2), (0.35, 1.2)).tolist(), float(rng.uniform(0, 180)))
            corners = cv2.boxPoints((box[0], [side * size for side in box[1]], box[2]))
            cv2.fillPoly(shape, [np.rint(corners).astype(np.int32)], 255, cv2.LINE_AA)
        return _plain(picture, rng.integers(0, 256, 3)), shape

    def _hand(self, picture: np.ndarray, view: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """A palm, three to five fingers and an arm, of about the colour that the middle of the face has."""
        size, shape = len(picture), np.zeros(picture.shape[:2], np.uint8)
        shade = np.full(picture.shape[:2], 1.0, np.float32)
        x, y = place((0.5, 0.62), view)
        patch = picture[max(0, int(y) - 6) : int(y) + 6, max(0, int(x) - 6) : int(x) + 6].reshape(-1, 3)
        colour = (patch.mean(axis=0) if len(patch) else np.array([200, 160, 140])) * rng.uniform(0.75, 1.15) + rng.uniform(-14, 14, 3)
        unit = np.hypot(*view[:, 0])  # pixels per crop side
        palm = place(rng.uniform((0.15, 0.45), (0.85, 1.0)), view)
        towards = math.atan2(y - palm[1], x - palm[0]) + rng.uniform(-0.7, 0.7)
        away, side = np.array([math.cos(towards), math.sin(towards)]), np.array([-math.sin(towards), math.cos(towards)])
        wide = unit * rng.uniform(0.09, 0.15)
        arm = palm - away * unit * 0.9
        _capsule(shape, palm - away * wide * 0.5, arm, wide * 0.7)
        _capsule(shape, palm - away * wide * 0.3, palm + away * wide * 0.4, wide)
        bend, count = rng.uniform(-0.3, 0.3), int(rng.integers(3, 6))
        for finger in range(count):
            across = (finger - (count - 1) / 2) / count * 2
            start = palm + side * across * wide * 0.9 + away * wide * 0.5
            aim = towards + across * rng.uniform(0.05, 0.35) + bend
            end = start + np.array([math.cos(aim), math.sin(aim)]) * wide * rng.uniform(1.0, 2.0)
            thick = wide * rng.uniform(0.2, 0.27)
            line = np.zeros_like(shape)
            _capsule(line, start, end, thick * 1.25)
            shade[(line > 0) & (shape == 0)] *= rng.uniform(0.75, 0.95)  # the side of a finger
            _capsule(shape, start, end, thick * 1.25)
            inner = np.zeros_like(shape)
            _capsule(inner, start, end, thick * 0.8)
            shade[inner > 0] = rng.uniform(0.95, 1.08)
        shade = cv2.GaussianBlur(shade, (0, 0), size / 128)
        return _plain(picture, colour) * shade[:, :, None], shape

    def _face_mask(self, picture: np.ndarray, view: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """A surgical mask: pleats, an edge, and at times its bands."""
        points = np.array(FACE_MASK) + rng.uniform(-0.02, 0.02, (len(FACE_MASK), 2)) + (rng.uniform(-0.03, 0.03), rng.uniform(-0.03, 0.05))
        outline = np.stack([place(point, view) for point in points])
        shape = np.zeros(picture.shape[:2], np.uint8)
        cv2.fillPoly(shape, [np.rint(outline * 16).astype(np.int32)], 255, cv2.LINE_AA, shift=4)
        colour = (
            np.array(MASK_COLOURS[rng.integers(len(MASK_COLOURS))]) * rng.uniform(0.7, 1.05)
            if rng.random() < 0.8
            else rng.integers(0, 256, 3)
        )
        ground = _plain(picture, colour)
        for share in rng.uniform(0.2, 0.8, int(rng.integers(0, 4))):
            ends = [np.rint(outline[a] * (1 - share) + outline[b] * share).astype(int).tolist() for a, b in ((8, 7), (2, 3))]
            cv2.line(ground, ends[0], ends[1], (colour * rng.uniform(0.75, 0.95)).tolist(), 1, cv2.LINE_AA)
        if rng.random() < 0.6:
            for corner, ear in ((outline[8], (0.20, 0.50)), (outline[2], (0.80, 0.50))):
                cv2.line(shape, np.rint(corner).astype(int).tolist(), np.rint(place(ear, view)).astype(int).tolist(), 255, 2, cv2.LINE_AA)
        return ground, shape

    def _microphone(self, picture: np.ndarray, view: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        shape, unit = np.zeros(picture.shape[:2], np.uint8), np.hypot(*view[:, 0])
        ball = place(np.array(MOUTH) + rng.uniform((-0.2, -0.02), (0.2, 0.2)), view)
        aim, radius = math.pi / 2 + rng.uniform(-0.9, 0.9), unit * rng.uniform(0.05, 0.11)
        end = ball + np.array([math.cos(aim), math.sin(aim)]) * unit
        _capsule(shape, ball, end, radius * rng.uniform(0.45, 0.7))
        stick = _plain(picture, rng.integers(10, 70, 3) if rng.random() < 0.7 else rng.integers(0, 256, 3))
        cv2.circle(shape, np.rint(ball).astype(int).tolist(), round(radius), 255, -1, cv2.LINE_AA)
        colour = np.full(3, rng.integers(10, 110)) + rng.integers(-8, 8, 3)
        cv2.circle(stick, np.rint(ball).astype(int).tolist(), round(radius), colour.tolist(), -1, cv2.LINE_AA)
        light = np.rint(ball - radius * 0.3).astype(int).tolist()
        cv2.circle(stick, light, max(1, round(radius * 0.4)), (colour + rng.integers(10, 60)).tolist(), -1, cv2.LINE_AA)
        return cv2.GaussianBlur(stick, (0, 0), 1.0), shape

    def _cut_out(self, picture: np.ndarray, view: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """A blob of another picture."""
        size, shape = len(picture), np.zeros(picture.shape[:2], np.uint8)
        other = self.scenes[rng.integers(2)] if rng.random() < 0.6 else self.photos[self.members[rng.integers(len(self.members))]]
        top, left = (int(rng.integers(0, length - 64)) for length in other.shape[:2])
        side = int(rng.integers(40, min(other.shape[0] - top, other.shape[1] - left) + 1))
        ground = cv2.resize(other[top : top + side, left : left + side], (size, size), interpolation=cv2.INTER_LINEAR)
        angles = np.sort(rng.uniform(0, 2 * math.pi, int(rng.integers(4, 12))))
        radii = rng.uniform(0.08, 0.28, len(angles)) * size
        blob = rng.uniform(0.1, 0.9, 2) * size + np.stack([np.cos(angles), np.sin(angles)], 1) * radii[:, None]
        cv2.fillPoly(shape, [np.rint(blob).astype(np.int32)], 255, cv2.LINE_AA)
        return ground.astype(np.float32), shape


def place(point: tuple[float, float] | np.ndarray, view: Float[np.ndarray, "2 3"]) -> Float[np.ndarray, " 2"]:
    """A point of the unit crop in the pixels of the picture."""
    return view[:, :2] @ np.asarray(point) + view[:, 2]


def _plain(picture: np.ndarray, colour: np.ndarray | int) -> np.ndarray:
    return np.ascontiguousarray(np.broadcast_to(np.asarray(colour, np.float32), picture.shape))


def _capsule(shape: np.ndarray, start: np.ndarray, end: np.ndarray, radius: float) -> None:
    cv2.line(shape, np.rint(start).astype(int).tolist(), np.rint(end).astype(int).tolist(), 255, max(1, round(2 * radius)), cv2.LINE_AA)
