"""Ways through latent space: noise from seeds, straight lines, arcs."""

import torch
from jaxtyping import Float
from torch import Tensor


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
