"""Packed weights draw the same pictures."""

import pytest
import torch
from torch import nn

from facevae.nets.packed import PackedConv2d, packed
from facevae.nets.residual import ResidualConfig, ResidualVAE
from tests.conftest import TINY

DETAILED = ResidualConfig(
    size=16, patch=4, widths=(8, 16), encoder_blocks=(0, 1), decoder_blocks=(1, 1), groups=4, latent=6, detail_widths=(8, 4)
)


@pytest.mark.parametrize("config", [TINY, DETAILED])
@pytest.mark.parametrize("batch", [1, 3])
def test_packed_weights_draw_the_same_pictures(config: ResidualConfig, batch: int) -> None:
    net = ResidualVAE(config).eval()
    for parameter in net.parameters():  # the last convolutions of blocks begin at zero
        nn.init.normal_(parameter, std=0.2)
    quick, z = packed(net.decoder, torch.zeros(1, 6)), torch.randn(batch, 6)
    if not torch.backends.mkldnn.is_available():
        pytest.skip("no oneDNN here: nothing is packed")
    assert sum(isinstance(m, PackedConv2d) for m in quick.modules()) == sum(isinstance(m, nn.Conv2d) for m in net.decoder.modules()) > 5
    with torch.no_grad():
        torch.testing.assert_close(quick(z), net.decoder(z), atol=1e-5, rtol=1e-5)
        assert torch.equal(quick(z), quick(z))


def test_the_net_itself_still_learns_and_shares_its_weights() -> None:
    net = ResidualVAE(TINY)
    quick = packed(net.decoder, torch.zeros(1, 6))
    net.decode(torch.randn(2, 6)).mean().backward()
    assert not any(isinstance(m, PackedConv2d) for m in net.modules())
    assert all(p.grad is not None for p in net.decoder.parameters())
    assert {id(p) for p in quick.parameters()} <= {id(p) for p in net.decoder.parameters()}


def test_packed_under_inference_mode_serves_other_modes_too() -> None:
    net, z = ResidualVAE(TINY).requires_grad_(False), torch.randn(1, 6)
    with torch.inference_mode():
        quick = packed(net.decoder, torch.zeros(1, 6))
    assert not quick(z).is_inference()


def test_other_numbers_are_left_alone() -> None:
    decoder = ResidualVAE(TINY).double().decoder
    assert packed(decoder, torch.zeros(1, 6, dtype=torch.float64)) is decoder
