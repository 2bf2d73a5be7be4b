"""Editor: generate, open a photo, edit, guide, morph. Images in, images out; the page is a thin skin over it."""

import copy
import json
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
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
from facevae.checkpoint import Checkpoint, LabelStatistics
from facevae.faces import Control, Face, GuideReport, GuideStep, Left, RefineStep, Result
from facevae.latent.directions import Direction, displacement, from_examples, hold, principal, readout, remaining, steps_to_hold
from facevae.latent.guidance import GuidanceConfig, Wish
from facevae.latent.guidance import guide as guide_latent
from facevae.latent.inversion import InversionConfig
from facevae.latent.inversion import refine as invert
from facevae.latent.paths import lerp, slerp
from facevae.latent.priors import standard_normal
from facevae.photo import images
from facevae.photo.alignment import MAX_LOOK_PX, Adjustment, Alignment, adjust, crop, find_faces, middle, rescaled, shrunk, whole
from facevae.photo.animation import animation_bytes
from facevae.photo.compositing import DETAIL, paste, soft_mask

__all__ = [
    "DETAIL",
    "Adjustment",
    "Control",
    "Editor",
    "Face",
    "Goal",
    "GuideReport",
    "GuideStep",
    "InversionConfig",
    "RefineStep",
    "Result",
]

SCREEN_SIDE_PX = MAX_LOOK_PX  # previews are composed on a copy of the photo of at most this side, faces found in it
MAX_FACES = 64
MAX_FRAMES = 240
MAX_SEED = 2**32
NO_FACE = "No face was found, so this is the middle of the picture: use Adjust crop to place the face."
NOT_SURE = "A face was found, but not for sure: if the crop looks wrong, use Adjust crop."
BEYOND = 1.5  # a slider ends at so many times its safe range
HEAD_STARTS = (0.2, 0.35, 0.5, 0.65, 0.8, 1.0, 1.2, 1.4)  # of the safe range
MOST_MOVED, LEAST_MOVED_SIGMA = 8, 0.25  # what a report names
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
        self._lock = threading.RLock()  # one model, two cores: calls take turns
        a = len(known)
        # Folders from before there was a judge know nothing of how labels go together.
        self._statistics = self.checkpoint.labels or LabelStatistics(torch.zeros(a, a), torch.ones(a), torch.ones(a))
        self._know(self.checkpoint.directions)

    def _know(self, directions: Mapping[str, Direction]) -> None:
        self.directions = dict(directions)
        self._readout = readout(list(directions.values()), self.checkpoint.cholesky)  # (d, k)

    def knowing(self, own: Sequence[Direction]) -> "Editor":
        """This editor with directions of the user's beside the checkpoint's: same nets, same lock, nothing copied.

        `ValueError` where one has another length than a latent, or the name of one that is there already.
        """
        d = self.checkpoint.net.config.latent
        for direction in own:
            if direction.vector.shape != (d,):
                raise ValueError(f"the direction {direction.name} has {direction.vector.numel()} values, the checkpoint expects {d}")
            if direction.name in self.directions:
                raise ValueError(f"there is a direction {direction.name} already: choose another name")
        other = copy.copy(self)
        other._know(self.directions | {direction.name: direction for direction in own})
        return other

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

    def choose(
        self, face: Face, index: int, strengths: Mapping[str, float] = {}, detail: float = DETAIL, locks: Collection[str] = ()
    ) -> Face:
        """Another face of the same photo. The edit of this one (strengths in σ) stays in the photo.

        A face that was edited before comes back with its edit, in its `offset`.
        """
        if face.source is None:
            raise ValueError("a generated face has no others beside it")
        if not 0 <= index < len(face.faces):
            raise ValueError(f"face {index} was asked for, the photo has {len(face.faces)}, counted from 0")
        if index == face.index:
            return self.bake(face, strengths, locks)
        # What is left behind needs no photo of its own: it gets one when it is chosen again.
        behind = replace(self.bake(face, strengths, locks), photo=face.source.pixels, screen=None, left=())
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
            self.checkpoint.cholesky,
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

    def bake(self, face: Face, strengths: Mapping[str, float], locks: Collection[str] = ()) -> Face:
        """The face with these strengths inside, so that all sliders start from zero again."""
        return replace(face, offset=self._move(face, strengths, locks).numpy())

    # Directions -------------------------------------------------------------------------------------------------------

    def scores(self, face: Face) -> dict[str, float]:
        """Where the face stands in each attribute, in σ: 0 is the mean face, see `Direction.reader`. Guidance counts."""
        found = (torch.from_numpy(face.latent + face.offset) - self.checkpoint.prior.mean) @ self._readout
        return dict(zip(self.directions, found.tolist(), strict=True))

    def remaining(self, locks: Collection[str]) -> dict[str, float]:
        """Share of each direction's strength that is left while `locks` hold, 0 to 1; those locked themselves are left out."""
        locked = self._locked(locks)
        return {name: remaining(d, locked, self.checkpoint.cholesky) for name, d in self.directions.items() if name not in locks}

    def components(self, count: int = 20) -> list[Direction]:
        """The first principal components of the encodings, for the user to look at and to name."""
        return principal(self.checkpoint.prior.covariance, min(count, self.checkpoint.net.config.latent))

    def direction_from_faces(self, name: str, with_it: Sequence[Face], without: Sequence[Face]) -> Direction:
        """A direction of the user's own from at least eight faces with something and eight without; nothing is kept of them."""
        d = self.checkpoint.net.config.latent
        sides = [
            torch.from_numpy(np.stack([f.latent + f.offset for f in side]) if side else np.zeros((0, d), np.float32))
            for side in (with_it, without)
        ]
        return from_examples(name, *sides, self.checkpoint.prior.mean, self.checkpoint.prior.covariance)

    # Edits ------------------------------------------------------------------------------------------------------------

    def edit(
        self,
        face: Face,
        strengths: Mapping[str, float] = {},
        max_side_px: int | None = None,
        detail: float = DETAIL,
        locks: Collection[str] = (),
    ) -> Result:
        """Move the face along attributes (strengths in σ); the photo keeps its own pixels plus the change.

        `detail` is how much of the photo's own detail stays where the change is one of shape, 0 to 1.
        `max_side_px` composes on a smaller copy of the photo, for a preview. `locks` names what the others may not move
        (see `facevae.latent.directions.hold`).
        """
        move = self._move(face, strengths, locks)
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

    def probabilities(
        self, face: Face, strengths: Mapping[str, float] = {}, detail: float = DETAIL, locks: Collection[str] = ()
    ) -> dict[str, float]:
        """What the classifier sees in the crop after the edit: attribute -> probability, calibrated."""
        picture, _, _ = self._in_crop(face, self._move(face, strengths, locks), detail)
        with self._lock, torch.inference_mode():
            values = self.checkpoint.classifier(images.to_float(picture)).sigmoid()[0].tolist()
        return dict(zip(self.checkpoint.classifier.config.attributes, values, strict=True))

    def guide(
        self,
        face: Face,
        wanted: Mapping[str, bool],
        strengths: Mapping[str, float] = {},
        target: float = 0.9,
        steps: int = GuidanceConfig.steps,
        detail: float = DETAIL,
        locks: Collection[str] = (),
    ) -> Iterator[GuideStep]:
        """Search for the wanted labels by gradient steps on z, step by step; stops at the target probability, or on a plateau.

        What counts is what the classifier sees in the crop as the user gets it. The steps' faces carry the guidance, and the
        strengths that were set before, in `offset`. `locks` hold but for what is asked for. The same call gives the same steps.
        """
        attributes = self.checkpoint.classifier.config.attributes
        if not wanted:
            raise ValueError("nothing was asked for: name at least one attribute")
        if unknown := sorted(set(wanted) - set(attributes)):
            raise ValueError(f"the classifier does not know {', '.join(unknown)}; it knows {', '.join(attributes)}")
        held = self._locked([name for name in locks if name not in wanted])
        values, mask = (torch.tensor([f(a) for a in attributes]) for f in (lambda a: wanted.get(a, False), lambda a: a in wanted))
        walk = guide_latent(
            self._renderer(face, detail),
            self.checkpoint.classifier.embed,
            self.checkpoint.classifier.head,
            self._move(face, strengths, locks),
            self._starts(wanted, self.probabilities(face, strengths, detail, locks)),
            self.checkpoint.cholesky,
            Wish.of(values, mask, self._statistics.correlation, self._statistics.guide_spread),
            torch.Generator().manual_seed(0),
            lambda move: hold(move, held, self.checkpoint.cholesky),
            GuidanceConfig(steps=steps, target=target),
        )
        while True:
            with self._lock:
                step = next(walk, None)
            if step is None:
                return
            seen = dict(zip(attributes, step.logits.sigmoid().tolist(), strict=True))
            moved = replace(face, offset=step.move.numpy())
            asked = {name: seen[name] for name in wanted}
            yield GuideStep(moved, step.index, steps, step.probability, asked, step.loss, step.done, step.reason)

    def _renderer(self, face: Face, detail: float) -> Callable[[Tensor], Tensor]:
        """moves (b, d) -> pictures (b, 3, s, s) as the user gets them, with the gradient of crop + mask · (G(z') - G(z)).

        Colour that the blending would not lay on the background does not count, though blending itself has no gradient.
        """
        net, latent = self.checkpoint.net, torch.from_numpy(face.latent)
        before, crop, place = self._start(face), images.to_float(face.crop), whole(self.size)

        def render(moves: Tensor) -> Tensor:
            after = near = net.decode(latent + moves).clamp(0, 1)
            pictures = images.to_uint8(after.detach())
            if face.photo is not None:
                near = crop + self._mask * (after - before)
                layers = after.detach().split(1)
                pictures = np.stack([paste(face.crop, as_pixels(before), as_pixels(layer), place, detail) for layer in layers])
            return near + (images.to_float(pictures) - near).detach()

        return render

    def _starts(self, wanted: Mapping[str, bool], seen: Mapping[str, float]) -> Tensor:
        """Head starts (k, d), gentle ones first: along the directions of those wanted labels that are not seen yet."""
        known = self.checkpoint.directions
        lacking = [name for name, want in wanted.items() if name in known and (seen[name] > 0.5) != want]
        whole_step = displacement(known, {name: known[name].high if wanted[name] else known[name].low for name in lacking})
        return torch.tensor(HEAD_STARTS if lacking else (0.0,))[:, None] * whole_step

    def report(
        self,
        before: Face,
        strengths: Mapping[str, float],
        after: Face,
        wanted: Mapping[str, bool],
        detail: float = DETAIL,
        locks: Collection[str] = (),
    ) -> GuideReport:
        """What guidance did to the crop, from `before` with these strengths and locks to `after`, seen by the guide and by the judge."""
        attributes = self.checkpoint.classifier.config.attributes
        pairs = (before, self._move(before, strengths, locks)), (after, self._move(after, {}))
        crops = np.stack([self._in_crop(face, move, detail)[0] for face, move in pairs])
        with self._lock, torch.inference_mode():
            logits, spread = self.checkpoint.classifier(images.to_float(crops)), self._statistics.guide_spread
            guide, judge = dict(zip(attributes, logits[1].sigmoid().tolist(), strict=True)), None
            if self.checkpoint.judge is not None:
                logits, spread = self.checkpoint.judge(images.to_float(crops)), self._statistics.judge_spread
                judge = dict(zip(attributes, logits[1].sigmoid().tolist(), strict=True))
        change = dict(zip(attributes, ((logits[1] - logits[0]) / spread).tolist(), strict=True))
        others = sorted(((name, sigma) for name, sigma in change.items() if name not in wanted), key=lambda pair: -abs(pair[1]))
        return GuideReport(
            asked=dict(wanted),
            guide={name: guide[name] for name in wanted},
            judge=judge and {name: judge[name] for name in wanted},
            moved=tuple(pair for pair in others[:MOST_MOVED] if abs(pair[1]) >= LEAST_MOVED_SIGMA),
            leakage=float(np.mean([abs(sigma) for _, sigma in others])) if others else 0.0,
        )

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

    def recipe(
        self, face: Face, strengths: Mapping[str, float] = {}, detail: float = DETAIL, locks: Collection[str] = ()
    ) -> dict[str, Any]:
        """What was done, as JSON: directions of the user's own with all their values. The photo itself is not in it."""
        own = {
            name: self.directions[name].step for name in (*strengths, *locks) if name in self.directions.keys() - self.checkpoint.directions
        }
        return {
            "facevae": __version__,
            "checkpoint": {"name": self.checkpoint.name, "sha256": self.checkpoint.digest},
            "source": "photo" if face.photo is not None else "seed",
            "seed": face.seed,
            "strengths": {name: round(float(value), 4) for name, value in strengths.items() if value},
            **({"locks": sorted(locks)} if locks else {}),
            **({"directions": {name: [round(float(v), 6) for v in step] for name, step in own.items()}} if own else {}),
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
        self,
        face: Face,
        strengths: Mapping[str, float] = {},
        format: Literal["original", "png"] = "original",
        detail: float = DETAIL,
        locks: Collection[str] = (),
    ) -> tuple[bytes, str]:
        """The edit at the photo's full size: a file's content and its suffix.

        "original" keeps the photo's format, colour profile and transparency (see `facevae.photo.images.save_photo`);
        a generated face is a PNG. The note "AI-edited" and the recipe are inside.
        """
        if format not in ("original", "png"):
            raise ValueError(f"the format must be original or png, not {format}")
        result = self.edit(face, strengths, detail=detail, locks=locks)
        notes = {
            "Software": f"facevae {__version__}",
            "Comment": f"{'AI-edited' if face.source is not None else 'AI-generated (AI-edited)'} with facevae",
            "facevae": json.dumps(self.recipe(face, strengths, detail, locks)),
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

    def _move(self, face: Face, strengths: Mapping[str, float], locks: Collection[str] = ()) -> Tensor:
        d = self.checkpoint.net.config.latent
        if face.latent.shape != (d,):
            raise ValueError(f"latent has {face.latent.size} values, the checkpoint expects {d}")
        moved = displacement(self.directions, strengths, self._locked(locks), tuple(locks), self.checkpoint.cholesky)
        return torch.from_numpy(face.offset) + moved

    def _locked(self, locks: Collection[str]) -> Tensor:
        """The steps that may not be moved along, (k, d); `ValueError` names what cannot be locked."""
        if unknown := [name for name in locks if name not in self.directions]:
            raise ValueError(f"{', '.join(unknown)} cannot be locked; what can be is {', '.join(self.directions)}")
        return torch.cat([torch.zeros(0, self.checkpoint.net.config.latent), *(steps_to_hold(self.directions[name]) for name in locks)])

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
    return [
        control_of(checkpoint.directions[shown.name], shown.label, shown.group, shown.reversed)
        for shown in SHOWN
        if shown.name in checkpoint.directions
    ]


def control_of(direction: Direction, label: str, group: str, reversed: bool = False) -> Control:
    """The slider of a direction: it goes on beyond the safe range, by half of it."""
    safe = (-direction.high, -direction.low) if reversed else (direction.low, direction.high)
    low, high = (round(BEYOND * end, 1) for end in safe)
    return Control(direction.name, label, group, low, high, reversed, safe_low=safe[0], safe_high=safe[1])


def as_pixels(x: Float32[Tensor, "1 3 s s"]) -> Float32[np.ndarray, "s s 3"]:
    """One picture in [0, 1], as compositing wants it."""
    return np.ascontiguousarray(x[0].permute(1, 2, 0).numpy())
