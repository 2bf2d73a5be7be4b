"""Gradient spikes: skip steps whose gradient norm is not finite or far too large."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

MAX_SKIPPED = 10  # steps in a row that were left out


class SpikeWatch(nn.Module):
    """Says which gradients to leave out: those that are not finite, and those far longer than usual."""

    def __init__(self, factor: float, warm: int = 50) -> None:
        super().__init__()
        self.factor, self.warm = factor, warm
        self.register_buffer("usual", torch.zeros(()))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.usual: Tensor
        self.steps: Tensor

    def accepts(self, norm: Float[Tensor, ""]) -> bool:
        """Whether to step; every finite gradient, also one left out, moves the running mean, so that a lasting change is soon usual."""
        if not torch.isfinite(norm):
            return False
        value = norm.detach().cpu()
        spike = bool(self.steps >= self.warm) and bool(value > self.factor * self.usual)
        limited = value.clamp(max=self.factor * self.usual) if self.steps >= self.warm else value
        self.steps += 1
        self.usual.lerp_(limited, max(1 / float(self.steps), 0.02))
        return not spike
