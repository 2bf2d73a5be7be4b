"""Latents from seeds, and paths between latents: lines, arcs, through several faces."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

ALIKE = 1e-4
"""Scores whose axes differ by less than this share of the widest are taken for one: rounding would tell them apart."""


def noise_from_seed(seed: int, dimensions: int) -> Float[Tensor, " d"]:
    """N(0, I) noise that belongs to this seed alone, on the CPU.

    One generator for each seed: `randn(n, d)[0]` is not `randn(1, d)` for every d, so a shared
    generator would make a face depend on its neighbours.
    """
    return torch.randn(dimensions, generator=torch.Generator().manual_seed(seed))


def lerp(a: Float[Tensor, " d"], b: Float[Tensor, " d"], t: float) -> Float[Tensor, " d"]:
    """The point at share t of the straight line from a to b; exact at both ends."""
    return torch.lerp(a, b, t)


def slerp(a: Float[Tensor, " d"], b: Float[Tensor, " d"], t: float) -> Float[Tensor, " d"]:
    """The point at share t of the arc from a to b: the angle and the length both grow evenly.

    Source: Shoemake, Animating Rotation with Quaternion Curves (1985). (Anti)parallel and zero
    vectors have no arc between them: the straight line is taken.
    """
    # Near π an angle in float32 is mostly rounding, so the arc is computed in double precision.
    start, end = a.double(), b.double()
    length_a, length_b = start.norm(), end.norm()
    if length_a < 1e-12 or length_b < 1e-12:
        return lerp(a, b, t)
    u, v = start / length_a, end / length_b
    angle = torch.arccos(torch.dot(u, v).clamp(-1, 1))
    sine = torch.sin(angle)
    if sine < 1e-4:
        return lerp(a, b, t)
    direction = (torch.sin((1 - t) * angle) * u + torch.sin(t * angle) * v) / sine
    return (direction * torch.lerp(length_a, length_b, t)).to(a.dtype)


def interpolate_keys(
    keys: Float[Tensor, "k d"] | Sequence[Tensor],
    t: float,
    between: Callable[[Tensor, Tensor, float], Tensor] = slerp,
    closed: bool = False,
    smooth: bool = False,
) -> Float[Tensor, " d"]:
    """The point at share t of the way through two or more keys, which lie at even shares of it; exact at each key.

    `closed` goes on from the last key to the first; `smooth` comes to rest at every key (C1, 3t² - 2t³).
    """
    stops = [*keys, keys[0]] if closed else list(keys)
    at = t * (len(stops) - 1)
    k = min(int(at), len(stops) - 2)
    share = at - k
    if share in (0, 1):
        return stops[k + int(share)]
    return between(stops[k], stops[k + 1], share * share * (3 - 2 * share) if smooth else share)


def restrict_to_attributes(
    move: Float[Tensor, " d"], readers: Float[Tensor, "k d"], chosen: Bool[Tensor, " k"], cholesky: Float[Tensor, "d d"]
) -> Float[Tensor, " d"]:
    """The part of a move that changes the chosen scores as all of it does, and no other score.

    A score is what `facevae.latent.directions.readout` makes of a reader. Of all such moves it is the shortest in the
    metric of the encodings' covariance L Lᵀ, so it lies in the readers' span: nothing moves that no score tells of.
    Projecting on the chosen readers alone would drag along every score that goes together with theirs. Where a chosen
    reader coincides with another one, the change is shared between what both ask for.
    """
    white = torch.linalg.solve_triangular(cholesky, torch.stack([move, *readers], dim=1), upper=False).double()  # (d, 1 + k)
    axes = white[:, 1:] / white[:, 1:].norm(dim=0)
    asked = torch.where(chosen, axes.T @ white[:, 0], 0.0)
    return cholesky @ (torch.linalg.pinv(axes.T, rtol=ALIKE) @ asked).to(move.dtype)
