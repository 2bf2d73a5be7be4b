"""Morphing: interpolation between two to six faces, as frames or as a film."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from facevae.editor.morph_types import (
    FILM_FACE_PX,
    FILM_SIDE_PX,
    KEPT_BYTES,
    LEAST_FACES,
    MOST_FACES,
    MOST_FRAMES,
    FilmConfig,
    FilmStep,
    MorphPath,
    film_positions,
    strip_positions,
)
from facevae.editor.renderer import Renderer, as_pixels
from facevae.editor.types import Face
from facevae.latent.paths import interpolate_keys, lerp, restrict_to_attributes, slerp
from facevae.photo import images
from facevae.photo.alignment import whole
from facevae.photo.animation import animation_bytes, open_film
from facevae.photo.compositing import DETAIL


class Morphing:
    """Draws the way between faces; member `morphing` of the editor."""

    def __init__(self, renderer: Renderer) -> None:
        self.renderer = renderer

    def morph(self, a: Face, b: Face, positions: Sequence[float], path: Literal["slerp", "lerp"] = "slerp") -> UInt8[np.ndarray, "n s s 3"]:
        """Decoded faces at the given positions (0 is a, 1 is b) of the way between two faces."""
        if not 1 <= len(positions) <= MOST_FRAMES:
            raise ValueError(f"{len(positions)} frames were asked for; 1 to {MOST_FRAMES} can be drawn")
        return np.stack(list(self.morph_through((a, b), positions, MorphPath(path))))

    def morph_through(
        self,
        faces: Sequence[Face],
        positions: Sequence[float],
        way: MorphPath = MorphPath(),
        where: Literal["face", "crop", "photo"] = "face",
        max_side_px: int | None = None,
        detail: float = DETAIL,
    ) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
        """Frames at the given positions, 0 to 1, of the way through two to six faces, drawn one by one while they are iterated.

        "face" is the bare decoder; "crop" and "photo" lay the change from the first face to the morph over the first face's
        crop, or its whole photo at no more than `max_side_px`, as an edit does.
        """
        if any(not 0 <= t <= 1 for t in positions):
            raise ValueError("positions of a morph lie between 0 and 1")
        draw = self._frame_function(faces, way, where, max_side_px, detail)
        return (draw(float(t)) for t in positions)

    def morphed(
        self, faces: Sequence[Face], position: float, way: MorphPath = MorphPath(), where: Literal["face", "photo"] = "face"
    ) -> Face:
        """The face at one position of the way, to go on with: a new one without a photo, or the first one's photo with it in place."""
        if not 0 <= position <= 1:
            raise ValueError("positions of a morph lie between 0 and 1")
        check(faces, where)
        first = faces[0]
        with self.renderer.lock, torch.inference_mode():
            z = self.renderer.checkpoint.prior.mean + path_point(way, self.keys(faces, way.parts), position)
            if where == "face":
                return self.renderer.draw_face(z, f"{first.name}-to-{faces[-1].name}")
        return replace(first, offset=z.numpy() - first.latent)

    def morph_film(self, faces: Sequence[Face], way: MorphPath = MorphPath(), film: FilmConfig = FilmConfig()) -> Iterator[FilmStep]:
        """The morph as a file, frame by frame; the last step carries it. No more frames are kept than fit in KEPT_BYTES."""
        plain = self._frame_function(faces, way, film.where, FILM_SIDE_PX.get(film.format), DETAIL)
        enlarge_to = max(FILM_FACE_PX, self.renderer.size)

        def draw(t: float) -> UInt8[np.ndarray, "h w 3"]:
            if film.where == "photo":
                return plain(t)
            return np.asarray(Image.fromarray(plain(t)).resize((enlarge_to, enlarge_to), Image.Resampling.BICUBIC))

        palette_of = strip_positions(way.segments(len(faces))) if film.format == "gif" else [0.0]
        positions, samples = film_positions(film.frames, way.repeat), [draw(t) for t in palette_of]
        file = open_film(film.format, samples, film.duration_ms, forever=way.repeat != "once")
        draw = lru_cache(maxsize=KEPT_BYTES // samples[0].nbytes)(draw)
        for index, t in enumerate(positions, start=1):
            file.add(draw(t))
            yield FilmStep(index, len(positions))
        even = 2 if film.format == "mp4" else 1
        height, width = (side // even * even for side in samples[0].shape[:2])
        yield FilmStep(len(positions), len(positions), file.close(), width, height, len(positions) * film.duration_ms / 1000)

    def save_animation(
        self, frames: UInt8[np.ndarray, "n h w 3"], format: Literal["gif", "webp", "mp4"] = "webp", duration_ms: int = 60, loop: bool = True
    ) -> bytes:
        """An animation of the frames, there and, with `loop`, back again; MP4 where PyAV is installed."""
        return animation_bytes(frames, format, duration_ms, loop)

    def _frame_function(
        self, faces: Sequence[Face], way: MorphPath, where: Literal["face", "crop", "photo"], max_side_px: int | None, detail: float
    ) -> Callable[[float], UInt8[np.ndarray, "h w 3"]]:
        """Position -> frame; raises here whatever can be wrong with the arguments."""
        check(faces, where)
        first, keys, centre = faces[0], self.keys(faces, way.parts), self.renderer.checkpoint.prior.mean
        before, canvas, place = self.renderer.start_picture(first), None, None
        if where != "face":
            canvas, place = (first.crop, whole(self.renderer.size)) if where == "crop" else self.renderer.scaled_photo(first, max_side_px)

        def draw(t: float) -> UInt8[np.ndarray, "h w 3"]:
            with self.renderer.lock, torch.inference_mode():
                after = self.renderer.decode(centre + path_point(way, keys, t))
                if canvas is None or place is None:
                    return images.to_uint8(after)[0]
            return self.renderer.paste(canvas, as_pixels(before), as_pixels(after), place, detail)

        return draw

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


def check(faces: Sequence[Face], where: str) -> None:
    """`ValueError` where these faces cannot be morphed, or not there."""
    if not LEAST_FACES <= len(faces) <= MOST_FACES:
        raise ValueError(f"a morph goes through {LEAST_FACES} to {MOST_FACES} faces, not {len(faces)}")
    if where not in ("face", "crop", "photo"):
        raise ValueError(f"a morph is drawn as a face, in the crop or in the photo, not {where}")
    if where != "face" and faces[0].photo is None:
        raise ValueError("the first face of the morph comes from no photo: only the face itself can be drawn")


def path_point(way: MorphPath, keys: Float[Tensor, "k d"], position: float) -> Float[Tensor, " d"]:
    """Where a way through the keys is at a position; parts travel on straight lines."""
    return interpolate_keys(keys, position, slerp if way.path == "slerp" and not way.parts else lerp, way.closed, way.smooth)
