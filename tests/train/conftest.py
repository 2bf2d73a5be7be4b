"""A tiny identity embedding for whatever measures edits."""

import pytest
import torch

from train.identity import IdentityNet, IdentityNetConfig


@pytest.fixture(scope="session")
def embedding() -> IdentityNet:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return IdentityNet(IdentityNetConfig(size=16, window=16, widths=(4, 8), features=8)).eval().requires_grad_(False)


@pytest.fixture(scope="session")
def people() -> dict[str, float]:
    """Cosines that an embedding might have been saved with."""
    return {f"{kind}_{p}": v for kind, v in (("same", 0.5), ("different", 0.1)) for p in (5, 50, 95)} | {"auroc": 0.9}
