"""Velocity net of the latent flow: a residual MLP that is told time and labels."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

FREQUENCIES = 32  # sines and as many cosines that tell the time
LONGEST_WAVE = 1000.0


@dataclass(frozen=True)
class VelocityConfig:
    """What a `VelocityNet` looks like."""

    latent: int = 512
    labels: int = 40
    width: int = 512
    hidden: int = 768
    """Width inside a block."""
    blocks: int = 4

    def __post_init__(self) -> None:
        sizes = (self.latent, self.labels, self.width, self.hidden, self.blocks)
        if not all(isinstance(size, int) for size in sizes) or min(sizes) < 1:
            raise ValueError("a velocity net needs whole numbers of 1 or more, not {}, {}, {}, {}, {}".format(*sizes))


class Block(nn.Module):
    """x + gate · MLP(scale · norm(x) + shift), the three from time and labels (Peebles and Xie, DiT, 2023). New, it is the identity."""

    def __init__(self, config: VelocityConfig) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(config.width, elementwise_affine=False)
        self.modulation = nn.Linear(config.width // 2, 3 * config.width)
        self.expand, self.contract = nn.Linear(config.width, config.hidden), nn.Linear(config.hidden, config.width)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, x: Float[Tensor, "b w"], condition: Float[Tensor, "b c"]) -> Float[Tensor, "b w"]:
        scale, shift, gate = self.modulation(condition).chunk(3, dim=1)
        return x + gate * self.contract(F.silu(self.expand(self.norm(x) * (1 + scale) + shift)))


class VelocityNet(nn.Module):
    """Velocity of a point on its way from noise (t = 0) to a whitened encoding (t = 1), given labels.

    The best linear answer for encodings that are N(0, I) is added outside the net, whose last layer starts at zero.
    """

    def __init__(self, config: VelocityConfig) -> None:
        super().__init__()
        self.config = config
        self.inlet = nn.Linear(config.latent, config.width)
        self.time = nn.Linear(2 * FREQUENCIES, config.width)
        self.labels = nn.Linear(config.labels, config.width)
        self.condition = nn.Linear(config.width, config.width // 2)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.blocks))
        self.norm = nn.LayerNorm(config.width)
        self.outlet = nn.Linear(config.width, config.latent)
        nn.init.zeros_(self.outlet.weight)
        nn.init.zeros_(self.outlet.bias)

    def forward(self, query: Float[Tensor, "b q"]) -> Float[Tensor, "b d"]:
        """Velocity at the points of `query_of`."""
        x, t, labels = query.split([self.config.latent, 1, self.config.labels], dim=1)
        angles = t * LONGEST_WAVE ** (torch.arange(FREQUENCIES, device=t.device) / FREQUENCIES)
        condition = self.condition(F.silu(self.time(torch.cat([angles.sin(), angles.cos()], 1)) + self.labels(labels)))
        h, condition = self.inlet(x), F.silu(condition)
        for block in self.blocks:
            h = block(h, condition)
        return self.outlet(F.silu(self.norm(h))).to(x.dtype) + (2 * t - 1) / (t * t + (1 - t) ** 2) * x


def query_of(x: Float[Tensor, "b d"], t: Float[Tensor, " b"], labels: Float[Tensor, "b a"]) -> Float[Tensor, "b q"]:
    """What a `VelocityNet` is asked, in one tensor: points, times in [0, 1], labels from -1 (sure not) over 0 (unknown) to 1 (sure)."""
    return torch.cat([x, t[:, None], labels], dim=1)
