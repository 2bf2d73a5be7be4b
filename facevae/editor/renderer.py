"""Renderer: what every verb of the editor stands on: an open checkpoint, the directions known to it, a move and the picture of it."""

import copy
import weakref
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor, nn

from facevae.checkpoint.checkpoint import Checkpoint
from facevae.editor.fair_lock import FairLock
from facevae.editor.types import Face, Result
from facevae.latent.directions import Direction, displacement, from_examples, principal, readout, remaining, steps_to_hold
from facevae.nets.fast_vae import quick
from facevae.nets.mkldnn import packed
from facevae.photo import images
from facevae.photo.alignment import MAX_LOOK_PX, Alignment, rescaled, shrunk, whole
from facevae.photo.compositing import DETAIL, ground_of, paste, soft_mask

SCREEN_SIDE_PX = MAX_LOOK_PX  # previews are composed on a copy of the photo of at most this side, faces found in it

RendererT = TypeVar("RendererT", bound="Renderer")
ModuleT = TypeVar("ModuleT", bound=nn.Module)


class Renderer:
    """A checkpoint with the directions known to it: takes a face and an edit, gives pictures and what is seen in them."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint
        self.size: int = checkpoint.net.config.size
        self._mask = torch.from_numpy(soft_mask(self.size))[None, None]  # (1, 1, s, s)
        self._quick = quick(checkpoint.net)  # where no gradient is asked for
        self._copies: weakref.WeakValueDictionary[str, nn.Module] = weakref.WeakValueDictionary()
        self._pixels: weakref.WeakValueDictionary[bytes, np.ndarray] = weakref.WeakValueDictionary()  # of the files that are open
        self._small: dict[int, tuple[int, np.ndarray]] = {}  # by the identity of the photo: longer side, copy
        self._lock = FairLock()  # one model, two cores
        self._statistics = checkpoint.labels
        self._know(checkpoint.directions)

    # Directions -------------------------------------------------------------------------------------------------------

    def _know(self, directions: Mapping[str, Direction]) -> None:
        self.directions = dict(directions)
        self._readout = readout(list(directions.values()), self.checkpoint.cholesky)  # (d, k)

    def knowing(self: RendererT, own: Sequence[Direction]) -> RendererT:
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
        decoded, layers = self._layers(face, move, detail)

        def in_photo() -> np.ndarray:
            photo, alignment = self._canvas(face, max_side_px)
            if photo is None or alignment is None:
                return decoded
            return photo if layers is None else self._paste(photo, *layers, alignment, detail)

        return Result(decoded, lambda: self._over_crop(face, decoded, layers, detail), in_photo)

    def probabilities(
        self, face: Face, strengths: Mapping[str, float] = {}, detail: float = DETAIL, locks: Collection[str] = ()
    ) -> dict[str, float]:
        """What the classifier sees in the crop after the edit: attribute -> probability, calibrated."""
        picture = self._in_crop(face, self._move(face, strengths, locks), detail)
        with self._lock, torch.inference_mode():
            values = self.checkpoint.classifier(images.to_float(picture)).sigmoid()[0].tolist()
        return dict(zip(self.checkpoint.classifier.config.attributes, values, strict=True))

    def reset(self, face: Face) -> Face:
        """The face as it was before any guidance."""
        return replace(face, offset=np.zeros_like(face.latent))

    def bake(self, face: Face, strengths: Mapping[str, float], locks: Collection[str] = ()) -> Face:
        """The face with these strengths inside, so that all sliders start from zero again."""
        return replace(face, offset=self._move(face, strengths, locks).numpy())

    def begin_from(self, face: Face, strengths: Mapping[str, float] = {}, detail: float = DETAIL, locks: Collection[str] = ()) -> Face:
        """The result as the new start: the picture before and after this edit becomes the picture before the next one."""
        move = self._move(face, strengths, locks)
        done = face.offset if face.baked is None else face.baked + face.offset
        result = self.edit(face, strengths, detail=detail, locks=locks)
        new = replace(
            face,
            latent=face.latent + move.numpy(),
            offset=np.zeros_like(face.offset),
            crop=result.crop,
            start=None,
            applied=None,
            baked=done + (move.numpy() - face.offset),
        )
        if face.photo is not None:
            new = replace(new, photo=result.photo, screen=shrunk(result.photo, SCREEN_SIDE_PX))
        return replace(new, start=self._start(new)[0].numpy())

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
        return torch.cat(
            [torch.zeros(0, self.checkpoint.net.config.latent), *(steps_to_hold(self.directions[name]) for name in dict.fromkeys(locks))]
        )

    def _layers(self, face: Face, move: Tensor, detail: float) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray] | None]:
        """G(z') as a picture, and (G(z), G(z')) as `paste` wants them; None where nothing moves or no photo is."""
        if not 0 <= detail <= 1:
            raise ValueError(f"the photo detail must lie between 0 and 1, not {detail:g}")
        shown = 0 if face.applied is None else torch.from_numpy(face.applied)
        still = bool(((move - shown).abs() < 1e-6).all())
        with self._lock, torch.inference_mode():
            start = self._start(face)
            after = start if still else self._decode(torch.from_numpy(face.latent) + move)
            decoded = images.to_uint8(after)[0]
        return decoded, None if face.photo is None or still else (as_pixels(start), as_pixels(after))

    def _over_crop(self, face: Face, decoded: np.ndarray, layers: tuple[np.ndarray, np.ndarray] | None, detail: float) -> np.ndarray:
        """What `_layers` gave, laid over the crop."""
        if face.photo is None:
            return decoded
        return face.crop if layers is None else self._paste(face.crop, *layers, whole(self.size), detail)

    def _paste(self, photo: np.ndarray, before: np.ndarray, after: np.ndarray, alignment: Alignment, detail: float) -> np.ndarray:
        """`paste` on a photo of a face's, to which nobody writes."""
        return paste(photo, before, after, alignment, detail, ground_of(photo, alignment, self.size))

    def _in_crop(self, face: Face, move: Tensor, detail: float) -> np.ndarray:
        """The crop with the edit in it."""
        return self._over_crop(face, *self._layers(face, move, detail), detail)

    def _decode(self, latent: Tensor) -> Tensor:
        """G(z) in [0, 1], (d,) -> (1, 3, s, s), without a gradient."""
        return self._quick.decode(latent[None]).clamp(0, 1)

    def _searched(self, net: ModuleT, look: Callable[[ModuleT], object]) -> ModuleT:
        """A copy of `net` that is quick forth and back, for all searches at the same time; gone with the last of them."""
        name = type(net).__name__
        with self._lock:
            known = self._copies.get(name)
            if known is None:
                known = self._copies[name] = packed(net, look)
        return known

    def _start(self, face: Face) -> Tensor:
        """What the model makes of the picture that edits are laid over: G(latent), (1, 3, s, s)."""
        if face.start is not None:
            return torch.from_numpy(face.start)[None]
        with self._lock, torch.no_grad():
            return self._decode(torch.from_numpy(face.latent if face.applied is None else face.latent + face.applied))

    def _bare(self, latent: Tensor, name: str) -> Face:
        """A face without a photo, (d,) -> as the decoder draws it."""
        start = self._decode(latent)
        return Face(latent.numpy(), np.zeros(len(latent), np.float32), images.to_uint8(start)[0], start=start[0].numpy(), name=name)

    def _canvas(self, face: Face, max_side_px: int | None) -> tuple[np.ndarray | None, Alignment | None]:
        """The photo, or a copy of at most `max_side_px`, with the alignment that fits it."""
        if face.photo is None or face.screen is None or face.alignment is None:
            return None, None
        if max_side_px is None or max(face.photo.shape) <= max_side_px:
            return face.photo, face.alignment
        small = self._shrunk(face.screen if max(face.screen.shape) >= max_side_px else face.photo, max_side_px)
        return small, rescaled(face.alignment, face.photo, small)

    def _shrunk(self, photo: np.ndarray, side_px: int) -> np.ndarray:
        """`shrunk`, remembered while the photo is there: a drag asks for the same copy many times a second."""
        if max(photo.shape) <= side_px:
            return photo
        known = self._small.get(id(photo))
        if known is None:
            weakref.finalize(photo, self._small.pop, id(photo), None).atexit = False
        if known is None or known[0] != side_px:
            known = self._small[id(photo)] = (side_px, shrunk(photo, side_px))
            known[1].setflags(write=False)
        return known[1]


def as_pixels(x: Float32[Tensor, "1 3 s s"]) -> Float32[np.ndarray, "s s 3"]:
    """One picture in [0, 1], as compositing wants it."""
    return np.ascontiguousarray(x[0].permute(1, 2, 0).numpy())
