"""Renderer: decodes edits into pictures; owns checkpoint, lock and directions."""

import copy
import weakref
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor, nn

from facevae.checkpoint.checkpoint import Checkpoint
from facevae.editor.fair_lock import FairLock
from facevae.editor.photo_cache import PhotoCache
from facevae.editor.types import Face, Result
from facevae.latent.directions import Direction, displacement, from_examples, principal, readout, remaining, steps_to_hold
from facevae.nets.fast_vae import fast_copy
from facevae.nets.mkldnn import pack_convolutions
from facevae.photo import images
from facevae.photo.alignment import Alignment, rescaled, shrunk, whole
from facevae.photo.compositing import DETAIL, ground_of, paste, soft_mask
from facevae.photo.finding import MAX_LOOK_PX

SCREEN_SIDE_PX = MAX_LOOK_PX  # previews are composed on a copy of the photo of at most this side, large faces found in it

ModuleT = TypeVar("ModuleT", bound=nn.Module)
Layers = tuple[Float32[np.ndarray, "s s 3"], Float32[np.ndarray, "s s 3"]]
"""(G(z), G(z')) in [0, 1]: what the model makes of the face before and after an edit."""


class Renderer:
    """A checkpoint with the directions known to it: takes a face and an edit, gives pictures and what the classifier sees in them.

    `mask` is (1, 1, s, s), soft towards the border of the crop. `fast_net` is for inference without gradients. `lock` serialises
    inference: parallel decodes slow each other down.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint
        self.size: int = checkpoint.net.config.size
        self.mask = torch.from_numpy(soft_mask(self.size))[None, None]
        self.fast_net = fast_copy(checkpoint.net)
        self.lock = FairLock()
        self.photo_cache = PhotoCache()
        self._packed: weakref.WeakValueDictionary[str, nn.Module] = weakref.WeakValueDictionary()  # by class name
        self._use_directions(checkpoint.directions)

    @property
    def latent_size(self) -> int:
        """Number of values in a latent, d."""
        return self.checkpoint.net.config.latent

    @property
    def attributes(self) -> tuple[str, ...]:
        """Labels that the classifier knows, in its order."""
        return self.checkpoint.classifier.config.attributes

    def check_attributes(self, names: Iterable[str]) -> None:
        """`ValueError` where the classifier does not know one of these labels."""
        if unknown := sorted(set(names) - set(self.attributes)):
            raise ValueError(f"the classifier does not know {', '.join(unknown)}; it knows {', '.join(self.attributes)}")

    # Directions -------------------------------------------------------------------------------------------------------

    def _use_directions(self, directions: Mapping[str, Direction]) -> None:
        self.directions = dict(directions)
        self._readout = readout(list(directions.values()), self.checkpoint.cholesky)  # (d, k)

    def knowing(self, own: Sequence[Direction]) -> "Renderer":
        """A renderer that knows directions of the user's own besides the checkpoint's; nets, lock and caches are shared.

        `ValueError` where one has another length than a latent, or the name of one that is there already.
        """
        for direction in own:
            if direction.vector.shape != (self.latent_size,):
                raise ValueError(
                    f"the direction {direction.name} has {direction.vector.numel()} values, the checkpoint expects {self.latent_size}"
                )
            if direction.name in self.directions:
                raise ValueError(f"there is a direction {direction.name} already: choose another name")
        other = copy.copy(self)
        other._use_directions(self.directions | {direction.name: direction for direction in own})
        return other

    def scores(self, face: Face) -> dict[str, float]:
        """Scores of the face along each direction, in σ from the mean face, see `Direction.reader`. Guidance counts."""
        found = (torch.from_numpy(face.latent + face.offset) - self.checkpoint.prior.mean) @ self._readout
        return dict(zip(self.directions, found.tolist(), strict=True))

    def remaining(self, locks: Collection[str]) -> dict[str, float]:
        """Share of each direction's strength that remains while `locks` hold, 0 to 1; locked directions are left out."""
        locked = self.locked_steps(locks)
        return {name: remaining(d, locked, self.checkpoint.cholesky) for name, d in self.directions.items() if name not in locks}

    def components(self, count: int = 20) -> list[Direction]:
        """The first principal components of the encodings, for the user to look at and to name."""
        return principal(self.checkpoint.prior.covariance, min(count, self.latent_size))

    def direction_from_faces(self, name: str, with_it: Sequence[Face], without: Sequence[Face]) -> Direction:
        """A direction from at least eight faces with a property and eight without; the faces are not kept."""
        sides = [
            torch.from_numpy(np.stack([f.latent + f.offset for f in side]) if side else np.zeros((0, self.latent_size), np.float32))
            for side in (with_it, without)
        ]
        return from_examples(name, *sides, self.checkpoint.prior.mean, self.checkpoint.prior.covariance)

    def move(self, face: Face, strengths: Mapping[str, float], locks: Collection[str] = ()) -> Float[Tensor, " d"]:
        """How far an edit moves the face's latent, guidance included; `ValueError` names an unknown attribute."""
        if face.latent.shape != (self.latent_size,):
            raise ValueError(f"latent has {face.latent.size} values, the checkpoint expects {self.latent_size}")
        moved = displacement(self.directions, strengths, self.locked_steps(locks), tuple(locks), self.checkpoint.cholesky)
        return torch.from_numpy(face.offset) + moved

    def locked_steps(self, locks: Collection[str]) -> Float[Tensor, "k d"]:
        """The steps along which nothing may move; `ValueError` names what cannot be locked."""
        if unknown := [name for name in locks if name not in self.directions]:
            raise ValueError(f"{', '.join(unknown)} cannot be locked; what can be is {', '.join(self.directions)}")
        return torch.cat([torch.zeros(0, self.latent_size), *(steps_to_hold(self.directions[name]) for name in dict.fromkeys(locks))])

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
        move = self.move(face, strengths, locks)
        decoded, layers = self.decode_layers(face, move, detail)

        def draw_photo() -> np.ndarray:
            photo, alignment = self.scaled_photo(face, max_side_px)
            if photo is None or alignment is None:
                return decoded
            return photo if layers is None else self.paste(photo, *layers, alignment, detail)

        return Result(decoded, lambda: self._paste_into_crop(face, decoded, layers, detail), draw_photo)

    def probabilities(
        self, face: Face, strengths: Mapping[str, float] = {}, detail: float = DETAIL, locks: Collection[str] = ()
    ) -> dict[str, float]:
        """What the classifier sees in the crop after the edit: attribute -> probability, calibrated."""
        picture = self.edited_crop(face, self.move(face, strengths, locks), detail)
        with self.lock, torch.inference_mode():
            values = self.checkpoint.classifier(images.to_float(picture)).sigmoid()[0].tolist()
        return dict(zip(self.attributes, values, strict=True))

    def reset(self, face: Face) -> Face:
        """The face as it was before any guidance."""
        return replace(face, offset=np.zeros_like(face.latent))

    def bake(self, face: Face, strengths: Mapping[str, float], locks: Collection[str] = ()) -> Face:
        """The face with these strengths in its offset, so that all sliders start from zero again."""
        return replace(face, offset=self.move(face, strengths, locks).numpy())

    def begin_from(self, face: Face, strengths: Mapping[str, float] = {}, detail: float = DETAIL, locks: Collection[str] = ()) -> Face:
        """The result as the new start: the next edit is laid over the picture after this one."""
        move = self.move(face, strengths, locks)
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
        return replace(new, start=self.start_picture(new)[0].numpy())

    # Pictures ---------------------------------------------------------------------------------------------------------

    def decode(self, latent: Float[Tensor, " d"]) -> Float[Tensor, "1 3 s s"]:
        """G(z) in [0, 1], without a gradient. Call it with the lock held."""
        return self.fast_net.decode(latent[None]).clamp(0, 1)

    def draw_face(self, latent: Float[Tensor, " d"], name: str) -> Face:
        """A face without a photo, as the decoder draws it. Call it with the lock held."""
        start = self.decode(latent)
        return Face(latent.numpy(), np.zeros(len(latent), np.float32), images.to_uint8(start)[0], start=start[0].numpy(), name=name)

    def start_picture(self, face: Face) -> Float[Tensor, "1 3 s s"]:
        """G(latent) in [0, 1]: what the model makes of the picture that edits are laid over."""
        if face.start is not None:
            return torch.from_numpy(face.start)[None]
        with self.lock, torch.no_grad():
            return self.decode(torch.from_numpy(face.latent if face.applied is None else face.latent + face.applied))

    def decode_layers(self, face: Face, move: Float[Tensor, " d"], detail: float) -> tuple[UInt8[np.ndarray, "s s 3"], Layers | None]:
        """G(z') as a picture, and the layers for `paste`; None where nothing moves or the face has no photo."""
        if not 0 <= detail <= 1:
            raise ValueError(f"the photo detail must lie between 0 and 1, not {detail:g}")
        applied = 0 if face.applied is None else torch.from_numpy(face.applied)
        still = bool(((move - applied).abs() < 1e-6).all())
        with self.lock, torch.inference_mode():
            before = self.start_picture(face)
            after = before if still else self.decode(torch.from_numpy(face.latent) + move)
            decoded = images.to_uint8(after)[0]
        return decoded, None if face.photo is None or still else (as_pixels(before), as_pixels(after))

    def edited_crop(self, face: Face, move: Float[Tensor, " d"], detail: float) -> UInt8[np.ndarray, "s s 3"]:
        """The crop with the edit in it."""
        return self._paste_into_crop(face, *self.decode_layers(face, move, detail), detail)

    def _paste_into_crop(self, face: Face, decoded: np.ndarray, layers: Layers | None, detail: float) -> np.ndarray:
        if face.photo is None:
            return decoded
        return face.crop if layers is None else self.paste(face.crop, *layers, whole(self.size), detail)

    def paste(
        self,
        photo: UInt8[np.ndarray, "h w 3"],
        before: Float32[np.ndarray, "s s 3"],
        after: Float32[np.ndarray, "s s 3"],
        alignment: Alignment,
        detail: float,
    ) -> UInt8[np.ndarray, "h w 3"]:
        """`facevae.photo.compositing.paste` on a photo that is not written to, so that its parts can be cached."""
        return paste(photo, before, after, alignment, detail, ground_of(photo, alignment, self.size))

    def scaled_photo(self, face: Face, max_side_px: int | None) -> tuple[UInt8[np.ndarray, "h w 3"] | None, Alignment | None]:
        """The photo, or a copy of at most `max_side_px`, with the alignment that fits it; None where the face has no photo."""
        if face.photo is None or face.screen is None or face.alignment is None:
            return None, None
        if max_side_px is None or max(face.photo.shape) <= max_side_px:
            return face.photo, face.alignment
        small = self.photo_cache.shrink(face.screen if max(face.screen.shape) >= max_side_px else face.photo, max_side_px)
        return small, rescaled(face.alignment, face.photo, small)

    def packed_copy(self, net: ModuleT, run: Callable[[ModuleT], object]) -> ModuleT:
        """A copy of `net` that is fast forward and backward, shared by all searches; freed with the last of them."""
        name = type(net).__name__
        with self.lock:
            known = self._packed.get(name)
            if known is None:
                known = self._packed[name] = pack_convolutions(net, run)
        return known


def as_pixels(x: Float32[Tensor, "1 3 s s"]) -> Float32[np.ndarray, "s s 3"]:
    """One picture in [0, 1] with channels last, as compositing expects it."""
    return np.ascontiguousarray(x[0].permute(1, 2, 0).numpy())
