"""Pictures without a face, and borders around frames, for training the alignment net."""

import math
import string

import cv2
import numpy as np
from jaxtyping import UInt8
from sklearn.datasets import load_sample_images

from facevae.photo.alignment import pixel_map


class Distractors:
    """Windows without a face, and borders around frames. Everything random comes from the generator that is given."""

    def __init__(self, frames: UInt8[np.ndarray, "n h w 3"], members: np.ndarray) -> None:
        self.frames, self.members = frames, members
        # Two photos without a face that scikit-learn ships (a temple, a flower).
        self.scenes = [np.ascontiguousarray(picture) for picture in load_sample_images().images]

    def draw(self, rng: np.random.Generator, size: int) -> UInt8[np.ndarray, "s s 3"]:
        """A window without a face."""
        kinds = (
            self._scene,
            self._scene,
            self._noise,
            self._shapes,
            self._shapes,
            self._text,
            self._scrambled,
            self._piece,
            self._piece,
            self._far,
        )
        return np.ascontiguousarray(kinds[rng.integers(len(kinds))](rng, size))

    def surround(
        self, frame: UInt8[np.ndarray, "h w 3"], matrix: np.ndarray, size: int, rng: np.random.Generator
    ) -> UInt8[np.ndarray, "s s 3"]:
        """The window `matrix` (2, 3; frame pixels -> unit window) of a frame, with one of four things where the frame ends."""
        kind = rng.random()
        if kind < 0.5:  # what facevae.photo.alignment.crop does
            return sample(frame, matrix, size, cv2.BORDER_REPLICATE)
        if kind < 0.65:
            return sample(frame, matrix, size, cv2.BORDER_REFLECT_101)
        inside = sample(np.full(frame.shape[:2], 255, np.uint8), matrix, size, cv2.BORDER_CONSTANT)[:, :, None].astype(np.float32) / 255
        window = sample(frame, matrix, size, cv2.BORDER_REPLICATE)
        if kind < 0.78:
            ground: np.ndarray = np.full((size, size, 3), rng.integers(0, 256, 3) if rng.random() < 0.7 else 0, np.uint8)
        else:
            ground = (self._scene, self._noise, self._shapes, self._piece)[rng.integers(4)](rng, size)
        return np.rint(window * inside + ground * (1 - inside)).astype(np.uint8)

    def _frame(self, rng: np.random.Generator) -> np.ndarray:
        return self.frames[self.members[rng.integers(len(self.members))]]

    def _scene(self, rng: np.random.Generator, size: int) -> np.ndarray:
        scene = self.scenes[rng.integers(len(self.scenes))]
        height, width = scene.shape[:2]
        side = math.exp(rng.uniform(math.log(24), math.log(400)))
        return crop(scene, rng.uniform(0, width), rng.uniform(0, height), side, rng.uniform(0, 2 * math.pi), size, cv2.BORDER_REFLECT_101)

    def _noise(self, rng: np.random.Generator, size: int) -> np.ndarray:
        """Coloured noise with a spectrum of 1/f^a, as clouds, walls and cloth have."""
        frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None])
        frequency[0, 0] = 1 / size
        shape = (size, size // 2 + 1)
        fields = [
            np.fft.irfft2((rng.standard_normal(shape) + 1j * rng.standard_normal(shape)) * frequency ** -rng.uniform(0.5, 2.2))
            for _ in range(3)
        ]
        stack = np.stack(fields, axis=2)
        mixing = np.eye(3) * rng.uniform(0.2, 1) + rng.uniform(0.2, 1)  # channels that go together
        stack = (stack / stack.std()) @ mixing * rng.uniform(10, 60) + rng.uniform(30, 225, 3)
        return stack.clip(0, 255).astype(np.uint8)

    def _shapes(self, rng: np.random.Generator, size: int) -> np.ndarray:
        """Ellipses, boxes and lines: things that are round and things with two dark spots, but no face."""
        picture = np.full((size, size, 3), rng.integers(0, 256, 3), np.uint8)
        for _ in range(int(rng.integers(1, 14))):
            colour = rng.integers(0, 256, 3).tolist()
            centre, axes = rng.integers(0, size, 2).tolist(), rng.integers(2, size // 2, 2).tolist()
            turn, thickness = float(rng.uniform(0, 360)), int(rng.choice([-1, -1, 1, 2, 4]))
            kind = rng.integers(4)
            if kind == 0:
                cv2.ellipse(picture, centre, axes, turn, 0, 360, colour, thickness, cv2.LINE_AA)
            elif kind == 1:
                cv2.circle(picture, centre, axes[0], colour, thickness, cv2.LINE_AA)
            elif kind == 2:
                cv2.rectangle(picture, centre, rng.integers(0, size, 2).tolist(), colour, thickness, cv2.LINE_AA)
            else:
                cv2.line(picture, centre, rng.integers(0, size, 2).tolist(), colour, max(1, thickness), cv2.LINE_AA)
        return picture if rng.random() < 0.3 else blend(picture, self._noise(rng, size), rng.uniform(0.1, 0.6))

    def _text(self, rng: np.random.Generator, size: int) -> np.ndarray:
        picture = np.full((size, size, 3), rng.integers(120, 256, 3), np.uint8)
        scale, ink = float(rng.uniform(0.2, 1.5)), rng.integers(0, 120, 3).tolist()
        letters = list(string.ascii_letters + string.digits + "    ")
        for y in range(0, size + 30, max(6, int(26 * scale))):
            line = "".join(rng.choice(letters, 30))
            cv2.putText(
                picture, line, (int(rng.integers(-20, 5)), y), int(rng.integers(0, 8)), scale, ink, int(rng.integers(1, 3)), cv2.LINE_AA
            )
        return picture if rng.random() < 0.5 else 255 - picture

    def _scrambled(self, rng: np.random.Generator, size: int) -> np.ndarray:
        """The pieces of a face in another order."""
        grid = int(rng.integers(2, 6))
        cell = -(-size // grid)
        window = cv2.resize(self._frame(rng), (cell * grid, cell * grid), interpolation=cv2.INTER_AREA)
        cells = window.reshape(grid, cell, grid, cell, 3).swapaxes(1, 2).reshape(grid * grid, cell, cell, 3)
        order = np.roll(rng.permutation(grid * grid), 1)
        return cells[order].reshape(grid, grid, cell, cell, 3).swapaxes(1, 2).reshape(cell * grid, cell * grid, 3)[:size, :size]

    def _piece(self, rng: np.random.Generator, size: int) -> np.ndarray:
        """A small part of a frame, anywhere: hair, cheek, background, one eye."""
        frame = self._frame(rng)
        height, width = frame.shape[:2]
        side = rng.uniform(0.10, 0.24) * width
        x, y = rng.uniform(side / 2, width - side / 2), rng.uniform(side / 2, height - side / 2)
        return crop(frame, x, y, side, rng.uniform(-math.pi, math.pi), size, cv2.BORDER_REPLICATE)

    def _far(self, rng: np.random.Generator, size: int) -> np.ndarray:
        """A window whose face is outside but for a rest, or turned by far more than a window is ever."""
        frame = self._frame(rng)
        height, width = frame.shape[:2]
        if rng.random() < 0.3:
            return crop(
                frame,
                width / 2,
                height * 0.55,
                rng.uniform(0.6, 1.2) * width,
                rng.uniform(0.55, 1.45) * math.pi,
                size,
                cv2.BORDER_REPLICATE,
            )
        side, away, to = rng.uniform(0.35, 1.0) * width, rng.uniform(0.95, 1.4), rng.uniform(0, 2 * math.pi)
        reach = side * 0.5 + 0.3 * width  # window's half and face's half
        x, y = width / 2 + away * reach * math.cos(to), height * 0.55 + away * reach * math.sin(to)
        return crop(frame, x, y, side, rng.uniform(-0.6, 0.6), size, cv2.BORDER_REFLECT_101 if rng.random() < 0.3 else cv2.BORDER_REPLICATE)


def crop(picture: np.ndarray, x: float, y: float, side: float, turn: float, size: int, border: int) -> np.ndarray:
    """A square window of a picture: centre and side in its pixels, turned."""
    c, s = math.cos(turn) / side, math.sin(turn) / side
    return sample(picture, np.array([[c, s, 0.5 - c * x - s * y], [-s, c, 0.5 + s * x - c * y]]), size, border)


def sample(picture: np.ndarray, matrix: np.ndarray, size: int, border: int) -> np.ndarray:
    """The unit window of `matrix` (picture pixels -> unit) at `size` px, antialiased by oversampling."""
    shrink = 1 / (math.hypot(matrix[0, 0], matrix[1, 0]) * size)  # picture pixels per window pixel
    over = size * min(6, max(1, math.ceil(shrink - 0.2)))
    window = cv2.warpAffine(picture, pixel_map(matrix * over), (over, over), flags=cv2.INTER_LINEAR, borderMode=border)
    return window if over == size else cv2.resize(window, (size, size), interpolation=cv2.INTER_AREA)


def blend(a: np.ndarray, b: np.ndarray, share: float) -> np.ndarray:
    """`a` with `share` of `b`."""
    return cv2.addWeighted(a, 1 - share, b, share, 0)


def damage(window: UInt8[np.ndarray, "s s 3"], rng: np.random.Generator, cover: bool = True) -> UInt8[np.ndarray, "s s 3"]:
    """What happens to photos: occlusion (with `cover`), light, colour, softness, noise, JPEG; each by chance."""
    size = len(window)
    chance = rng.random(8)
    if cover and chance[0] < 0.25:
        window = window.copy()
        for _ in range(int(rng.integers(1, 3))):
            high, wide = rng.integers(size // 12, size // 3, 2)
            top, left = rng.integers(-high // 2, size - high // 2), rng.integers(-wide // 2, size - wide // 2)
            region = window[max(0, top) : top + high, max(0, left) : left + wide]
            region[:] = rng.integers(0, 256, 3) if rng.random() < 0.6 else rng.integers(0, 256, region.shape)
    if chance[1] < 0.8:
        gain = math.exp(rng.uniform(-0.6, 0.5)) * np.exp(rng.uniform(-0.12, 0.12, 3))
        curve = 255 * (np.arange(256)[:, None] / 255) ** math.exp(rng.uniform(-0.4, 0.4)) * gain + rng.uniform(-25, 25)
        window = cv2.LUT(window, np.rint(curve.clip(0, 255)).astype(np.uint8)[None])
    if chance[2] < 0.1:
        window = cv2.cvtColor(cv2.cvtColor(window, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    if chance[3] < 0.15:  # light from one side
        ramp = np.linspace(rng.uniform(0.4, 1), rng.uniform(0.4, 1.2), size)
        ramp = ramp[:, None, None] if rng.random() < 0.4 else ramp[None, :, None]
        window = (window * ramp).clip(0, 255).astype(np.uint8)
    if chance[4] < 0.2:
        window = cv2.GaussianBlur(window, (0, 0), float(rng.uniform(0.5, 2.0)), borderType=cv2.BORDER_REPLICATE)
    if chance[5] < 0.15:
        small = int(rng.integers(size // 4, size))
        window = cv2.resize(cv2.resize(window, (small, small), interpolation=cv2.INTER_AREA), (size, size), interpolation=cv2.INTER_LINEAR)
    if chance[6] < 0.2:
        noise = rng.standard_normal(window.shape, dtype=np.float32) * np.float32(rng.uniform(3, 18))
        window = np.rint(window + noise).clip(0, 255).astype(np.uint8)
    if chance[7] < 0.2:
        ok, coded = cv2.imencode(".jpg", window, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(15, 85))])
        window = cv2.imdecode(coded, cv2.IMREAD_COLOR) if ok else window
    return window
