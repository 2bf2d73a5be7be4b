"""The detail net: adds nothing at first, nothing outside the mask ever; fits a checkpoint."""

import pytest
import torch

from facevae.nets.detail import DetailNet
from facevae.nets.residual_unet import ResidualUNetConfig, grain


def test_nothing_is_added_at_first_and_nothing_outside_the_mask_ever() -> None:
    torch.manual_seed(0)
    net, x, mask = DetailNet(ResidualUNetConfig((4, 8), 1, 4)), torch.rand(2, 3, 16, 24), torch.zeros(2, 1, 16, 24)
    mask[:, :, 4:9, 3:11] = 0.7
    others = torch.randn(2, 1, 16, 24), torch.zeros(2)
    assert torch.equal(net(x, mask, *others), x)
    torch.nn.init.normal_(net.out.weight)
    added = net(x, mask, *others) - x
    assert added[:, :, 4:9, 3:11].abs().min() > 0
    assert not (added * (mask == 0)).any()
    with pytest.raises(ValueError, match="22 x 16 px cannot be halved 2 times"):
        net(x[..., :22], mask[..., :22], others[0][..., :22], others[1])


def test_how_sharp_the_photo_is_counts() -> None:
    torch.manual_seed(0)
    net, x, mask, noise = DetailNet(ResidualUNetConfig((4, 8), 1, 4)), torch.rand(1, 3, 16, 16), torch.ones(1, 1, 16, 16), grain(16)
    torch.nn.init.normal_(net.out.weight)
    assert not torch.allclose(net(x, mask, noise, torch.tensor([-2.0])), net(x, mask, noise, torch.tensor([0.5])))


def test_grain_is_always_the_same() -> None:
    assert torch.equal(grain(32), grain.__wrapped__(32)) and abs(grain(64).std() - 1) < 0.05


def test_the_default_fits_a_checkpoint() -> None:
    assert 2 * sum(p.numel() for p in DetailNet(ResidualUNetConfig()).parameters()) < 1_500_000
    with pytest.raises(ValueError, match="at least one level"):
        ResidualUNetConfig(())
