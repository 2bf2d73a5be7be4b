"""EditFiles: open a photo, saved picture or recipe file; save an edit."""

import json
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

from facevae.editor.edit_recipes import EditRecipes
from facevae.editor.photos import Photos
from facevae.editor.recipe import recipe_from, shorten
from facevae.editor.renderer import Renderer
from facevae.editor.types import Face, Opened
from facevae.photo import images
from facevae.photo.compositing import DETAIL
from facevae.version import __version__


class EditFiles:
    """Reads and writes files; member `files` of the editor."""

    def __init__(self, renderer: Renderer, photos: Photos, recipes: EditRecipes) -> None:
        self.renderer, self.photos, self.recipes = renderer, photos, recipes

    def open_file(self, path: Path, face: Face | None = None) -> Opened:
        """Open a photo, a picture that was saved here, with its edit, or a recipe, for `face` where it is of a photo.

        `message` says which. A picture whose recipe does not fit is opened as a photo, and the message says why; `ValueError` in one
        sentence where a file is nothing that can be opened.
        """
        if is_json(path):
            recipe = recipe_from(path.read_bytes())
            if recipe.alignment is None or face is None:
                return replace(self.recipes.reopen(recipe), message="The recipe's face is back.")
            return replace(self.recipes.apply(recipe, face), message=f"The recipe is applied to {face.name}.")
        photo, why = self.renderer.photo_cache.share_pixels(images.open_photo(path)), ""
        if photo.recipe:
            try:
                opened = self.recipes.reopen(recipe_from(photo.recipe), photo)
                return replace(opened, message=f"Opened {opened.face.name} with its edit.")
            except ValueError as error:
                why = f" as a photo, without its edit: {error}"
        face = self.photos.open_photo(photo)
        return Opened(face, message=f"Opened {face.name}{why}.")

    def save(
        self,
        face: Face,
        strengths: Mapping[str, float] = {},
        format: Literal["original", "png", "heic"] = "original",
        detail: float = DETAIL,
        locks: Collection[str] = (),
        asked: str = "",
    ) -> tuple[bytes, str]:
        """The edit at the photo's full size: a file's content and its suffix; `asked` goes into its recipe.

        "original" keeps the photo's format, colour profile and transparency (see `facevae.photo.images.save_photo`);
        a generated face is a PNG. The note "AI-edited" and the recipe are inside.
        """
        if format not in ("original", "png", "heic"):
            raise ValueError(f"the format must be original, png or heic, not {format}")
        result = self.renderer.edit(face, strengths, detail=detail, locks=locks)
        recipe = replace(self.recipes.recipe(face, strengths, detail, locks), asked=asked)
        notes = {
            "Software": f"facevae {__version__}",
            "Comment": f"{'AI-edited' if face.source is not None else 'AI-generated (AI-edited)'} with facevae",
            "facevae": json.dumps(shorten(recipe).as_json()),
        }
        if face.source is None:
            return images.png_bytes(result.photo, notes), ".png"
        return images.save_photo(face.source, result.photo, notes, format)


def is_json(path: Path) -> bool:
    """Whether a file is text that begins like a recipe; no picture does."""
    with path.open("rb") as file:
        return file.read(64).lstrip().startswith(b"{")
