"""Editor: generate, open a photo, edit, guide, morph. Images in, images out; the page is a thin skin over it."""

import io
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import torch
from jaxtyping import Float32, UInt8
from PIL import Image
from torch import Tensor

from facevae import __version__
from facevae.attributes import GOALS, SHOWN, Goal
from facevae.checkpoint import Checkpoint
from facevae.latent.directions import displacement
from facevae.latent.guidance import GuidanceConfig
from facevae.latent.guidance import guide as guide_latent
from facevae.latent.paths import lerp, slerp
from facevae.latent.priors import standard_normal
from facevae.photo import images
from facevae.photo.alignment import Adjustment, Alignment, adjust, align, crop
from facevae.photo.compositing import add_change, soft_mask

__all__ = ["Adjustment", "Control", "Editor", "Face", "Goal", "GuideStep", "Result"]

SCREEN_SIDE_PX = 1024  # previews are composed on a copy of the photo of at most this side
MAX_FACES = 64
MAX_FRAMES = 240
MAX_SEED = 2**32
SLIDER_STEP = 0.1
NO_FACE = "No face was found, so this is the middle of the picture: use Adjust crop to place the face."
NO_EYES = "The face was found, but not its eyes: if the crop looks wrong, use Adjust crop."


@dataclass(frozen=True, eq=False)
class Face:
    """A face in the latent space and, where it came from a photo, its place in it. Plain NumPy, never changed.

    `offset` is what guidance has added to `latent`; `screen` is the photo at screen size; `start` is
    G(latent) in [0, 1], kept because every edit is a difference from it.
    """

    latent: Float32[np.ndarray, " d"]
    offset: Float32[np.ndarray, " d"]
    crop: UInt8[np.ndarray, "s s 3"]
    photo: UInt8[np.ndarray, "h w 3"] | None = None
    screen: UInt8[np.ndarray, "h2 w2 3"] | None = None
    alignment: Alignment | None = None
    found: Alignment | None = None
    """The alignment before the user's adjustment."""
    start: Float32[np.ndarray, "3 s s"] | None = None
    seed: int | None = None
    name: str = "face"
    message: str = ""


@dataclass(frozen=True)
class Control:
    """A slider: strengths are in σ of the attribute's direction; `low` … `high` is the range measured to work."""

    name: str
    label: str
    group: str
    low: float
    high: float
    reversed: bool
    step: float = SLIDER_STEP

    def strength(self, value: float) -> float:
        """The strength of the attribute where the slider stands at `value`."""
        return -value if self.reversed else value


@dataclass(frozen=True, eq=False)
class Result:
    """An edit: in the crop, as the bare decoder draws it, and in the photo."""

    crop: UInt8[np.ndarray, "s s 3"]
    decoded: UInt8[np.ndarray, "s s 3"]
    photo: UInt8[np.ndarray, "h w 3"]


@dataclass(frozen=True, eq=False)
class GuideStep:
    """A step of guidance: the face so far, its picture, and the probability of the hardest wanted label."""

    face: Face
    picture: UInt8[np.ndarray, "s s 3"]
    step: int
    steps: int
    probability: float
    done: bool


class Editor:
    """Everything the app can do, over one checkpoint. Calls may come from any thread; each is a pure function of its arguments."""

    def __init__(self, checkpoint: Checkpoint | str | Path | None = None, revision: str | None = None) -> None:
        """Open a checkpoint: a folder, "owner/name" on the Hub, or, for None, the embedded one."""
        self.checkpoint = checkpoint if isinstance(checkpoint, Checkpoint) else Checkpoint.from_pretrained(checkpoint, revision)
        self.size: int = self.checkpoint.net.config.size
        self.controls: list[Control] = list_controls(self.checkpoint)
        known = set(self.checkpoint.classifier.config.attributes)
        self.goals: list[Goal] = [goal for goal in GOALS if set(goal.wanted) <= known]
        self.card: str = self.checkpoint.card
        self.evaluation: dict[str, Any] = self.checkpoint.evaluation
        self._mask = torch.from_numpy(soft_mask(self.size))[None, None]  # (1, 1, s, s)
        self._cholesky = torch.linalg.cholesky(self.checkpoint.prior.covariance + 1e-6 * torch.eye(self.checkpoint.net.config.latent))
        self._lock = threading.RLock()  # one model, two cores: calls take turns

    # Faces ------------------------------------------------------------------------------------------------------------

    def open_photo(
        self, source: str | Path | bytes | Image.Image | np.ndarray, adjustment: Adjustment = Adjustment(), name: str = ""
    ) -> Face:
        """Read a photo, find its largest face, encode it; `ValueError` in one sentence where it is no usable picture."""
        photo = images.open_photo(source)
        found = align(photo)
        name = name or (Path(source).stem if isinstance(source, str | Path) else "photo")
        return self._place(photo, found, adjustment, name)

    def readjust(self, face: Face, adjustment: Adjustment) -> Face:
        """The same photo with the crop shifted, zoomed or turned by hand, encoded anew."""
        if face.photo is None or face.found is None:
            raise ValueError("a generated face has no crop to adjust")
        return self._place(face.photo, face.found, adjustment, face.name)

    def _place(self, photo: np.ndarray, found: Alignment, adjustment: Adjustment, name: str) -> Face:
        alignment = adjust(found, adjustment)
        pixels = crop(photo, alignment, self.size)
        with self._lock, torch.inference_mode():
            z = self.checkpoint.net.encode(images.to_float(pixels)).mode
            start, latent = self.checkpoint.net.decode(z).clamp(0, 1)[0].numpy(), z[0].numpy()
        message = "" if found.eyes or adjustment != Adjustment() else NO_EYES if found.found else NO_FACE
        screen = fit_screen(photo, SCREEN_SIDE_PX)
        return Face(latent, np.zeros_like(latent), pixels, photo, screen, alignment, found, start, name=name, message=message)

    def generate(self, seeds: Sequence[int], temperature: float = 0.8, prior: Literal["fitted", "normal"] = "fitted") -> list[Face]:
        """Draw a new face for each seed; the same seed is the same face in any batch."""
        if not 1 <= len(seeds) <= MAX_FACES:
            raise ValueError(f"{len(seeds)} faces were asked for; 1 to {MAX_FACES} can be drawn at once")
        if any(not 0 <= int(s) < MAX_SEED for s in seeds):
            raise ValueError(f"a seed must be a whole number from 0 to {MAX_SEED - 1}")
        if not 0 <= temperature <= 3:
            raise ValueError(f"the temperature must lie between 0 and 3, not {temperature:g}")
        if prior not in ("fitted", "normal"):
            raise ValueError(f"the prior must be fitted or normal, not {prior}")
        d = self.checkpoint.net.config.latent
        draw = self.checkpoint.prior.from_seed if prior == "fitted" else lambda seed, t: standard_normal(seed, d, t)
        with self._lock, torch.inference_mode():
            faces = []
            for seed in seeds:
                latent = draw(int(seed), temperature)
                start = self.checkpoint.net.decode(latent[None]).clamp(0, 1)
                picture, still = images.to_uint8(start)[0], np.zeros(d, np.float32)
                faces.append(Face(latent.numpy(), still, picture, start=start[0].numpy(), seed=int(seed), name=f"face-{int(seed)}"))
        return faces

    def reset(self, face: Face) -> Face:
        """The face as it was before any guidance."""
        return replace(face, offset=np.zeros_like(face.latent))

    def bake(self, face: Face, strengths: Mapping[str, float]) -> Face:
        """The face with these strengths inside, so that all sliders start from zero again."""
        return replace(face, offset=self._move(face, strengths).numpy())

    # Edits ------------------------------------------------------------------------------------------------------------

    def edit(self, face: Face, strengths: Mapping[str, float] = {}, max_side_px: int | None = None) -> Result:
        """Move the face along attributes (strengths in σ); the photo keeps its own pixels plus the change.

        `max_side_px` composes on a smaller copy of the photo, for a preview.
        """
        move = self._move(face, strengths)
        photo, alignment = self._canvas(face, max_side_px)
        with self._lock, torch.inference_mode():
            after = self.checkpoint.net.decode((torch.from_numpy(face.latent) + move)[None]).clamp(0, 1)  # (1, 3, s, s)
            decoded = images.to_uint8(after)[0]
            if photo is None:
                return Result(decoded, decoded, decoded)
            if not move.any():
                return Result(face.crop, decoded, photo)
            change = after - self._start(face)
            in_crop = images.to_uint8(images.to_float(face.crop) + self._mask * change)[0]
            change_pixels = np.ascontiguousarray(change[0].permute(1, 2, 0).numpy())
        return Result(in_crop, decoded, add_change(photo, change_pixels, alignment))

    def probabilities(self, face: Face, strengths: Mapping[str, float] = {}) -> dict[str, float]:
        """What the classifier sees in the crop after the edit: attribute -> probability."""
        picture = self.edit(face, strengths, max_side_px=64).crop
        with self._lock, torch.inference_mode():
            values = self.checkpoint.classifier(images.to_float(picture)).sigmoid()[0].tolist()
        return dict(zip(self.checkpoint.classifier.config.attributes, values, strict=True))

    def guide(
        self, face: Face, wanted: Mapping[str, bool], strengths: Mapping[str, float] = {}, target: float = 0.9, steps: int = 40
    ) -> Iterator[GuideStep]:
        """Search for the wanted labels by gradient steps on z, step by step; stops at the target probability.

        The classifier judges what the user gets: the crop plus the change, not the bare decoder. The
        steps' faces carry the guidance, and the strengths that were set before, in `offset`.
        """
        attributes = list(self.checkpoint.classifier.config.attributes)
        if not wanted:
            raise ValueError("nothing was asked for: name at least one attribute")
        if unknown := sorted(set(wanted) - set(attributes)):
            raise ValueError(f"the classifier does not know {', '.join(unknown)}; it knows {', '.join(attributes)}")
        if not 0 < target < 1 or not 1 <= steps <= 500:
            raise ValueError(f"target {target:g} must lie between 0 and 1 and steps {steps} between 1 and 500")
        mask = torch.tensor([a in wanted for a in attributes])
        labels = torch.tensor([wanted.get(a, False) for a in attributes])
        start = self._move(face, strengths)
        config = GuidanceConfig(steps=steps, target=target)
        walk = guide_latent(
            self._renderer(face),
            self.checkpoint.classifier,
            start + self._first_step(face, wanted, start),
            self._cholesky,
            labels,
            mask,
            config,
        )
        while True:
            with self._lock:
                step = next(walk, None)
            if step is None:
                return
            moved = replace(face, offset=step.move.numpy())
            yield GuideStep(moved, images.to_uint8(step.picture)[0], step.index, steps, step.probability, step.done)

    def _renderer(self, face: Face) -> Any:
        """move (d,) -> picture (1, 3, s, s): the crop plus the change, or the decoded face where there is no photo."""
        net = self.checkpoint.net
        latent = torch.from_numpy(face.latent)
        if face.photo is None:
            return lambda move: net.decode((latent + move)[None]).clamp(0, 1)
        before = self._start(face)
        base = images.to_float(face.crop)
        return lambda move: (base + self._mask * (net.decode((latent + move)[None]).clamp(0, 1) - before)).clamp(0, 1)

    def _first_step(self, face: Face, wanted: Mapping[str, bool], start: Tensor) -> Tensor:
        """A head start along the directions of those wanted labels that the face does not have yet."""
        with self._lock, torch.no_grad():
            seen = self.checkpoint.classifier(self._renderer(face)(start)).sigmoid()[0].tolist()
        has = dict(zip(self.checkpoint.classifier.config.attributes, seen, strict=True))
        known = self.checkpoint.directions
        strengths = {
            name: (known[name].high if want else known[name].low) * 0.5
            for name, want in wanted.items()
            if name in known and (has[name] > 0.5) != want
        }
        return displacement(known, strengths)

    # Morphing ---------------------------------------------------------------------------------------------------------

    def morph(self, a: Face, b: Face, positions: Sequence[float], path: Literal["slerp", "lerp"] = "slerp") -> UInt8[np.ndarray, "n s s 3"]:
        """Decoded faces at the given positions (0 is a, 1 is b) of the way between two faces."""
        if not 1 <= len(positions) <= MAX_FRAMES:
            raise ValueError(f"{len(positions)} frames were asked for; 1 to {MAX_FRAMES} can be drawn")
        if path not in ("slerp", "lerp"):
            raise ValueError(f"the path must be slerp or lerp, not {path}")
        if any(not 0 <= t <= 1 for t in positions):
            raise ValueError("positions of a morph lie between 0 and 1")
        between = slerp if path == "slerp" else lerp
        # The arc is drawn around the centre of the encodings, not around 0, where no face lives.
        centre = self.checkpoint.prior.mean
        start, end = (torch.from_numpy(f.latent + f.offset) - centre for f in (a, b))
        with self._lock, torch.inference_mode():
            frames = [images.to_uint8(self.checkpoint.net.decode((centre + between(start, end, float(t)))[None])) for t in positions]
        return np.concatenate(frames)

    # Saving -----------------------------------------------------------------------------------------------------------

    def recipe(self, face: Face, strengths: Mapping[str, float] = {}) -> dict[str, Any]:
        """What was done, as JSON. The photo itself is not in it."""
        return {
            "facevae": __version__,
            "checkpoint": {"name": self.checkpoint.name, "sha256": self.checkpoint.digest},
            "source": "photo" if face.photo is not None else "seed",
            "seed": face.seed,
            "strengths": {name: round(float(value), 4) for name, value in strengths.items() if value},
            "guidance": [round(float(v), 5) for v in face.offset] if face.offset.any() else None,
        }

    def save_png(self, face: Face, strengths: Mapping[str, float] = {}) -> bytes:
        """The edit at the photo's full size as a PNG, with the note "AI-edited" and the recipe inside."""
        result = self.edit(face, strengths)
        made = "AI-edited" if face.photo is not None else "AI-generated (AI-edited)"
        notes = {
            "Software": f"facevae {__version__}",
            "Comment": f"{made} with facevae",
            "facevae": json.dumps(self.recipe(face, strengths)),
        }
        return images.png_bytes(result.photo, notes)

    def save_animation(
        self, frames: UInt8[np.ndarray, "n h w 3"], format: Literal["gif", "webp"] = "webp", duration_ms: int = 60, loop: bool = True
    ) -> bytes:
        """An animation of the frames, there and, with `loop`, back again."""
        if format not in ("gif", "webp"):
            raise ValueError(f"the format must be gif or webp, not {format}")
        if not 10 <= duration_ms <= 10_000:
            raise ValueError(f"a frame must last 10 to 10000 ms, not {duration_ms}")
        film = [Image.fromarray(frame) for frame in (np.concatenate([frames, frames[-2:0:-1]]) if loop else frames)]
        if format == "gif":
            # One palette for the whole film: a palette for each frame takes a hundred times longer and flickers.
            strip = Image.fromarray(np.concatenate(frames[:: max(1, len(frames) // 16)]))
            palette = strip.quantize(256, method=Image.Quantize.FASTOCTREE)
            film = [frame.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG) for frame in film]
        buffer = io.BytesIO()
        comment = (
            {"comment": b"AI-edited with facevae"}
            if format == "gif"
            else {"quality": 90, "method": 2, "xmp": b"<x>AI-edited with facevae</x>"}
        )
        film[0].save(buffer, format=format.upper(), save_all=True, append_images=film[1:], duration=duration_ms, loop=0, **comment)
        return buffer.getvalue()

    # Inside -----------------------------------------------------------------------------------------------------------

    def _move(self, face: Face, strengths: Mapping[str, float]) -> Tensor:
        d = self.checkpoint.net.config.latent
        if face.latent.shape != (d,):
            raise ValueError(f"latent has {face.latent.size} values, the checkpoint expects {d}")
        return torch.from_numpy(face.offset) + displacement(self.checkpoint.directions, strengths)

    def _start(self, face: Face) -> Tensor:
        """G(latent), (1, 3, s, s)."""
        if face.start is not None:
            return torch.from_numpy(face.start)[None]
        with self._lock, torch.no_grad():
            return self.checkpoint.net.decode(torch.from_numpy(face.latent)[None]).clamp(0, 1)

    def _canvas(self, face: Face, max_side_px: int | None) -> tuple[np.ndarray | None, Alignment | None]:
        """The photo, or a copy of at most `max_side_px`, with the alignment that fits it."""
        if face.photo is None or face.screen is None or face.alignment is None:
            return None, None
        if max_side_px is None or max(face.photo.shape) <= max_side_px:
            return face.photo, face.alignment
        source = face.screen if max(face.screen.shape) >= max_side_px else face.photo
        small = fit_screen(source, max_side_px)
        scale = np.array([face.photo.shape[1] / small.shape[1], face.photo.shape[0] / small.shape[0], 1.0])
        return small, replace(face.alignment, matrix=face.alignment.matrix * scale)


def list_controls(checkpoint: Checkpoint) -> list[Control]:
    """The sliders of a checkpoint, in the order shown; a reversed one takes its attribute away to the right."""
    controls = []
    for shown in SHOWN:
        direction = checkpoint.directions.get(shown.name)
        if direction is not None:
            low, high = (-direction.high, -direction.low) if shown.reversed else (direction.low, direction.high)
            controls.append(Control(shown.name, shown.label, shown.group, low, high, shown.reversed))
    return controls


def fit_screen(photo: UInt8[np.ndarray, "h w 3"], side_px: int) -> UInt8[np.ndarray, "h2 w2 3"]:
    """The photo, made smaller where its longer side exceeds `side_px`."""
    height, width = photo.shape[:2]
    shrink = side_px / max(height, width)
    if shrink >= 1:
        return photo
    return cv2.resize(photo, (max(1, round(width * shrink)), max(1, round(height * shrink))), interpolation=cv2.INTER_AREA)
