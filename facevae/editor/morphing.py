"""Morphing: two to six faces, each growing out of the one before, as frames or as a film."""

import weakref
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import lru_cache
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from facevae.editor.edit_parts import with_offset
from facevae.editor.morph_types import (
    FILM_FACE_PX,
    FILM_SIDE_PX,
    KEPT_BYTES,
    LEAST_FACES,
    MOST_CROP_PX,
    MOST_FACES,
    MOST_FRAMES,
    FilmConfig,
    FilmStep,
    MorphPath,
    film_positions,
    strip_positions,
)
from facevae.editor.photos import Photos
from facevae.editor.renderer import SCREEN_SIDE_PX, Renderer
from facevae.editor.types import Face
from facevae.latent.paths import interpolate_keys, lerp, restrict_to_attributes, slerp
from facevae.photo import images
from facevae.photo.alignment import crop, whole
from facevae.photo.animation import animation_bytes, open_film
from facevae.photo.compositing import DETAIL
from facevae.photo.dissolve import FEATHER, Frame, Morph, Picture, draw, frame_between, frame_of

MOST_PAIRS = 8
"""Motions that are remembered: of as many pairs as people may be dragging the slider between at the same time."""

MOST_SIDE_PX = 16_384
"""Longest side of a frame between two photos: OpenCV draws none of 2**15."""

Where = Literal["face", "photo"]
FrameFunction = Callable[[float], UInt8[np.ndarray, "h w 3"]]


class Morphing:
    """Draws the way between faces; member `morphing` of the editor."""

    def __init__(self, renderer: Renderer, photos: Photos) -> None:
        self.renderer, self.photos = renderer, photos

    def morph(self, a: Face, b: Face, positions: Sequence[float], path: Literal["slerp", "lerp"] = "slerp") -> UInt8[np.ndarray, "n s s 3"]:
        """Crops at the given positions (0 is a, 1 is b) of the way between two faces."""
        if not 1 <= len(positions) <= MOST_FRAMES:
            raise ValueError(f"{len(positions)} frames were asked for; 1 to {MOST_FRAMES} can be drawn")
        return np.stack(list(self.morph_through((a, b), positions, MorphPath(path))))

    def morph_through(
        self,
        faces: Sequence[Face],
        positions: Sequence[float],
        way: MorphPath = MorphPath(),
        where: Where = "face",
        max_side_px: int | None = None,
        detail: float = DETAIL,
    ) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
        """Frames at the given positions, 0 to 1, of the way through two to six faces, drawn one by one while they are iterated.

        "face" is the crop, at the size that it has in the largest photo; "photo" the whole photo, whose size and framing change to
        those of the next one. Both are at most `max_side_px` large, and at each face exactly that face's crop or photo. Faces that are
        all drawn are decoded all the way.
        """
        if any(not 0 <= t <= 1 for t in positions):
            raise ValueError("positions of a morph lie between 0 and 1")
        frame_at = self._frame_function(faces, way, where, max_side_px, detail)
        return (frame_at(float(t)) for t in positions)

    def morphed(self, faces: Sequence[Face], position: float, way: MorphPath = MorphPath(), where: Where = "face") -> Face:
        """The face at one position of the way, to go on with: in the picture that is there, or drawn, where all faces are."""
        if not 0 <= position <= 1:
            raise ValueError("positions of a morph lie between 0 and 1")
        check(faces, where)
        name = f"{faces[0].name}-to-{faces[-1].name}"
        if way.parts:
            return self._edited(faces, way, position)
        if all_drawn(faces):
            with self.renderer.lock, torch.inference_mode():
                return self.renderer.draw_face(self._point(faces, way, position), name)
        picture = next(self.morph_through(faces, [position], way, where))
        return self.photos.open_photo(picture, name=name)

    def morph_film(self, faces: Sequence[Face], way: MorphPath = MorphPath(), film: FilmConfig = FilmConfig()) -> Iterator[FilmStep]:
        """The morph as a file, frame by frame; the last step carries it. No more frames are kept than fit in KEPT_BYTES.

        A film of whole photos has the shape of the first one: photos of another shape lie in the middle, with a blurred copy around.
        """
        frame_at = self._frame_function(faces, way, film.where, FILM_SIDE_PX.get(film.format), DETAIL, film=True)

        def drawn(t: float) -> UInt8[np.ndarray, "h w 3"]:
            frame = frame_at(t)
            if film.where == "photo" or len(frame) >= FILM_FACE_PX:
                return frame
            return np.asarray(Image.fromarray(frame).resize((FILM_FACE_PX, FILM_FACE_PX), Image.Resampling.BICUBIC))

        palette_of = strip_positions(way.segments(len(faces))) if film.format == "gif" else [0.0]
        positions, samples = film_positions(film.frames, way.repeat), [drawn(t) for t in palette_of]
        file = open_film(film.format, samples, film.duration_ms, forever=way.repeat != "once")
        drawn = lru_cache(maxsize=KEPT_BYTES // samples[0].nbytes)(drawn)
        for index, t in enumerate(positions, start=1):
            file.add(drawn(t))
            yield FilmStep(index, len(positions))
        even = 2 if film.format == "mp4" else 1
        height, width = (side // even * even for side in samples[0].shape[:2])
        yield FilmStep(len(positions), len(positions), file.close(), width, height, len(positions) * film.duration_ms / 1000)

    def save_animation(
        self, frames: UInt8[np.ndarray, "n h w 3"], format: Literal["gif", "webp", "mp4"] = "webp", duration_ms: int = 60, loop: bool = True
    ) -> bytes:
        """An animation of the frames, there and, with `loop`, back again; MP4 where PyAV is installed."""
        return animation_bytes(frames, format, duration_ms, loop)

    # Frames -----------------------------------------------------------------------------------------------------------

    def _frame_function(
        self, faces: Sequence[Face], way: MorphPath, where: Where, max_side_px: int | None, detail: float, film: bool = False
    ) -> FrameFunction:
        """Position -> frame; raises here whatever can be wrong with the arguments. All frames of a film have one size."""
        check(faces, where)
        if way.parts:
            return self._frames_of_parts(faces, way, where, max_side_px, detail)
        if all_drawn(faces):
            return lambda t: self._decoded(self._point(faces, way, t))
        side = self._crop_side(faces, max_side_px)
        source_px = max_side_px if where == "photo" else None
        stops = [*faces, faces[0]] if way.closed else list(faces)
        size = self._film_size(faces, max_side_px) if film and where == "photo" else None

        def frame_at(t: float) -> UInt8[np.ndarray, "h w 3"]:
            k, share = way.place(t, len(faces))
            pair = self.pair(stops[k], stops[k + 1])
            if share in (0, 1):
                picture = self._picture(stops[k + int(share)], source_px, detail, pair.pictures)
                if where == "face":
                    return crop(picture.pixels, picture.alignment, side)
                if size in (None, picture.pixels.shape[1::-1]):
                    return picture.pixels
            pictures = [self._picture(face, source_px or MOST_SIDE_PX, detail, pair.pictures) for face in stops[k : k + 2]]
            if where == "face":
                return draw(pair.morph.at(share), *pictures, Frame(side, side, whole(side).matrix))
            frame = frame_between(*(frame_of(picture) for picture in pictures), share)
            frame = frame if size is None else frame.fitted(*size)
            return draw(pair.morph.at(share), *pictures, frame, feather=FEATHER * 4 * share * (1 - share), fill=True)

        return frame_at

    def _frames_of_parts(
        self, faces: Sequence[Face], way: MorphPath, where: Where, max_side_px: int | None, detail: float
    ) -> FrameFunction:
        """Frames of a morph in which only some attributes travel: edits of the first face."""
        side = self._crop_side(faces[:1], max_side_px)
        self.keys(faces, way.parts)  # or an unknown name would be refused at the first frame only

        def frame_at(t: float) -> UInt8[np.ndarray, "h w 3"]:
            picture = self._picture(self._edited(faces, way, t), max_side_px if where == "photo" else None, detail)
            return picture.pixels if where == "photo" else crop(picture.pixels, picture.alignment, side)

        return frame_at

    def pair(self, a: Face, b: Face) -> "Pair":
        """The motion between two faces, found when it is first asked for."""
        key = id(a), id(b)
        known = _pairs.pop(key, None)
        if known is None or known.faces[0]() is not a or known.faces[1]() is not b:
            pictures = [self._picture(face, SCREEN_SIDE_PX, DETAIL) for face in (a, b)]
            known = Pair(a, b, Morph(*pictures, self.renderer.parser))
        _pairs[key] = known
        while len(_pairs) > MOST_PAIRS:
            _pairs.popitem(last=False)
        return known

    def _picture(self, face: Face, max_side_px: int | None, detail: float, known: dict | None = None) -> Picture:
        """The face's photo with its edit in it, or the drawn face."""
        key = id(face), max_side_px, detail
        if known is not None and key in known:
            return known[key]
        pixels = self.renderer.edit(face, max_side_px=max_side_px, detail=detail).photo
        photo, alignment = self.renderer.scaled_photo(face, max_side_px)
        picture = Picture(pixels, whole(self.renderer.size) if photo is None or alignment is None else alignment)
        if known is not None:
            while len(known) >= 4:  # two faces, at full size and as a preview
                known.pop(next(iter(known)))
            known[key] = picture
        return picture

    def _crop_side(self, faces: Sequence[Face], max_side_px: int | None) -> int:
        """Side of the crop in the photo where it is largest, in pixels."""
        sides = [self.renderer.size if face.alignment is None else round(face.alignment.side_px) for face in faces]
        return int(np.clip(max(sides), 1, min(max_side_px or MOST_CROP_PX, MOST_CROP_PX)))

    def _film_size(self, faces: Sequence[Face], max_side_px: int | None) -> tuple[int, int]:
        """Width and height: the first photo's shape, as many pixels as the largest photo, at most `max_side_px`."""
        sizes = [(self.renderer.size,) * 2 if face.photo is None else face.photo.shape[1::-1] for face in faces]
        width, height = sizes[0]
        factor = (max(w * h for w, h in sizes) / (width * height)) ** 0.5
        factor = min(factor, (max_side_px or np.inf) / max(width, height))
        return max(1, round(width * factor)), max(1, round(height * factor))

    def _decoded(self, z: Float[Tensor, " d"]) -> UInt8[np.ndarray, "s s 3"]:
        with self.renderer.lock, torch.inference_mode():
            return images.to_uint8(self.renderer.decode(z))[0]

    def _edited(self, faces: Sequence[Face], way: MorphPath, position: float) -> Face:
        """The first face with the edit that a morph in which only parts travel is."""
        return with_offset(faces[0], self._point(faces, way, position).numpy() - faces[0].latent, ())

    # Latents ----------------------------------------------------------------------------------------------------------

    def _point(self, faces: Sequence[Face], way: MorphPath, position: float) -> Float[Tensor, " d"]:
        """The latent at a position of the way; parts travel on straight lines."""
        between = slerp if way.path == "slerp" and not way.parts else lerp
        keys = self.keys(faces, way.parts)
        return self.renderer.checkpoint.prior.mean + interpolate_keys(keys, position, between, way.closed, way.smooth)

    def keys(self, faces: Sequence[Face], parts: Collection[str]) -> Tensor:
        """Where a morph passes, (k, d), seen from the centre of the encodings: around it the arc is drawn, for no face lives at 0.

        With `parts`, the others are reached in these attributes' scores alone.
        """
        keys = torch.stack([torch.from_numpy(face.latent + face.offset) for face in faces]) - self.renderer.checkpoint.prior.mean
        if not parts:
            return keys
        if unknown := [name for name in parts if name not in self.renderer.directions]:
            raise ValueError(f"{', '.join(unknown)} cannot travel alone; what can is {', '.join(self.renderer.directions)}")
        readers = torch.stack([d.step if d.reader is None else d.reader for d in self.renderer.directions.values()])
        chosen, cholesky = torch.tensor([name in parts for name in self.renderer.directions]), self.renderer.checkpoint.cholesky
        return torch.stack([keys[0]] + [keys[0] + restrict_to_attributes(key - keys[0], readers, chosen, cholesky) for key in keys[1:]])


class Pair:
    """Two faces with the motion between them, and their pictures at the sizes that were last drawn."""

    def __init__(self, a: Face, b: Face, morph: Morph) -> None:
        key = id(a), id(b)
        self.faces = tuple(weakref.ref(face, lambda _: _pairs.pop(key, None)) for face in (a, b))
        self.morph = morph
        self.pictures: dict[tuple[int, int | None, float], Picture] = {}


_pairs: OrderedDict[tuple[int, int], Pair] = OrderedDict()


def forget() -> None:
    """Let go of what is remembered of faces."""
    _pairs.clear()


def check(faces: Sequence[Face], where: str) -> None:
    """`ValueError` where these faces cannot be morphed, or not there."""
    if not LEAST_FACES <= len(faces) <= MOST_FACES:
        raise ValueError(f"a morph goes through {LEAST_FACES} to {MOST_FACES} faces, not {len(faces)}")
    if where not in ("face", "photo"):
        raise ValueError(f"a morph is drawn as a face or in the whole photo, not {where}")
    if where != "face" and faces[0].photo is None:
        raise ValueError("the first face of the morph comes from no photo: only the face itself can be drawn")


def all_drawn(faces: Sequence[Face]) -> bool:
    """No face comes from a photo."""
    return all(face.photo is None for face in faces)
