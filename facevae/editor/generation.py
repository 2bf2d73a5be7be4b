"""Generation: faces from seeds, with wanted labels, or near a face."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from facevae.editor.poor_draws import PoorDraws
from facevae.editor.renderer import Renderer
from facevae.editor.types import Drawn, Face
from facevae.latent.conditional_flow import ROWS, ConditionalFlow
from facevae.latent.paths import noise_from_seed
from facevae.latent.priors import standard_normal
from facevae.settings import SEED

MAX_FACES = 64
MAX_TRIES = 1000
"""Half a minute on a laptop; what is rarer than one face in a few hundred is better guided to than waited for."""
MAX_NEIGHBOURS = 2**16
PERSON = ("Male", "Young")
"""These do not follow what goes with them: a beard that is wanted makes no other person of a seed."""
NEIGHBOUR_SEEDS = 2**40
"""Where the noise of neighbours begins: far beyond the seeds of faces, so that no step of a walk is a face's own noise."""


@dataclass(frozen=True, eq=False)
class Search:
    """How far a search for faces has come: what was found, in the order of the seeds, and the seed with which it goes on."""

    faces: tuple[Face, ...]
    tried: int
    next_seed: int


def fits(seen: Mapping[str, float], wanted: Mapping[str, bool]) -> bool:
    """Every wanted label is more probable than not, and every unwanted one is not."""
    return all((seen[name] > 0.5) == want for name, want in wanted.items())


def keep_fitting(draw: Callable[[int], Face], keeps: Callable[[Face], bool], seeds: range, count: int) -> Iterator[Search]:
    """Rejection: draw the seeds one after the other and keep some, until there are `count` faces or no seeds are left.

    A step for each try. A face depends on its seed alone, so a search that is stopped goes on at `next_seed` as if it had not been.
    """
    found: tuple[Face, ...] = ()
    for tried, seed in enumerate(seeds, start=1):
        face = draw(seed)
        if keeps(face):
            found = (*found, face)
        yield Search(found, tried, seed + 1)
        if len(found) == count:
            return


def nearby(
    z: Float[Tensor, " d"], mean: Float[Tensor, " d"], cholesky: Float[Tensor, "d d"], radius: float, seed: int, index: int
) -> Float[Tensor, " d"]:
    """A latent near z, the one of this (seed, index): radius 0 is z itself, radius 1 another latent altogether.

    In the metric of the encodings, N(mean, L Lᵀ): z' = mean + √(1 - r²) (z - mean) + r t L noise, the proposal of the
    preconditioned Crank-Nicolson walk (Cotter et al., MCMC Methods for Functions, 2013). With z + r L noise, every step of a
    walk would lead farther out, to where no face is. t = |L⁻¹(z - mean)| / √d, at most 1, is the face's own temperature.
    """
    away = z - mean
    temperature = torch.linalg.solve_triangular(cholesky, away[:, None], upper=False).square().mean().sqrt().clamp(max=1)
    noise = noise_from_seed(NEIGHBOUR_SEEDS + MAX_NEIGHBOURS * seed + index, len(z))
    return mean + (1 - radius**2) ** 0.5 * away + radius * temperature * (cholesky @ noise)


class Generation:
    """Draws faces without a photo; member `generation` of the editor."""

    def __init__(self, renderer: Renderer, poor: PoorDraws) -> None:
        self.renderer, self.poor = renderer, poor

    def generate(
        self,
        seeds: Sequence[int],
        temperature: float = 0.8,
        prior: Literal["fitted", "normal"] = "fitted",
        wanted: Mapping[str, bool] = {},
    ) -> list[Face]:
        """Draw a new face for each seed; the same seed is the same face in any batch.

        The prior is told the labels `wanted`; `ValueError` where it cannot be. A face need not have them all: see `search`.
        """
        if not 1 <= len(seeds) <= MAX_FACES:
            raise ValueError(f"{len(seeds)} faces were asked for; 1 to {MAX_FACES} can be drawn at once")
        if wanted and not self.told(wanted, prior):
            raise ValueError("this prior cannot be told labels: search among its faces")
        recipes = [Drawn(int(seed), float(temperature), prior, tuple(wanted.items())) for seed in seeds]
        with self.renderer.lock, torch.inference_mode():
            latents = self._latents([drawn.seed for drawn in recipes], temperature, prior, wanted)
            return [self._face(drawn, z) for drawn, z in zip(recipes, latents, strict=True)]

    def redraw(self, drawn: Drawn) -> Face:
        """The same face as when it was drawn first."""
        return self.generate([drawn.seed], drawn.temperature, drawn.prior, dict(drawn.labels))[0]

    def told(self, wanted: Mapping[str, bool], prior: str) -> bool:
        """Whether this prior draws faces under these labels."""
        known = self.renderer.checkpoint.classifier.config.attributes
        return prior == "fitted" and isinstance(self.renderer.checkpoint.prior, ConditionalFlow) and set(wanted) <= set(known)

    def _latents(self, seeds: Sequence[int], temperature: float, prior: str, wanted: Mapping[str, bool]) -> Float[Tensor, "b d"]:
        checkpoint = self.renderer.checkpoint
        if prior == "normal":
            return torch.stack([standard_normal(seed, self.renderer.latent_size, temperature) for seed in seeds])
        if not isinstance(checkpoint.prior, ConditionalFlow):
            return checkpoint.prior.from_seeds(seeds, temperature)
        names = checkpoint.classifier.config.attributes
        held = [names.index(name) for name in PERSON if name in names]
        return checkpoint.prior.from_seeds(seeds, temperature, {names.index(name): want for name, want in wanted.items()}, held)

    def _face(self, drawn: Drawn, z: Float[Tensor, " d"]) -> Face:
        return replace(self.renderer.draw_face(z, f"face-{drawn.seed}"), seed=drawn.seed, drawn=drawn)

    def search(
        self,
        wanted: Mapping[str, bool],
        first: int,
        count: int,
        temperature: float = 0.8,
        prior: Literal["fitted", "normal"] = "fitted",
        tries: int = MAX_TRIES,
    ) -> Iterator[Search]:
        """Draw the seeds from `first` on and keep the faces in which the classifier sees what is wanted, and not what is unwanted.

        Of the fitted prior's, those that came out badly are left out, see `PoorDraws`: most of the other prior's would be, and glasses
        that are wanted hide what it looks at. A prior that can be told labels is: most faces have them then. A step for each try; ends
        with `count` faces, or after so many tries with fewer. The same call finds the same faces: `search({}, 1, 12)` is the page of
        number 1.
        """
        self.renderer.check_attributes(wanted)
        if not 1 <= count <= MAX_FACES:
            raise ValueError(f"{count} faces were asked for; 1 to {MAX_FACES} can be searched for at once")
        SEED.check(first)
        seeds = range(first, min(first + tries, int(SEED.high) + 1))
        told = wanted if self.told(wanted, prior) else {}
        ahead: dict[int, Tensor] = {}  # a flow draws a block of latents in the time of one

        def draw(seed: int) -> Face:
            drawn = Drawn(seed, float(temperature), prior, tuple(told.items()))
            with self.renderer.lock, torch.inference_mode():
                if seed not in ahead:
                    block = seeds[seed - first : seed - first + ROWS]
                    ahead.clear()
                    ahead.update(zip(block, self._latents(block, temperature, prior, told), strict=True))
                return self._face(drawn, ahead[seed])

        def keeps(face: Face) -> bool:
            if prior == "fitted" and not wanted.get("Eyeglasses") and self.poor(face):
                return False
            return not wanted or fits(self.renderer.probabilities(face), wanted)

        yield from keep_fitting(draw, keeps, seeds, count)

    def neighbours(self, face: Face, indices: Sequence[int], radius: float = 0.5, seed: int = 0) -> list[Face]:
        """Faces near this one, see `nearby`; without a photo and without a seed, for no seed draws them."""
        if not 1 <= len(indices) <= MAX_FACES:
            raise ValueError(f"{len(indices)} neighbours were asked for; 1 to {MAX_FACES} can be drawn at once")
        if any(not 0 <= int(i) < MAX_NEIGHBOURS for i in indices):
            raise ValueError(f"neighbours are numbered from 0 to {MAX_NEIGHBOURS - 1}")
        SEED.check(seed)
        if not 0 <= radius <= 1:
            raise ValueError(f"the radius must lie between 0 and 1, not {radius:g}")
        z, checkpoint = torch.from_numpy(face.latent + face.offset), self.renderer.checkpoint
        mean, cholesky = checkpoint.prior.mean, checkpoint.cholesky
        stem = face.name if "-near-" in face.name else f"{face.name}-near"
        with self.renderer.lock, torch.inference_mode():
            return [self.renderer.draw_face(nearby(z, mean, cholesky, radius, seed, int(i)), f"{stem}-{int(i) + 1}") for i in indices]
