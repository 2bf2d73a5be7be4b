"""Editor: generate, open a photo, edit, guide, morph. Images in, images out; the page is a thin skin over it."""

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float32, Float64, UInt8
from PIL import Image
from torch import Tensor

from facevae import __version__
from facevae.attributes import GOALS, SHOWN, Goal
from facevae.checkpoint import Checkpoint
from facevae.faces import Control, Face, GuideStep, Left, RefineStep, Result
from facevae.latent.directions import displacement
from facevae.latent.guidance import GuidanceConfig
from facevae.latent.guidance import guide as guide_latent
from facevae.latent.inversion import InversionConfig
from facevae.latent.inversion import refine as invert
from facevae.latent.paths import lerp, slerp
from facevae.latent.priors import standard_normal
from facevae.photo import images
from facevae.photo.alignment import MAX_LOOK_PX, Adjustment, Alignment, adjust, crop, find_faces, middle, rescaled, shrunk, whole
from facevae.photo.animation import animation_bytes
from facevae.photo.compositing import DETAIL, paste, soft_mask

__all__ = ["DETAIL", "Adjustment", "Control", "Editor", "Face", "Goal", "GuideStep", "InversionConfig", "RefineStep", "Result"]

SCREEN_SIDE_PX = MAX_LOOK_PX  # previews are composed on a copy of the photo of at most this side, faces found in it
MAX_FACES = 64
MAX_FRAMES = 240
MAX_SEED = 2**32
NO_FACE = "No face was found, so this is the middle of the picture: use Adjust crop to place the face."
NOT_SURE = "A face was found, but not for sure: if the crop looks wrong, use Adjust crop."
SATED = 0.995  # more than this of the unblended crop is asked for by nobody
SURE = 0.997  # below this confidence of the alignment net the user is asked to look


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

    def aligner(self, windows: UInt8[np.ndarray, "n s s 3"]) -> Float64[np.ndarray, "n 6"]:
        """The alignment net as `facevae.photo.alignment` wants it."""
        with self._lock, torch.inference_mode():
            return self.checkpoint.aligner(images.to_float(windows)).double().numpy()

    def open_photo(
        self, source: str | Path | bytes | Image.Image | np.ndarray, adjustment: Adjustment = Adjustment(), name: str = "", index: int = 0
    ) -> Face:
        """Read a photo, find its faces, encode one of them (the largest is number 0).

        `ValueError` in one sentence where it is no usable picture or has no face of this number. Where no face is
        found, the middle of the picture is taken and `message` says so.
        """
        photo = images.open_photo(source)
        screen = shrunk(photo.pixels, SCREEN_SIDE_PX)
        found = tuple(rescaled(f, screen, photo.pixels) for f in find_faces(screen, self.aligner)) or (middle(photo.pixels),)
        if not 0 <= index < len(found):
            raise ValueError(f"face {index} was asked for, the photo has {len(found)}, counted from 0")
        name = name or (Path(source).stem if isinstance(source, str | Path) else "photo")
        return self._place(photo, photo.pixels, screen, found, index, adjustment, (), name)

    def readjust(self, face: Face, adjustment: Adjustment) -> Face:
        """The same photo with the crop shifted, zoomed or turned by hand, encoded anew."""
        if face.photo is None or face.source is None or face.screen is None:
            raise ValueError("a generated face has no crop to adjust")
        return self._place(face.source, face.photo, face.screen, face.faces, face.index, adjustment, face.left, face.name)

    def choose(self, face: Face, index: int, strengths: Mapping[str, float] = {}, detail: float = DETAIL) -> Face:
        """Another face of the same photo. The edit of this one (strengths in σ) stays in the photo.

        A face that was edited before comes back with its edit, in its `offset`.
        """
        if face.source is None:
            raise ValueError("a generated face has no others beside it")
        if not 0 <= index < len(face.faces):
            raise ValueError(f"face {index} was asked for, the photo has {len(face.faces)}, counted from 0")
        if index == face.index:
            return self.bake(face, strengths)
        # What is left behind needs no photo of its own: it gets one when it is chosen again.
        behind = replace(self.bake(face, strengths), photo=face.source.pixels, screen=None, left=())
        left = (*face.left, Left(behind, detail))
        again = [entry.face for entry in left if entry.face.index == index]
        left = tuple(sorted((entry for entry in left if entry.face.index != index), key=lambda entry: entry.face.index))
        photo = face.source.pixels
        for entry in left:
            photo = self._lay_over(photo, entry.face, entry.detail)
        screen = shrunk(photo, SCREEN_SIDE_PX)
        if again:
            return replace(again[0], photo=photo, screen=screen, left=left)
        return self._place(face.source, photo, screen, face.faces, index, Adjustment(), left, face.name)

    def thumbnails(self, face: Face, size_px: int = 96) -> list[UInt8[np.ndarray, "s s 3"]]:
        """The crop of every face of the photo, the largest first."""
        if face.source is None:
            return []
        return [crop(face.source.pixels, alignment, size_px) for alignment in face.faces]

    def _lay_over(self, photo: np.ndarray, face: Face, detail: float) -> np.ndarray:
        """A photo with the edit of one of its faces in it."""
        assert face.alignment is not None
        if not face.offset.any():
            return photo
        _, _, layers = self._in_crop(face, torch.from_numpy(face.offset), detail)
        return photo if layers is None else paste(photo, *layers, face.alignment, detail)

    def _place(
        self,
        source: images.Photo,
        photo: np.ndarray,
        screen: np.ndarray,
        faces: tuple[Alignment, ...],
        index: int,
        adjustment: Adjustment,
        left: tuple[Left, ...],
        name: str,
    ) -> Face:
        found = faces[index]
        alignment = adjust(found, adjustment)
        pixels = crop(photo, alignment, self.size)
        with self._lock, torch.inference_mode():
            z = self.checkpoint.net.encode(images.to_float(pixels)).mode
            start, latent = self._decode(z[0])[0].numpy(), z[0].numpy()
        looks_right = adjustment != Adjustment() or found.confidence >= SURE
        message = "" if looks_right else NOT_SURE if found.found else NO_FACE
        return Face(
            latent, np.zeros_like(latent), pixels, photo, screen, alignment, start, source, faces, index, left, name=name, message=message
        )

    def refine(self, face: Face, config: InversionConfig = InversionConfig()) -> Iterator[RefineStep]:
        """Search near the encoder's answer for a latent whose reconstruction is nearer to the crop, step by step.

        Ends early where nothing is gained any more. The edit in `offset` stays. `ValueError` for a generated face: it
        is its latent.
        """
        if face.photo is None:
            raise ValueError("a generated face has nothing to refine: it is its latent")
        crop_pixels = images.to_float(face.crop)
        with self._lock, torch.inference_mode():
            posterior = self.checkpoint.net.encode(crop_pixels)
        walk = invert(
            self.checkpoint.net.decode,
            self.checkpoint.classifier.features,
            crop_pixels,
            self._mask,
            posterior.mode[0],
            (0.5 * posterior.logvar[0]).exp(),
            self._cholesky,
            config,
        )
        first = None
        while True:
            with self._lock:
                step = next(walk, None)
            if step is None:
                return
            first = step.psnr_db if first is None else first
            better = replace(face, latent=step.latent.numpy(), start=step.picture[0].clamp(0, 1).numpy(), refined=step.index)
            yield RefineStep(better, step.index, config.steps, first, step.psnr_db, step.done)

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
                start = self._decode(latent)
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

    def edit(self, face: Face, strengths: Mapping[str, float] = {}, max_side_px: int | None = None, detail: float = DETAIL) -> Result:
        """Move the face along attributes (strengths in σ); the photo keeps its own pixels plus the change.

        `detail` is how much of the photo's own detail stays where the change is one of shape, 0 to 1.
        `max_side_px` composes on a smaller copy of the photo, for a preview.
        """
        move = self._move(face, strengths)
        photo, alignment = self._canvas(face, max_side_px)
        in_crop, decoded, layers = self._in_crop(face, move, detail)
        if photo is None or alignment is None:
            return Result(decoded, decoded, decoded)
        return Result(in_crop, decoded, photo if layers is None else paste(photo, *layers, alignment, detail))

    def _in_crop(self, face: Face, move: Tensor, detail: float) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray] | None]:
        """The crop with the edit in it, G(z') alone, and (G(z), G(z')) as `paste` wants them; None where nothing moves or no photo is."""
        if not 0 <= detail <= 1:
            raise ValueError(f"the photo detail must lie between 0 and 1, not {detail:g}")
        with self._lock, torch.inference_mode():
            start = self._start(face)
            after = self._decode(torch.from_numpy(face.latent) + move) if move.any() else start
            decoded = images.to_uint8(after)[0]
        if face.photo is None:
            return decoded, decoded, None
        if not move.any():
            return face.crop, decoded, None
        layers = as_pixels(start), as_pixels(after)
        return paste(face.crop, *layers, whole(self.size), detail), decoded, layers

    def probabilities(self, face: Face, strengths: Mapping[str, float] = {}, detail: float = DETAIL) -> dict[str, float]:
        """What the classifier sees in the crop after the edit: attribute -> probability."""
        picture, _, _ = self._in_crop(face, self._move(face, strengths), detail)
        with self._lock, torch.inference_mode():
            values = self.checkpoint.classifier(images.to_float(picture)).sigmoid()[0].tolist()
        return dict(zip(self.checkpoint.classifier.config.attributes, values, strict=True))

    def guide(
        self,
        face: Face,
        wanted: Mapping[str, bool],
        strengths: Mapping[str, float] = {},
        target: float = 0.9,
        steps: int = 40,
        detail: float = DETAIL,
    ) -> Iterator[GuideStep]:
        """Search for the wanted labels by gradient steps on z, step by step; stops at the target probability.

        The gradient is that of the crop plus the change; the probability that counts is that of the crop as the user gets
        it. The steps' faces carry the guidance, and the strengths that were set before, in `offset`.
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
        # In a photo the blending takes some of the change back: the search goes on until the blended crop has the labels.
        config = GuidanceConfig(steps=steps, target=target if face.photo is None else max(target, SATED))
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
            moved, probability = replace(face, offset=step.move.numpy()), step.probability
            if face.photo is not None:
                seen = self.probabilities(moved, detail=detail)
                probability = min(seen[name] if want else 1 - seen[name] for name, want in wanted.items())
            done = step.done or probability >= target
            yield GuideStep(moved, step.index, steps, probability, done)
            if done:
                return

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

    def recipe(self, face: Face, strengths: Mapping[str, float] = {}, detail: float = DETAIL) -> dict[str, Any]:
        """What was done, as JSON. The photo itself is not in it."""
        return {
            "facevae": __version__,
            "checkpoint": {"name": self.checkpoint.name, "sha256": self.checkpoint.digest},
            "source": "photo" if face.photo is not None else "seed",
            "seed": face.seed,
            "strengths": {name: round(float(value), 4) for name, value in strengths.items() if value},
            "guidance": [round(float(v), 5) for v in face.offset] if face.offset.any() else None,
            **self._photo_recipe(face, detail),
        }

    def _photo_recipe(self, face: Face, detail: float) -> dict[str, Any]:
        """What the edit of a photo depends on besides the latent: the crop, the refinement, the other faces."""
        if face.alignment is None:
            return {}
        own = {
            "face": face.index,
            "alignment": [round(float(v), 8) for v in face.alignment.matrix.flat],
            "refined": face.refined,
            "detail": round(float(detail), 3),
        }
        return own | ({"left": [self.recipe(entry.face, {}, entry.detail) for entry in face.left]} if face.left else {})

    def save(
        self, face: Face, strengths: Mapping[str, float] = {}, format: Literal["original", "png"] = "original", detail: float = DETAIL
    ) -> tuple[bytes, str]:
        """The edit at the photo's full size: a file's content and its suffix.

        "original" keeps the photo's format, colour profile and transparency (see `facevae.photo.images.save_photo`);
        a generated face is a PNG. The note "AI-edited" and the recipe are inside.
        """
        if format not in ("original", "png"):
            raise ValueError(f"the format must be original or png, not {format}")
        result = self.edit(face, strengths, detail=detail)
        notes = {
            "Software": f"facevae {__version__}",
            "Comment": f"{'AI-edited' if face.source is not None else 'AI-generated (AI-edited)'} with facevae",
            "facevae": json.dumps(self.recipe(face, strengths, detail)),
        }
        if face.source is None:
            return images.png_bytes(result.photo, notes), ".png"
        return images.save_photo(face.source, result.photo, notes, format)

    def save_animation(
        self, frames: UInt8[np.ndarray, "n h w 3"], format: Literal["gif", "webp"] = "webp", duration_ms: int = 60, loop: bool = True
    ) -> bytes:
        """An animation of the frames, there and, with `loop`, back again."""
        return animation_bytes(frames, format, duration_ms, loop)

    # Inside -----------------------------------------------------------------------------------------------------------

    def _move(self, face: Face, strengths: Mapping[str, float]) -> Tensor:
        d = self.checkpoint.net.config.latent
        if face.latent.shape != (d,):
            raise ValueError(f"latent has {face.latent.size} values, the checkpoint expects {d}")
        return torch.from_numpy(face.offset) + displacement(self.checkpoint.directions, strengths)

    def _decode(self, latent: Tensor) -> Tensor:
        """G(z) in [0, 1], (d,) -> (1, 3, s, s)."""
        return self.checkpoint.net.decode(latent[None]).clamp(0, 1)

    def _start(self, face: Face) -> Tensor:
        """G(latent), (1, 3, s, s)."""
        if face.start is not None:
            return torch.from_numpy(face.start)[None]
        with self._lock, torch.no_grad():
            return self._decode(torch.from_numpy(face.latent))

    def _canvas(self, face: Face, max_side_px: int | None) -> tuple[np.ndarray | None, Alignment | None]:
        """The photo, or a copy of at most `max_side_px`, with the alignment that fits it."""
        if face.photo is None or face.screen is None or face.alignment is None:
            return None, None
        if max_side_px is None or max(face.photo.shape) <= max_side_px:
            return face.photo, face.alignment
        source = face.screen if max(face.screen.shape) >= max_side_px else face.photo
        small = shrunk(source, max_side_px)
        return small, rescaled(face.alignment, face.photo, small)


def list_controls(checkpoint: Checkpoint) -> list[Control]:
    """The sliders of a checkpoint, in the order shown; a reversed one takes its attribute away to the right."""
    controls = []
    for shown in SHOWN:
        direction = checkpoint.directions.get(shown.name)
        if direction is not None:
            low, high = (-direction.high, -direction.low) if shown.reversed else (direction.low, direction.high)
            controls.append(Control(shown.name, shown.label, shown.group, low, high, shown.reversed))
    return controls


def as_pixels(x: Float32[Tensor, "1 3 s s"]) -> Float32[np.ndarray, "s s 3"]:
    """One picture in [0, 1], as compositing wants it."""
    return np.ascontiguousarray(x[0].permute(1, 2, 0).numpy())
