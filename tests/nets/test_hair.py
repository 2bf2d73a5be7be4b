"""The hair net: the parser's hair at first, none far from it ever; fits a checkpoint."""

import torch

from facevae.nets.hair import HairNet
from facevae.nets.residual_unet import ResidualUNetConfig, grain

MEDIAN = torch.tensor([12.0])
TINY = ResidualUNetConfig((4, 8), 1, 4)


def test_at_first_the_matte_is_the_parsers_and_no_light_is_added() -> None:
    shares = torch.zeros(1, 2, 64, 64)
    shares[:, 0, :, :32] = 1
    matte, gain = HairNet(TINY)(torch.rand(1, 3, 64, 64), shares, grain(64), MEDIAN)
    assert matte[..., :26].min() > 0.9 and matte[..., 36:].max() < 0.1 and (gain == 48).all()


def test_there_is_no_hair_far_from_where_the_parser_sees_some() -> None:
    torch.manual_seed(0)
    net, shares = HairNet(TINY), torch.zeros(1, 2, 64, 64)
    torch.nn.init.normal_(net.out.weight)
    shares[:, 0, :, :32] = 1
    matte, gain = net(torch.rand(1, 3, 64, 64), shares, grain(64), MEDIAN)
    assert gain.abs().min() > 0 and not matte[..., 46:].any()
    assert not net(torch.rand(1, 3, 64, 64), 0 * shares, grain(64), MEDIAN)[0].any()


def test_the_default_fits_a_checkpoint() -> None:
    from train.networks.hair import HairTrainConfig

    assert 2 * sum(p.numel() for p in HairNet(HairTrainConfig().net).parameters()) < 1_500_000
