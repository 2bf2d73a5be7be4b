"""Photos: find faces in a photo, crop, encode and refine one, switch to another."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, Float64, UInt8
from PIL import Image

from facevae.checkpoint.finder import embedded_finder
from facevae.editor.edit_parts import merged, offset_parts, total, with_offset
from facevae.editor.renderer import SCREEN_SIDE_PX, Renderer
from facevae.editor.types import Face, OtherFaceEdit, RefineStep
from facevae.latent.inversion import InversionConfig
from facevae.latent.inversion import refine as invert
from facevae.photo import images
from facevae.photo.alignment import Adjustment, Alignment, adjust, check_place, crop, middle
from facevae.photo.compositing import DETAIL
from facevae.photo.finding import find_faces, look_at, nearest

NO_FACE = "No face was found, so this is the middle of the picture: use Adjust crop to place the face."
NO_FACE_THERE = "No face was recognised at this place, so the crop is around it: use Adjust crop to fit it to the face."
MAX_FACES = 100
MORE_FACES = f"The photo shows more than {MAX_FACES} faces: the largest {MAX_FACES} are offered, any other one can be pointed at."
NOT_SURE = "A face was found, but not for sure: if the crop looks wrong, use Adjust crop."
SURE = 0.997  # below this confidence of the alignment net, a message asks the user to check the crop


class Photos:
    """Turns photos into faces; member `photos` of the editor."""

    def __init__(self, renderer: Renderer) -> None:
        self.renderer = renderer

    def aligner(self, windows: UInt8[np.ndarray, "n s s 3"]) -> Float64[np.ndarray, "n 6"]:
        """The alignment net as `facevae.photo.alignment` wants it."""
        with self.renderer.lock, torch.inference_mode():
            return self.renderer.checkpoint.aligner(images.to_float(windows)).double().numpy()

    def finder(self, picture: UInt8[np.ndarray, "h w 3"]) -> Float32[np.ndarray, "6 h8 w8"]:
        """The face finder as `facevae.photo.finding` wants it."""
        with self.renderer.lock, torch.inference_mode():
            return embedded_finder()(images.to_float(picture).contiguous(memory_format=torch.channels_last))[0].numpy()

    def open_photo(
        self,
        source: str | Path | bytes | Image.Image | np.ndarray | images.Photo,
        adjustment: Adjustment = Adjustment(),
        name: str = "",
        index: int = 0,
        at: tuple[float, float] | None = None,
    ) -> Face:
        """Read a photo, find its faces, encode one of them: the largest is number 0; `at` (pixels of the upright photo) points at one.

        `ValueError` in one sentence where it is no usable picture, has no face of this number, or ends before `at`. Where no face is
        found, the middle of the picture is taken, or the place that was pointed at, and `message` says so.
        """
        photo = source if isinstance(source, images.Photo) else images.open_photo(source)
        screen = self.renderer.photo_cache.shrink(photo.pixels, SCREEN_SIDE_PX)
        found = tuple(find_faces(photo.pixels, self.aligner, self.finder))
        if len(found) > MAX_FACES:
            found, photo = found[:MAX_FACES], replace(photo, remark=f"{MORE_FACES} {photo.remark}".strip())
        found = found or (middle(photo.pixels),)
        if at is not None:
            found, index = self._point(photo.pixels, found, at)
        if not 0 <= index < len(found):
            raise ValueError(f"face {index} was asked for, the photo has {len(found)}, counted from 0")
        name = name or Path(photo.name).stem or "photo"
        return self._place(photo, photo.pixels, screen, found, index, adjustment, (), name)

    def face_in(self, crop: UInt8[np.ndarray, "s s 3"], name: str) -> Face:
        """A crop without a photo, drawn by another model for example, as this model redraws it."""
        pixels = np.asarray(Image.fromarray(crop).resize((self.renderer.size, self.renderer.size), Image.Resampling.BICUBIC))
        with self.renderer.lock, torch.inference_mode():
            return self.renderer.draw_face(self.renderer.fast_net.encode(images.to_float(pixels)).mode[0], name)

    def readjust(self, face: Face, adjustment: Adjustment) -> Face:
        """The same photo with the crop shifted, zoomed or turned, encoded again."""
        if face.photo is None or face.source is None or face.screen is None:
            raise ValueError("a generated face has no crop to adjust")
        if face.applied is not None:
            raise ValueError("the crop of a saved edit is that of its recipe: open the photo itself to move the crop")
        photo, screen = face.photo, face.screen
        if face.baked is not None:  # made for the old crop, like guidance, and gone with it
            photo = self._paste_others(face.source, face.left)
            screen = self.renderer.photo_cache.shrink(photo, SCREEN_SIDE_PX)
        return self._place(face.source, photo, screen, face.faces, face.index, adjustment, face.left, face.name)

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
            return self.renderer.bake(face, strengths, locks)
        # What is left behind needs no photo of its own: it gets one when it is chosen again.
        behind = replace(self._unbaked(self.renderer.bake(face, strengths, locks)), photo=face.source.pixels, screen=None, left=())
        left = (*face.left, OtherFaceEdit(behind, detail))
        again = [entry.face for entry in left if entry.face.index == index]
        left = tuple(sorted((entry for entry in left if entry.face.index != index), key=lambda entry: entry.face.index))
        photo = self._paste_others(face.source, left)
        screen = self.renderer.photo_cache.shrink(photo, SCREEN_SIDE_PX)
        if again:
            return replace(again[0], photo=photo, screen=screen, left=left, faces=face.faces)
        return self._place(face.source, photo, screen, face.faces, index, Adjustment(), left, face.name)

    def point(
        self,
        face: Face,
        at: tuple[float, float],
        strengths: Mapping[str, float] = {},
        detail: float = DETAIL,
        locks: Collection[str] = (),
    ) -> Face:
        """The face at a place of the photo (pixels), as `choose` gives it. One that had not been found is added behind the others."""
        if face.source is None or face.applied is not None:
            raise ValueError("a face can be pointed at in a photo that was opened, not in a drawn face or a saved edit")
        faces, index = self._point(face.source.pixels, face.faces, at)
        if len(faces) == 1 and faces[0] is not face.faces[0]:  # nobody had been found: there is no other one to keep
            screen = self.renderer.photo_cache.shrink(face.source.pixels, SCREEN_SIDE_PX)
            return self._place(face.source, face.source.pixels, screen, faces, 0, Adjustment(), (), face.name)
        return self.choose(replace(face, faces=faces), index, strengths, detail, locks)

    def _point(self, photo: np.ndarray, faces: tuple[Alignment, ...], at: tuple[float, float]) -> tuple[tuple[Alignment, ...], int]:
        """The faces of a photo with the one at a place among them, and its number."""
        height, width = photo.shape[:2]
        x, y = at
        if not (0 <= x <= width and 0 <= y <= height):
            raise ValueError(f"({x:g}, {y:g}) lies outside of the photo, which has {width} × {height} px")
        index = nearest(faces, x, y)
        if index is not None:
            return faces, index
        kept = faces if len(faces) > 1 or faces[0].found else ()
        return (*kept, look_at(photo, x, y, self.aligner)), len(kept)

    def thumbnails(self, face: Face, size_px: int = 96) -> list[UInt8[np.ndarray, "s s 3"]]:
        """The crop of every face of the photo, the largest first."""
        if face.source is None:
            return []
        return [crop(face.source.pixels, alignment, size_px) for alignment in face.faces]

    def refine(self, face: Face, config: InversionConfig = InversionConfig()) -> Iterator[RefineStep]:
        """Search near the encoder's answer for a latent whose reconstruction is nearer to the crop, step by step.

        Ends early where nothing is gained. The edit in `offset` stays. `ValueError` for a generated face: it
        is its latent.
        """
        if face.photo is None or face.applied is not None or face.baked is not None:
            raise ValueError("there is nothing to refine: only a photo without an edit in it has a likeness to search for")
        crop_pixels = images.to_float(face.crop)
        with self.renderer.lock, torch.inference_mode():
            posterior = self.renderer.fast_net.encode(crop_pixels)
        walk = invert(
            self.renderer.checkpoint.net.decode,  # packed copies would save a quarter of a step, and be there while memory is scarcest
            self.renderer.checkpoint.classifier.features,
            crop_pixels,
            self.renderer.mask,
            posterior.mode[0],
            (0.5 * posterior.logvar[0]).exp(),
            self.renderer.checkpoint.cholesky,
            config,
        )
        first = None
        while True:
            with self.renderer.lock:
                step = next(walk, None)
            if step is None:
                return
            first = step.psnr_db if first is None else first
            better = replace(face, latent=step.latent.numpy(), start=step.picture[0].clamp(0, 1).numpy(), refined=step.index)
            yield RefineStep(better, step.index, config.steps, first, step.psnr_db, step.done)

    def refined(self, face: Face, config: InversionConfig = InversionConfig()) -> Face:
        """The face where `refine` ends, or unchanged where no face was found: its crop has to be placed first."""
        if face.message == NO_FACE:
            return face
        *_, last = self.refine(face, config)
        return last.face

    def _place(
        self,
        source: images.Photo,
        photo: np.ndarray,
        screen: np.ndarray,
        faces: tuple[Alignment, ...],
        index: int,
        adjustment: Adjustment,
        left: tuple[OtherFaceEdit, ...],
        name: str,
    ) -> Face:
        found = faces[index]
        alignment = adjust(found, adjustment)
        if adjustment != Adjustment():
            check_place(alignment, *photo.shape[1::-1])
        pixels = crop(photo, alignment, self.renderer.size)
        with self.renderer.lock, torch.inference_mode():
            z = self.renderer.fast_net.encode(images.to_float(pixels)).mode
            start, latent = self.renderer.decode(z[0])[0].numpy(), z[0].numpy()
        looks_right = adjustment != Adjustment() or found.confidence >= SURE
        no_face = NO_FACE if not found.confidence and np.array_equal(found.matrix, middle(photo).matrix) else NO_FACE_THERE
        message = "" if looks_right else NOT_SURE if found.found else no_face
        return Face(
            latent, np.zeros_like(latent), pixels, photo, screen, alignment, start, source, faces, index, left, name=name, message=message
        )

    def _paste_others(self, source: images.Photo, left: Sequence[OtherFaceEdit]) -> np.ndarray:
        """The photo with the edits of its other faces."""
        photo = source.pixels
        for entry in left:
            photo = self._paste_edit(photo, entry.face, entry.detail)
        return photo

    def _unbaked(self, face: Face) -> Face:
        """The same edit as one of the photo as it came: what was made a start is part of `offset` again."""
        if face.baked is None or face.source is None or face.alignment is None:
            return face
        pixels = crop(face.source.pixels, face.alignment, self.renderer.size)
        baked, parts = total(face.baked, len(face.latent)), merged([*face.baked, *offset_parts(face)])
        plain = replace(face, latent=face.latent - baked, crop=pixels, start=None, baked=None)
        plain = with_offset(plain, baked + face.offset, parts)
        return replace(plain, start=self.renderer.start_picture(plain)[0].numpy())

    def _paste_edit(self, photo: np.ndarray, face: Face, detail: float) -> np.ndarray:
        """A photo with the edit of one of its faces in it."""
        assert face.alignment is not None
        if not face.offset.any():
            return photo
        layers = self.renderer.decode_layers(face, offset_parts(face), detail)
        return photo if layers is None else self.renderer.paste(photo, layers, face.alignment, detail)
