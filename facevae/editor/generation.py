"""Generation: faces from seeds, by rejection for wanted labels, or near a face."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from facevae.editor.renderer import Renderer
from facevae.editor.types import Drawn, Face
from facevae.latent.paths import noise_from_seed
from facevae.latent.priors import standard_normal
from facevae.settings import SEED

MAX_FACES = 64
MAX_TRIES = 1000
"""Half a minute on a laptop; what is rarer than one face in a few hundred is better guided to than waited for."""
MAX_NEIGHBOURS = 2**16
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


def keep_fitting(
    draw: Callable[[int], Face],
    see: Callable[[Face], Mapping[str, float]],
    wanted: Mapping[str, bool],
    seeds: range,
    count: int,
) -> Iterator[Search]:
    """Rejection: draw the seeds one after the other and keep what fits, until there are `count` faces or no seeds are left.

    A step for each try. A face depends on its seed alone, so a search that is stopped goes on at `next_seed` as if it had not been.
    """
    found: tuple[Face, ...] = ()
    for tried, seed in enumerate(seeds, start=1):
        face = draw(seed)
        if fits(see(face), wanted):
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

    def __init__(self, renderer: Renderer) -> None:
        self.renderer = renderer

    def generate(self, seeds: Sequence[int], temperature: float = 0.8, prior: Literal["fitted", "normal"] = "fitted") -> list[Face]:
        """Draw a new face for each seed; the same seed is the same face in any batch."""
        if not 1 <= len(seeds) <= MAX_FACES:
            raise ValueError(f"{len(seeds)} faces were asked for; 1 to {MAX_FACES} can be drawn at once")
        recipes = [Drawn(int(seed), float(temperature), prior) for seed in seeds]
        d, fitted = self.renderer.latent_size, self.renderer.checkpoint.prior.from_seed
        draw = fitted if prior == "fitted" else lambda seed, t: standard_normal(seed, d, t)
        with self.renderer.lock, torch.inference_mode():
            faces = []
            for drawn in recipes:
                face = self.renderer.draw_face(draw(drawn.seed, temperature), f"face-{drawn.seed}")
                faces.append(replace(face, seed=drawn.seed, drawn=drawn))
        return faces

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

        A step for each try; ends with `count` faces, or after so many tries with fewer. The same call finds the same faces.
        """
        self.renderer.check_attributes(wanted)
        if not 1 <= count <= MAX_FACES:
            raise ValueError(f"{count} faces were asked for; 1 to {MAX_FACES} can be searched for at once")
        SEED.check(first)
        seeds = range(first, min(first + tries, int(SEED.high) + 1))

        def draw(seed: int) -> Face:
            return self.generate([seed], temperature, prior)[0]

        yield from keep_fitting(draw, self.renderer.probabilities, wanted, seeds, count)

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
