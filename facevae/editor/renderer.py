"""Renderer: decodes edits into pictures; owns checkpoint, lock and directions."""

import copy
import weakref
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor, nn

from facevae.checkpoint.checkpoint import Checkpoint
from facevae.editor.edit_parts import STILL, slider_parts, total, with_offset, without
from facevae.editor.fair_lock import FairLock
from facevae.editor.photo_cache import PhotoCache
from facevae.editor.types import EditPart, Face, Result
from facevae.latent import moves
from facevae.latent.conditional_flow import ConditionalFlow
from facevae.latent.directions import Direction, displacement, from_examples, hold, principal, readout, remaining, steps_to_hold
from facevae.latent.hair_colour import HairColour
from facevae.latent.makeup import MakeupMoves
from facevae.latent.moves import FLOW_LABELS, MOUTH, FlowMoves, guidance_of
from facevae.nets.fast_vae import fast_copy
from facevae.nets.mkldnn import pack_convolutions
from facevae.photo import crop_background, images
from facevae.photo.alignment import Alignment, rescaled, shrunk, whole
from facevae.photo.compositing import DETAIL, PartialEdit, paste, soft_mask
from facevae.photo.crop_background import ground_of
from facevae.photo.detail import detail_of
from facevae.photo.finding import MAX_LOOK_PX
from facevae.photo.makeup import Makeup
from facevae.photo.parts import parser_of
from facevae.photo.recolour import has_shift
from facevae.photo.regions import TINTS, dyes_hair, makes_up

SCREEN_SIDE_PX = MAX_LOOK_PX  # previews are composed on a copy of the photo of at most this side, large faces found in it

ModuleT = TypeVar("ModuleT", bound=nn.Module)
ROUNDING = 3e-5  # of what is left of a move without dyes and make-up, less than this share of the move is none


@dataclass(frozen=True, eq=False)
class Layers:
    """An edit as `facevae.photo.compositing.paste` lays it into a photo."""

    before: Float32[np.ndarray, "s s 3"]
    """G(z) in [0, 1], what the model makes of the face."""
    after: Float32[np.ndarray, "s s 3"]
    """The same after the edit, but for what recolours hair or makes up: that is done to the photo itself."""
    hair: Float32[np.ndarray, " 3"]
    """How the colour of hair changes, in CIELAB."""
    makeup: Makeup
    about: tuple[str, ...] | None = None
    """The attributes that the last of the edits in `after` is about; None where it may be about any."""
    earlier: tuple[PartialEdit, ...] = ()
    """The pictures after the edits before the last, in order, and what each is about."""


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
        self.parser = parser_of(checkpoint.parser, self.lock, checkpoint.hair_net)
        self.add_detail = detail_of(checkpoint.detail, self.lock)
        self.hair = HairColour(checkpoint.hair, checkpoint.cholesky)
        self.makeup = MakeupMoves(checkpoint.directions, checkpoint.cholesky)
        self.drawn_matrix = self.hair.without @ self.makeup.without
        flow = checkpoint.prior if isinstance(checkpoint.prior, ConditionalFlow) else None
        self.flow_moves = None if flow is None else FlowMoves(flow, checkpoint.classifier.config.attributes, partial(labels_in, self))
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

    def without_detail(self) -> "Renderer":
        """A renderer that leaves what was drawn as the decoder drew it; all else is shared."""
        other = copy.copy(self)
        other.add_detail = None
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
        z, held = torch.from_numpy(face.latent), self.locked_steps(locks)
        free, own = ({n: s for n, s in strengths.items() if (n in locks) == locked} for locked in (False, True))
        moved = hold(self.displace(z, free), held, self.checkpoint.cholesky) + self.displace(z, own)
        return torch.from_numpy(face.offset) + moved

    def displace(self, z: Float[Tensor, " d"], strengths: Mapping[str, float]) -> Float[Tensor, " d"]:
        """What strengths add to a latent where nothing is locked: straight steps, and one path for all sliders that are curved.
        The flow moves nothing that is as wanted already; a mouth goes on along its straight line then, for a smile can be wider."""
        curved = {n: guidance_of(self.directions[n], s) for n, s in strengths.items() if s and np.isfinite(s) and self.is_curved(n)}
        straight = {name: s for name, s in strengths.items() if name not in curved}
        if self.flow_moves is None or not curved:
            return displacement(self.directions, straight)
        with self.lock:
            straight |= {n: strengths[n] * self.flow_moves.already(z, n, strengths[n] > 0) for n in curved if n in MOUTH}
            return displacement(self.directions, straight) + self.flow_moves.slide(z, curved)

    def is_curved(self, name: str) -> bool:
        """Whether a slider follows the latent flow and not its direction; a side without a safe range has no end to scale it by."""
        known = self.checkpoint.directions.get(name)
        return self.flow_moves is not None and name in FLOW_LABELS and known is not None and known.low < 0 < known.high

    def flow_path(self, z: Float[Tensor, " d"], wanted: Mapping[str, bool]) -> Float[Tensor, "k d"] | None:
        """Moves of the latent flow to wanted labels, gentle ones first; None where there is no flow or it is none for these labels."""
        if self.flow_moves is None or not wanted or not wanted.keys() <= FLOW_LABELS:
            return None
        with self.lock:
            return self.flow_moves.search_path(z, wanted)

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
        parts = self.parts(face, strengths, locks)
        layers = self.decode_layers(face, parts, detail)

        def draw_photo() -> np.ndarray:
            photo, alignment = self.scaled_photo(face, max_side_px)
            if photo is None or alignment is None:
                return draw_edited(self, face, move, parts)
            return photo if layers is None else self.paste(photo, layers, alignment, detail)

        def draw_crop() -> np.ndarray:
            if face.photo is None:
                return draw_edited(self, face, move, parts)
            return face.crop if layers is None else self.paste(face.crop, layers, whole(self.size), detail)

        return Result(lambda: self.decoded(face, move), draw_crop, draw_photo)

    def parts(self, face: Face, strengths: Mapping[str, float] = {}, locks: Collection[str] = ()) -> tuple[EditPart, ...]:
        """What an edit consists of, guidance included: one part for each place of the face."""
        return slider_parts(face, strengths, lambda some: self.move(face, some, locks).numpy())

    def probabilities(
        self, face: Face, strengths: Mapping[str, float] = {}, detail: float = DETAIL, locks: Collection[str] = ()
    ) -> dict[str, float]:
        """What the classifier sees in the crop after the edit: attribute -> probability, calibrated."""
        picture = self.edit(face, strengths, detail=detail, locks=locks).crop
        with self.lock, torch.inference_mode():
            values = self.checkpoint.classifier(images.to_float(picture)).sigmoid()[0].tolist()
        return dict(zip(self.attributes, values, strict=True))

    def reset(self, face: Face) -> Face:
        """The face as it was before any guidance."""
        return replace(with_offset(face, np.zeros_like(face.latent), ()), looks=())

    def bake(self, face: Face, strengths: Mapping[str, float], locks: Collection[str] = ()) -> Face:
        """The face with these strengths in its offset, so that all sliders start from zero again."""
        return with_offset(face, self.move(face, strengths, locks).numpy(), self.parts(face, strengths, locks))

    def begin_from(self, face: Face, strengths: Mapping[str, float] = {}, detail: float = DETAIL, locks: Collection[str] = ()) -> Face:
        """The result as the new start: the next edit is laid over the picture after this one."""
        move = self.move(face, strengths, locks)
        result = self.edit(face, strengths, detail=detail, locks=locks)
        new = replace(
            self.reset(face),
            latent=face.latent + move.numpy(),
            crop=result.crop,
            start=None,
            applied=None,
            baked=(*(face.baked or ()), *self.parts(face, strengths, locks)),
        )
        if face.photo is not None:
            new = replace(new, photo=result.photo, screen=shrunk(result.photo, SCREEN_SIDE_PX))
        return replace(new, start=self.start_picture(new)[0].numpy())

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
            return self.decode(torch.from_numpy(face.latent) + applied_to(face))

    def decoded(self, face: Face, move: Float[Tensor, " d"]) -> UInt8[np.ndarray, "s s 3"]:
        """G(z') as a picture."""
        if not (move - applied_to(face)).abs().max() >= STILL:
            return images.to_uint8(self.start_picture(face))[0]
        with self.lock, torch.inference_mode():
            return images.to_uint8(self.decode(torch.from_numpy(face.latent) + move))[0]

    def decode_layers(
        self, face: Face, parts: Sequence[EditPart], detail: float, drawn: Float[Tensor, "1 3 s s"] | None = None
    ) -> Layers | None:
        """The layers for `paste`; None where nothing moves or the face has no photo. `drawn` is G(z') of all parts, where it is known.

        The photo's hair is dyed and its face made up, so that what moves these alone is not decoded.
        """
        if not 0 <= detail <= 1:
            raise ValueError(f"the photo detail must lie between 0 and 1, not {detail:g}")
        change = without(parts, face.applied)
        if face.photo is None or not change:
            return None
        moving = [(part, self.drawn_part(torch.from_numpy(part.move))) for part in change if not set(part.about or "*") <= set(TINTS)]
        moving = [(part.about, rest) for part, rest in moving if rest.abs().max() >= STILL + ROUNDING * np.abs(part.move).max()]
        before = self.start_picture(face)
        if not moving:
            return self.layers(before, [(change[-1].about, before)], parts, face.applied)
        ends = torch.from_numpy(face.latent) + applied_to(face) + torch.stack([rest for _, rest in moving]).cumsum(0)
        if drawn is not None and len(moving) == len(change):
            ends = ends[:-1]
        else:
            drawn = before[:0]
        with self.lock, torch.inference_mode():
            pictures = torch.cat([*(self.decode(end) for end in ends), drawn])
        return self.layers(before, [(about, x[None]) for (about, _), x in zip(moving, pictures, strict=True)], parts, face.applied)

    def layers(
        self,
        before: Float[Tensor, "1 3 s s"],
        steps: Sequence[tuple[tuple[str, ...] | None, Float[Tensor, "1 3 s s"]]],
        parts: Sequence[EditPart],
        applied: Sequence[EditPart] | None,
    ) -> Layers:
        """What is laid into a photo that shows the parts `applied` of an edit, and `before` in the decoder's words.

        `steps` are the pictures after each of its parts that is drawn, with what it is about. An edit of a mouth dyes no hair.
        """
        (worn, dyed), (worn_before, dyed_before) = (put_on(self, some or ()) for some in (parts, applied))
        *earlier, (about, after) = ((about, as_pixels(picture)) for about, picture in steps)
        makeup = Makeup(*np.subtract(worn, worn_before).tolist())
        return Layers(as_pixels(before), after, dyed - dyed_before, makeup, about, tuple(earlier))

    def drawn_part(self, move: Float[Tensor, " d"]) -> Float[Tensor, " d"]:
        """The move without what recolours hair or makes up a face."""
        return self.drawn_matrix @ move

    def shown_hair_shift(self, face: Face, parts: Sequence[EditPart]) -> Float32[np.ndarray, " 3"]:
        """How an edit changes the colour of hair against the picture that it is laid over."""
        return put_on(self, parts)[1] - put_on(self, face.applied or ())[1]

    def paste(
        self,
        photo: UInt8[np.ndarray, "h w 3"],
        layers: Layers,
        alignment: Alignment,
        detail: float,
    ) -> UInt8[np.ndarray, "h w 3"]:
        """`facevae.photo.compositing.paste` on a photo that is not written to, so that its parts can be cached."""
        ground = ground_of(photo, alignment, self.size, self.parser)
        how = (alignment, self.parser, detail, ground, layers.makeup, layers.about, layers.earlier, self.add_detail)
        return paste(photo, layers.before, layers.after, layers.hair, *how)

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


@torch.inference_mode()
def labels_in(renderer: Renderer, z: Float[Tensor, "1 d"]) -> Float[Tensor, "1 a"]:
    """What the classifier sees in what the decoder makes of a latent. Call it with the lock held."""
    return renderer.checkpoint.classifier(renderer.decode(z[0])).sigmoid()


def put_on(renderer: Renderer, parts: Sequence[EditPart]) -> tuple[tuple[float, float], Float32[np.ndarray, " 3"]]:
    """How much make-up the parts of an edit put on lips and face, and how they change the colour of hair, in CIELAB."""
    makeup, dye = ([part for part in parts if does(part.about)] for does in (makes_up, dyes_hair))
    made_up, dyed = (torch.from_numpy(total(some, renderer.latent_size)) for some in (makeup, dye))
    return renderer.makeup.amounts(made_up), renderer.hair.shift(dyed)


def draw_edited(renderer: Renderer, face: Face, move: Float[Tensor, " d"], parts: Sequence[EditPart]) -> UInt8[np.ndarray, "s s 3"]:
    """A drawn face after an edit. Its hair is dyed as a photo's is: the decoder would tint what is around it, too."""
    with renderer.lock, torch.inference_mode():
        drawn = renderer.decode(torch.from_numpy(face.latent) + renderer.drawn_part(move))
    layers = renderer.layers(drawn, [(None, drawn)], parts, None)
    picture = images.to_uint8(drawn)[0]
    if not layers.makeup and not has_shift(layers.hair):
        return picture
    return paste(picture, layers.before, layers.after, layers.hair, whole(renderer.size), renderer.parser, makeup=layers.makeup)


def forget_faces() -> None:
    """Let go of what compositing and the latent flow remember of faces."""
    crop_background.forget()
    moves.forget()


def applied_to(face: Face) -> Float[Tensor, " d"]:
    """The move that the photo already shows."""
    return torch.from_numpy(total(face.applied, len(face.latent)))


def as_pixels(x: Float32[Tensor, "1 3 s s"]) -> Float32[np.ndarray, "s s 3"]:
    """One picture in [0, 1] with channels last, as compositing expects it."""
    return np.ascontiguousarray(x[0].permute(1, 2, 0).numpy())
