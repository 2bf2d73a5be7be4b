"""Editor: open, edit, guide, morph, generate and save faces with a checkpoint."""

import copy
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float32, Float64, UInt8
from PIL import Image

from facevae.attributes import GOALS, Control, Goal, list_controls
from facevae.checkpoint.checkpoint import Checkpoint
from facevae.editor.edit_files import EditFiles
from facevae.editor.edit_recipes import EditRecipes
from facevae.editor.generation import MAX_TRIES, Generation, Search
from facevae.editor.guidance import Guidance
from facevae.editor.looks import Looks
from facevae.editor.morph_types import FilmConfig, FilmStep, MorphPath
from facevae.editor.morphing import Morphing
from facevae.editor.photos import Photos
from facevae.editor.poor_draws import PoorDraws
from facevae.editor.recipe import Recipe
from facevae.editor.renderer import Renderer
from facevae.editor.types import Face, GuideReport, GuideStep, Opened, RefineStep, Result
from facevae.latent.directions import Direction
from facevae.latent.guidance import GuidanceConfig
from facevae.latent.inversion import InversionConfig
from facevae.photo.alignment import Adjustment
from facevae.photo.compositing import DETAIL
from facevae.photo.images import Photo


class Editor:
    """Everything the app can do, over one checkpoint. Calls may come from any thread; each is a pure function of its arguments.

    The work is done by the members `renderer`, `photos`, `generation`, `guidance`, `looks`, `morphing`, `recipes` and `files`; the methods
    here only pass on to them, which is where each is described in full.
    """

    def __init__(self, checkpoint: Checkpoint | str | Path | None = None, revision: str | None = None) -> None:
        """Open a checkpoint: a folder, "owner/name" or "owner/name@revision" on the Hub, or, for None, the embedded one."""
        self.checkpoint = checkpoint if isinstance(checkpoint, Checkpoint) else Checkpoint.from_pretrained(checkpoint, revision)
        self.goals: list[Goal] = [goal for goal in GOALS if set(goal.wanted) <= {*self.checkpoint.classifier.config.attributes}]
        self._use(Renderer(self.checkpoint))
        self.controls: list[Control] = list_controls(self.checkpoint.directions)
        self.card: str = self.checkpoint.card
        self.evaluation: dict[str, Any] = self.checkpoint.evaluation

    @classmethod
    def from_pretrained(cls, source: str | Path | None = None, revision: str | None = None) -> "Editor":
        """The editor over `Checkpoint.from_pretrained(source, revision)`, under the name that the Hub's users look for."""
        return cls(source, revision)

    def _use(self, renderer: Renderer) -> None:
        self.renderer = renderer
        self.photos = Photos(renderer)
        self.generation = Generation(renderer, PoorDraws(renderer, self.photos.aligner))
        self.guidance = Guidance(renderer)
        self.hair = self.guidance.hair
        self.looks = Looks(self.guidance, self.goals)
        self.morphing = Morphing(renderer, self.photos)
        self.recipes = EditRecipes(renderer, self.generation)
        self.files = EditFiles(renderer, self.photos, self.recipes)

    def knowing(self, own: Sequence[Direction]) -> "Editor":
        """This editor with the user's own directions besides the checkpoint's; nets, lock and caches are shared."""
        other = copy.copy(self)
        other._use(self.renderer.knowing(own))
        return other

    def quick(self) -> "Editor":
        """This editor without the detail net, for pictures that are gone a moment later."""
        other = copy.copy(self)
        other._use(self.renderer.without_detail())
        return other

    # Renderer ---------------------------------------------------------------------------------------------------------

    @property
    def size(self) -> int:
        """Side of a crop in pixels."""
        return self.renderer.size

    @property
    def latent_size(self) -> int:
        """Number of values in a latent."""
        return self.renderer.latent_size

    @property
    def attributes(self) -> tuple[str, ...]:
        """Labels that the classifier knows, in its order."""
        return self.renderer.attributes

    @property
    def directions(self) -> dict[str, Direction]:
        """The directions of the checkpoint, and the user's own, by name."""
        return self.renderer.directions

    def scores(self, face: Face) -> dict[str, float]:
        """Scores of the face along each direction, in σ from the mean face."""
        return self.renderer.scores(face)

    def remaining(self, locks: Collection[str]) -> dict[str, float]:
        """Share of each direction's strength that remains while `locks` hold, 0 to 1."""
        return self.renderer.remaining(locks)

    def components(self, count: int = 20) -> list[Direction]:
        """The first principal components of the encodings."""
        return self.renderer.components(count)

    def direction_from_faces(self, name: str, with_it: Sequence[Face], without: Sequence[Face]) -> Direction:
        """A direction from at least eight faces with a property and eight without."""
        return self.renderer.direction_from_faces(name, with_it, without)

    def edit(
        self,
        face: Face,
        strengths: Mapping[str, float] = {},
        max_side_px: int | None = None,
        detail: float = DETAIL,
        locks: Collection[str] = (),
    ) -> Result:
        """Move the face along attributes (strengths in σ); the photo keeps its own pixels plus the change."""
        return self.renderer.edit(face, strengths, max_side_px, detail, locks)

    def probabilities(
        self, face: Face, strengths: Mapping[str, float] = {}, detail: float = DETAIL, locks: Collection[str] = ()
    ) -> dict[str, float]:
        """What the classifier sees in the crop after the edit: attribute -> probability, calibrated."""
        return self.renderer.probabilities(face, strengths, detail, locks)

    def reset(self, face: Face) -> Face:
        """The face as it was before any guidance."""
        return self.renderer.reset(face)

    def slide(self, latent: Float32[np.ndarray, " d"], name: str, strength: float) -> Float32[np.ndarray, " d"] | None:
        """What a slider adds to a latent where it follows the latent flow; None where it is a straight line."""
        return self.renderer.displace(torch.from_numpy(latent), {name: strength}).numpy() if self.renderer.is_curved(name) else None

    def bake(self, face: Face, strengths: Mapping[str, float], locks: Collection[str] = ()) -> Face:
        """The face with these strengths in its offset, so that all sliders start from zero again."""
        return self.renderer.bake(face, strengths, locks)

    def begin_from(self, face: Face, strengths: Mapping[str, float] = {}, detail: float = DETAIL, locks: Collection[str] = ()) -> Face:
        """The result as the new start: the next edit is laid over the picture after this one."""
        return self.renderer.begin_from(face, strengths, detail, locks)

    # Photos -----------------------------------------------------------------------------------------------------------

    def aligner(self, windows: UInt8[np.ndarray, "n s s 3"]) -> Float64[np.ndarray, "n 6"]:
        """The alignment net as `facevae.photo.alignment` expects it."""
        return self.photos.aligner(windows)

    def finder(self, picture: UInt8[np.ndarray, "h w 3"]) -> Float32[np.ndarray, "6 h8 w8"]:
        """The face finder as `facevae.photo.finding` expects it."""
        return self.photos.finder(picture)

    def open_photo(
        self,
        source: str | Path | bytes | Image.Image | np.ndarray | Photo,
        adjustment: Adjustment = Adjustment(),
        name: str = "",
        index: int = 0,
        at: tuple[float, float] | None = None,
    ) -> Face:
        """Read a photo, find its faces, encode one of them: the largest is number 0; `at` (pixels) points at one."""
        return self.photos.open_photo(source, adjustment, name, index, at)

    def face_in(self, crop: UInt8[np.ndarray, "s s 3"], name: str) -> Face:
        """A crop without a photo, drawn by another model for example, as this model redraws it."""
        return self.photos.face_in(crop, name)

    def readjust(self, face: Face, adjustment: Adjustment) -> Face:
        """The same photo with the crop shifted, zoomed or turned, encoded again."""
        return self.photos.readjust(face, adjustment)

    def choose(
        self, face: Face, index: int, strengths: Mapping[str, float] = {}, detail: float = DETAIL, locks: Collection[str] = ()
    ) -> Face:
        """Another face of the same photo. The edit of this one (strengths in σ) stays in the photo."""
        return self.photos.choose(face, index, strengths, detail, locks)

    def point(
        self,
        face: Face,
        at: tuple[float, float],
        strengths: Mapping[str, float] = {},
        detail: float = DETAIL,
        locks: Collection[str] = (),
    ) -> Face:
        """The face at a place of the photo (pixels), as `choose` gives it, also one that had not been found."""
        return self.photos.point(face, at, strengths, detail, locks)

    def thumbnails(self, face: Face, size_px: int = 96) -> list[UInt8[np.ndarray, "s s 3"]]:
        """The crop of every face of the photo, the largest first."""
        return self.photos.thumbnails(face, size_px)

    def refine(self, face: Face, config: InversionConfig = InversionConfig()) -> Iterator[RefineStep]:
        """Search near the encoder's answer for a latent whose reconstruction is nearer to the crop, step by step."""
        return self.photos.refine(face, config)

    def refined(self, face: Face, config: InversionConfig = InversionConfig()) -> Face:
        """The face where `refine` ends, or unchanged where no face was found."""
        return self.photos.refined(face, config)

    # Generation, guidance, morphing -----------------------------------------------------------------------------------

    def generate(
        self,
        seeds: Sequence[int],
        temperature: float = 0.8,
        prior: Literal["fitted", "normal"] = "fitted",
        wanted: Mapping[str, bool] = {},
    ) -> list[Face]:
        """Draw a new face for each seed; the same seed is the same face in any batch.

        A fitted prior that is a flow can be told labels: the same seed is the same person with and without them.
        """
        return self.generation.generate(seeds, temperature, prior, wanted)

    def search(
        self,
        wanted: Mapping[str, bool],
        first: int,
        count: int,
        temperature: float = 0.8,
        prior: Literal["fitted", "normal"] = "fitted",
        tries: int = MAX_TRIES,
    ) -> Iterator[Search]:
        """Draw the seeds from `first` on, leave poor draws out, and keep the faces in which the classifier sees what is wanted."""
        return self.generation.search(wanted, first, count, temperature, prior, tries)

    def neighbours(self, face: Face, indices: Sequence[int], radius: float = 0.5, seed: int = 0) -> list[Face]:
        """Faces near this one, without a photo and without a seed."""
        return self.generation.neighbours(face, indices, radius, seed)

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
        """Search for the wanted labels by gradient steps in latent space, step by step."""
        return self.guidance.guide(face, wanted, strengths, target, steps, detail, locks)

    def dye(
        self, face: Face, shade: str, amount: float | None = 1.0, strengths: Mapping[str, float] = {}, locks: Collection[str] = ()
    ) -> Face:
        """The face with its hair on the way from its own colour (0) to a named shade (1)."""
        return self.hair.dye(face, shade, amount, strengths, locks)

    def put_on(self, face: Face, look: str, amount: float = 1.0, detail: float = DETAIL, locks: Collection[str] = ()) -> Face:
        """The face with a look of `goals`, by its name: 0 is the face as it was, 1 is where `guide` ends."""
        return self.looks.put_on(face, look, amount, detail, locks)

    def report(
        self,
        before: Face,
        strengths: Mapping[str, float],
        after: Face,
        wanted: Mapping[str, bool],
        detail: float = DETAIL,
        locks: Collection[str] = (),
    ) -> GuideReport:
        """What guidance did to the crop, seen by the classifier that guided and by the judge."""
        return self.guidance.report(before, strengths, after, wanted, detail, locks)

    def morph(self, a: Face, b: Face, positions: Sequence[float], path: Literal["slerp", "lerp"] = "slerp") -> UInt8[np.ndarray, "n s s 3"]:
        """Crops at the given positions (0 is a, 1 is b) of the way between two faces."""
        return self.morphing.morph(a, b, positions, path)

    def morph_through(
        self,
        faces: Sequence[Face],
        positions: Sequence[float],
        way: MorphPath = MorphPath(),
        where: Literal["face", "photo"] = "face",
        max_side_px: int | None = None,
        detail: float = DETAIL,
    ) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
        """Frames at the given positions, 0 to 1, of the way through two to six faces."""
        return self.morphing.morph_through(faces, positions, way, where, max_side_px, detail)

    def morphed(
        self, faces: Sequence[Face], position: float, way: MorphPath = MorphPath(), where: Literal["face", "photo"] = "face"
    ) -> Face:
        """The face at one position of the way, to go on with."""
        return self.morphing.morphed(faces, position, way, where)

    def morph_film(self, faces: Sequence[Face], way: MorphPath = MorphPath(), film: FilmConfig = FilmConfig()) -> Iterator[FilmStep]:
        """The morph as a file, frame by frame; the last step carries it."""
        return self.morphing.morph_film(faces, way, film)

    def save_animation(
        self, frames: UInt8[np.ndarray, "n h w 3"], format: Literal["gif", "webp", "mp4"] = "webp", duration_ms: int = 60, loop: bool = True
    ) -> bytes:
        """An animation of the frames, forth and, with `loop`, back again; MP4 where PyAV is installed."""
        return self.morphing.save_animation(frames, format, duration_ms, loop)

    # Recipes and files ------------------------------------------------------------------------------------------------

    def recipe(self, face: Face, strengths: Mapping[str, float] = {}, detail: float = DETAIL, locks: Collection[str] = ()) -> Recipe:
        """The edit as a recipe, without the photo."""
        return self.recipes.recipe(face, strengths, detail, locks)

    def reopen(self, recipe: Recipe, photo: Photo | None = None) -> Opened:
        """The face of a recipe with its sliders: drawn again, or cut out of `photo`, a saved edit."""
        return self.recipes.reopen(recipe, photo)

    def apply(self, recipe: Recipe, face: Face) -> Opened:
        """The edit of a recipe, on another face."""
        return self.recipes.apply(recipe, face)

    def open_file(self, path: Path, face: Face | None = None) -> Opened:
        """Open a photo, a picture that was saved here, with its edit, or a recipe, for `face` where it is of a photo."""
        return self.files.open_file(path, face)

    def save(
        self,
        face: Face,
        strengths: Mapping[str, float] = {},
        format: Literal["original", "png", "heic"] = "original",
        detail: float = DETAIL,
        locks: Collection[str] = (),
        asked: str = "",
    ) -> tuple[bytes, str]:
        """The edit at the photo's full size, with its recipe inside: a file's content and its suffix."""
        return self.files.save(face, strengths, format, detail, locks, asked)
