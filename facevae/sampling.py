"""Drawing with a wish: seeds whose faces the classifier agrees with, and the faces near a face."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from facevae.faces import Face
from facevae.latent.paths import noise_from_seed

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
