"""EditRecipes: from an edit to its recipe, and from a recipe to a face."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from facevae.checkpoint.direction_files import direction_of
from facevae.editor.edit_parts import merged, offset_parts, total
from facevae.editor.generation import Generation
from facevae.editor.recipe import Recipe, rounded
from facevae.editor.renderer import SCREEN_SIDE_PX, Renderer
from facevae.editor.types import EditPart, Face, Opened
from facevae.latent.directions import Direction
from facevae.photo import images
from facevae.photo.alignment import Alignment, check_place, crop, shrunk
from facevae.photo.compositing import DETAIL


class EditRecipes:
    """From edits to recipes and back; member `recipes` of the editor. The JSON is that of `facevae.editor.recipe`."""

    def __init__(self, renderer: Renderer, generation: Generation) -> None:
        self.renderer, self.generation = renderer, generation

    def recipe(self, face: Face, strengths: Mapping[str, float] = {}, detail: float = DETAIL, locks: Collection[str] = ()) -> Recipe:
        """The edit as a recipe, with all values of the user's own directions. The photo itself is not in it."""
        checkpoint, directions = self.renderer.checkpoint, self.renderer.directions
        own = [name for name in (*strengths, *locks) if name in directions.keys() - checkpoint.directions]
        baked = total(face.baked, len(face.latent))
        moved = face.offset + baked
        *earlier, last = merged([*(face.baked or ()), *offset_parts(face)]) or (EditPart(moved),)
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
            checkpoint=checkpoint.digest,
            name=checkpoint.name,
            strengths={name: round(float(value), 4) for name, value in strengths.items() if value},
            locks=tuple(sorted(locks)),
            directions={name: rounded(directions[name].step.numpy()) for name in own},
            guidance=rounded(moved) if moved.any() else None,
            about=last.about,
            earlier=tuple((part.about, rounded(part.move)) for part in earlier),
            latent=None if face.drawn is not None else rounded(face.latent - baked),
            drawn=face.drawn,
            **placed,
        )

    def reopen(self, recipe: Recipe, photo: images.Photo | None = None) -> Opened:
        """The face of a recipe with its sliders: drawn again, or cut out of `photo`, a saved edit.

        The photo without its edit is not known then: taking the edit back subtracts what the model drew. `ValueError` in one
        sentence where the recipe is another checkpoint's, or no recipe of this picture.
        """
        self._check_checkpoint(recipe)
        d = self.renderer.latent_size
        vectors = {"latent": recipe.latent}
        for name, values in (*vectors.items(), *recipe.directions.items()):
            if values is not None and len(values) != d:
                raise ValueError(f"the recipe's {name} has {len(values)} values, the checkpoint expects {d}")
        own, renderer = self._with_own(recipe)
        if recipe.drawn is not None:
            face = self.generation.redraw(recipe.drawn)
        elif recipe.alignment is None:
            with self.renderer.lock, torch.inference_mode():
                face = self.renderer.draw_face(torch.tensor(recipe.latent), "face")
        elif photo is None:
            raise ValueError("this recipe belongs to a photo, which is not in it: drop the picture that was saved, or open a photo first")
        else:
            face = self._cut_out(recipe, photo)
        face = guided(face, recipe)
        renderer.move(face, recipe.strengths, recipe.locks)  # refuses by name what is not known here
        if face.photo is not None:
            face = replace(face, applied=renderer.parts(face, recipe.strengths, recipe.locks), start=None)
            face = replace(face, start=self.renderer.start_picture(face)[0].numpy())
        return Opened(face, dict(recipe.strengths), recipe.locks, recipe.detail, own)

    def apply(self, recipe: Recipe, face: Face) -> Opened:
        """The edit of a recipe, on another face: its strengths, locks and guidance, whatever the recipe was made from.

        Strengths by name mean something to any checkpoint that knows them; guidance and own directions to their own one alone.
        """
        if not recipe.by_names:
            self._check_checkpoint(recipe)
        own, renderer = self._with_own(recipe)
        face = guided(face, recipe)
        renderer.move(face, recipe.strengths, recipe.locks)  # refuses by name what is not known here
        return Opened(face, dict(recipe.strengths), recipe.locks, recipe.detail, own)

    def _check_checkpoint(self, recipe: Recipe) -> None:
        """`ValueError` where a recipe's latents are another checkpoint's."""
        ours = self.renderer.checkpoint
        if recipe.checkpoint != ours.digest:
            theirs, mine = f"{recipe.name} ({recipe.checkpoint[:12]})", f"{ours.name} ({ours.digest[:12]})"
            raise ValueError(f"this recipe was made with the checkpoint {theirs}, and {mine} is open, to which it means nothing")

    def _with_own(self, recipe: Recipe) -> tuple[tuple[Direction, ...], Renderer]:
        """The recipe's own directions, and a renderer that knows them."""
        own = tuple(direction_of(name, step) for name, step in recipe.directions.items())
        return own, self.renderer.knowing(own) if own else self.renderer

    def _cut_out(self, recipe: Recipe, photo: images.Photo) -> Face:
        """The face of a saved edit, at the place that the recipe names."""
        if recipe.size is not None and tuple(recipe.size) != photo.pixels.shape[1::-1]:
            now, then = (f"{w} × {h} px" for w, h in (photo.pixels.shape[1::-1], recipe.size))
            raise ValueError(f"the picture was saved with {then} and has {now} now, so its recipe does not fit it any more")
        alignment = Alignment(np.array(recipe.alignment, np.float64).reshape(2, 3), True, 1.0)
        try:
            check_place(alignment, *photo.pixels.shape[1::-1])
        except ValueError:
            raise ValueError("the recipe's crop does not lie in the picture") from None
        pixels, latent = crop(photo.pixels, alignment, self.renderer.size), np.array(recipe.latent, np.float32)
        screen, still = shrunk(photo.pixels, SCREEN_SIDE_PX), np.zeros_like(latent)
        face = Face(
            latent, still, pixels, photo.pixels, screen, alignment, source=photo, faces=(alignment,), name=Path(photo.name).stem or "photo"
        )
        return replace(face, refined=recipe.refined)


def guided(face: Face, recipe: Recipe) -> Face:
    """The face with the guidance of a recipe; `ValueError` where it was made for latents of another size."""
    vectors = [recipe.guidance, *(move for _, move in recipe.earlier)]
    for values in vectors:
        if values is not None and len(values) != len(face.latent):
            raise ValueError(f"the recipe's guidance has {len(values)} values, the checkpoint expects {len(face.latent)}")
    offset = np.zeros_like(face.latent) if recipe.guidance is None else np.array(recipe.guidance, np.float32)
    earlier = tuple(EditPart(np.array(move, np.float32), about) for about, move in recipe.earlier)
    return replace(face, offset=offset, earlier=earlier, about=recipe.about)
