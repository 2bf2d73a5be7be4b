"""Features like EfficientNet-lite0's, of no use but there: the suite installs no ImageNet weights."""

from itertools import pairwise

import torch


class SmallFeatures(torch.nn.Module):
    """Four frozen levels with the channels of the real ones."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        sizes = (3, 16, 24, 40, 112)
        self.levels = torch.nn.ModuleList(torch.nn.Conv2d(a, b, 3, 2, 1) for a, b in pairwise(sizes))
        self.requires_grad_(False)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Levels at 1/2, 1/4, 1/8 and 1/16 of the grid."""
        found = []
        for level in self.levels:
            x = level(x).relu()
            found.append(x)
        return found
