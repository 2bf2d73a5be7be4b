"""Saving: an edit as a recipe and as a file that carries it, and the way back from both."""

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from facevae.checkpoint.direction_files import direction_of
from facevae.editor.generation import Drawing
from facevae.editor.photos import Opening
from facevae.editor.recipe import Recipe, recipe_from, rounded, short
from facevae.editor.renderer import SCREEN_SIDE_PX
from facevae.editor.types import Face, Opened
from facevae.photo import images
from facevae.photo.alignment import Alignment, crop, shrunk
from facevae.photo.compositing import DETAIL
from facevae.version import __version__


class Saving(Opening, Drawing):
    """Edits kept: the part of the editor that writes them down and takes them up again; a drawn face is drawn again."""

    def recipe(self, face: Face, strengths: Mapping[str, float] = {}, detail: float = DETAIL, locks: Collection[str] = ()) -> Recipe:
        """What was done, see `facevae.editor.recipe`: directions of the user's own with all their values. The photo itself is not in it."""
        own = [name for name in (*strengths, *locks) if name in self.directions.keys() - self.checkpoint.directions]
        baked = np.zeros_like(face.latent) if face.baked is None else face.baked
        moved = face.offset + baked
        placed = {}
        if face.alignment is not None and face.photo is not None:
            placed = {
                "alignment": tuple(round(float(v), 8) for v in face.alignment.matrix.flat),
                "size": face.photo.shape[1::-1],
                "face": face.index,
                "refined": face.refined,
                "detail": round(float(detail), 3),
                "left": tuple(replace(self.recipe(entry.face, {}, entry.detail), latent=None) for entry in face.left),
            }
        return Recipe(
            checkpoint=self.checkpoint.digest,
            name=self.checkpoint.name,
            strengths={name: round(float(value), 4) for name, value in strengths.items() if value},
            locks=tuple(sorted(locks)),
            directions={name: rounded(self.directions[name].step.numpy()) for name in own},
            guidance=rounded(moved) if moved.any() else None,
            latent=None if face.drawn is not None else rounded(face.latent - baked),
            drawn=face.drawn,
            **placed,
        )

    def reopen(self, recipe: Recipe, photo: images.Photo | None = None) -> Opened:
        """What a recipe describes: a face that was drawn, drawn again; or `photo`, a saved edit, with the sliders as they stood.

        The photo without its edit is not known then: taking the edit back subtracts what the model drew. `ValueError` in one
        sentence where the recipe is another checkpoint's, or no recipe of this picture.
        """
        self._ours(recipe)
        d = self.checkpoint.net.config.latent
        for values, words in (
            (recipe.latent, "latent"),
            (recipe.guidance, "guidance"),
            *((step, n) for n, step in recipe.directions.items()),
        ):
            if values is not None and len(values) != d:
                raise ValueError(f"the recipe's {words} has {len(values)} values, the checkpoint expects {d}")
        own = tuple(direction_of(name, step) for name, step in recipe.directions.items())
        knows = self.knowing(own) if own else self
        offset = np.zeros(d, np.float32) if recipe.guidance is None else np.array(recipe.guidance, np.float32)
        if recipe.drawn is not None:
            face = self.generate([recipe.drawn.seed], recipe.drawn.temperature, recipe.drawn.prior)[0]
        elif recipe.alignment is None:
            with self._lock, torch.inference_mode():
                face = self._bare(torch.tensor(recipe.latent), "face")
        elif photo is None:
            raise ValueError("this recipe belongs to a photo, which is not in it: drop the picture that was saved, or open a photo first")
        else:
            face = self._unfold(recipe, photo)
        face = replace(face, offset=offset)
        if face.photo is not None:
            face = replace(face, applied=knows._move(face, recipe.strengths, recipe.locks).numpy(), start=None)
            face = replace(face, start=self._start(face)[0].numpy())
        else:
            knows._move(face, recipe.strengths, recipe.locks)  # refuses by name what is not known here
        return Opened(face, dict(recipe.strengths), recipe.locks, recipe.detail, own)

    def open_file(self, path: Path, face: Face | None = None) -> Opened:
        """Whatever a person drops: a photo, a picture that was saved here, with its edit, or a recipe, for `face` where it is of a photo.

        `message` says which. A picture whose recipe does not fit is opened as a photo, and the message says why; `ValueError` in one
        sentence where a file is nothing that can be opened.
        """
        if is_json(path):
            recipe = recipe_from(path.read_bytes())
            if recipe.alignment is None or face is None:
                return replace(self.reopen(recipe), message="The recipe's face is back.")
            return replace(self.apply(recipe, face), message=f"The recipe is applied to {face.name}.")
        photo, why = self._known(images.open_photo(path)), ""
        if photo.recipe:
            try:
                opened = self.reopen(recipe_from(photo.recipe), photo)
                return replace(opened, message=f"Opened {opened.face.name} with its edit.")
            except ValueError as error:
                why = f" as a photo, without its edit: {error}"
        face = self.open_photo(photo)
        return Opened(face, message=f"Opened {face.name}{why}.")

    def _known(self, photo: images.Photo) -> images.Photo:
        """The same file again is the same pixels in memory, as long as anybody has it open: each takes three bytes a pixel."""
        if photo.content is None:
            return photo
        key = hashlib.sha256(photo.content).digest()
        known = self._pixels.setdefault(key, photo.pixels)
        known.setflags(write=False)
        return replace(photo, pixels=known)

    def apply(self, recipe: Recipe, face: Face) -> Opened:
        """The edit of a recipe, on another face: its strengths, locks and guidance, whatever the recipe was made from.

        Strengths by name mean something to any checkpoint that knows them; guidance and own directions to their own one alone.
        """
        if not recipe.by_names:
            self._ours(recipe)
        own = tuple(direction_of(name, step) for name, step in recipe.directions.items())
        offset = np.zeros_like(face.latent) if recipe.guidance is None else np.array(recipe.guidance, np.float32)
        if offset.shape != face.latent.shape:
            raise ValueError(f"the recipe's guidance has {len(offset)} values, the checkpoint expects {len(face.latent)}")
        face = replace(face, offset=offset)
        (self.knowing(own) if own else self)._move(face, recipe.strengths, recipe.locks)  # refuses by name what is not known here
        return Opened(face, dict(recipe.strengths), recipe.locks, recipe.detail, own)

    def save(
        self,
        face: Face,
        strengths: Mapping[str, float] = {},
        format: Literal["original", "png"] = "original",
        detail: float = DETAIL,
        locks: Collection[str] = (),
        asked: str = "",
    ) -> tuple[bytes, str]:
        """The edit at the photo's full size: a file's content and its suffix; `asked` goes into its recipe.

        "original" keeps the photo's format, colour profile and transparency (see `facevae.photo.images.save_photo`);
        a generated face is a PNG. The note "AI-edited" and the recipe are inside.
        """
        if format not in ("original", "png"):
            raise ValueError(f"the format must be original or png, not {format}")
        result = self.edit(face, strengths, detail=detail, locks=locks)
        recipe = replace(self.recipe(face, strengths, detail, locks), asked=asked)
        notes = {
            "Software": f"facevae {__version__}",
            "Comment": f"{'AI-edited' if face.source is not None else 'AI-generated (AI-edited)'} with facevae",
            "facevae": json.dumps(short(recipe).as_json()),
        }
        if face.source is None:
            return images.png_bytes(result.photo, notes), ".png"
        return images.save_photo(face.source, result.photo, notes, format)

    def _ours(self, recipe: Recipe) -> None:
        """`ValueError` where a recipe's latents are another checkpoint's."""
        if recipe.checkpoint != self.checkpoint.digest:
            theirs, mine = f"{recipe.name} ({recipe.checkpoint[:12]})", f"{self.checkpoint.name} ({self.checkpoint.digest[:12]})"
            raise ValueError(f"this recipe was made with the checkpoint {theirs}, and {mine} is open, to which it means nothing")

    def _unfold(self, recipe: Recipe, photo: images.Photo) -> Face:
        """The face of a saved edit, where the recipe says that it is."""
        if recipe.size is not None and tuple(recipe.size) != photo.pixels.shape[1::-1]:
            now, then = (f"{w} × {h} px" for w, h in (photo.pixels.shape[1::-1], recipe.size))
            raise ValueError(f"the picture was saved with {then} and has {now} now, so its recipe does not fit it any more")
        alignment = Alignment(np.array(recipe.alignment, np.float64).reshape(2, 3), True, 1.0)
        height, width = photo.pixels.shape[:2]
        # A determinant of 0 is no place, and a crop far larger than the photo or far away from it is none that we ever cut.
        scale = np.linalg.det(alignment.matrix[:, :2]) ** 0.5 * max(height, width) if np.linalg.det(alignment.matrix[:, :2]) > 0 else 0
        if not 0.1 < scale < 1000 or np.abs(alignment.in_photo(np.array([[0.5, 0.5]])) / (width, height) - 0.5).max() > 1:
            raise ValueError("the recipe's crop does not lie in the picture")
        pixels, latent = crop(photo.pixels, alignment, self.size), np.array(recipe.latent, np.float32)
        screen, still = shrunk(photo.pixels, SCREEN_SIDE_PX), np.zeros_like(latent)
        face = Face(
            latent, still, pixels, photo.pixels, screen, alignment, source=photo, faces=(alignment,), name=Path(photo.name).stem or "photo"
        )
        return replace(face, refined=recipe.refined)


def is_json(path: Path) -> bool:
    """Whether a file is text that begins like a recipe; no picture does."""
    with path.open("rb") as file:
        return file.read(64).lstrip().startswith(b"{")
