"""The quick form of a net encodes and draws the same, batched or not, and packed convolutions send the same gradients."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from facevae.nets.classifier import AttributeClassifier, ClassifierConfig
from facevae.nets.fast_vae import FastVAE, fast_copy
from facevae.nets.mkldnn import PackedConv2d, pack_convolutions, packable
from facevae.nets.residual import ResidualConfig, ResidualVAE
from tests.conftest import TINY

DETAILED = ResidualConfig(
    size=64, patch=4, widths=(8, 16), encoder_blocks=(0, 1), decoder_blocks=(1, 1), groups=4, latent=6, detail_widths=(8, 4), pixel_blocks=1
)
SHAPES = {
    "tiny": TINY,
    "detailed": DETAILED,
    "without blocks": replace(DETAILED, encoder_blocks=(1, 0), decoder_blocks=(0, 2)),
    "grey, odd strips": ResidualConfig(
        size=18, channels=1, patch=3, widths=(8, 16), encoder_blocks=(0, 1), decoder_blocks=(2, 1), groups=4, latent=6
    ),
}


@pytest.fixture(autouse=True)
def _() -> None:
    if not packable(nn.Linear(1, 1)):
        pytest.skip("nothing is packed on this processor")


def grown(net: nn.Module) -> nn.Module:
    """With weights everywhere: the last convolutions of blocks begin at zero."""
    torch.manual_seed(0)
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=0.15)
    return net.eval().requires_grad_(False)


@pytest.mark.parametrize("config", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("batch", [1, 3])
def test_the_quick_form_encodes_and_draws_the_same(config: ResidualConfig, batch: int) -> None:
    net = grown(ResidualVAE(config))
    other, z, x = fast_copy(net), torch.randn(batch, config.latent), torch.rand(batch, *config.shape)
    given = z.clone(), x.clone()
    assert isinstance(other, FastVAE)
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            torch.testing.assert_close(other.decode(z), net.decode(z), atol=2e-5, rtol=2e-5)
            torch.testing.assert_close(other.encode(x).mode, net.encode(x).mode, atol=2e-5, rtol=2e-5)
            torch.testing.assert_close(other.encode(x).logvar, net.encode(x).logvar, atol=2e-5, rtol=2e-5)
            assert torch.equal(other.decode(z), other.decode(z))
    assert torch.equal(z, given[0]) and torch.equal(x, given[1])
    with pytest.raises(ValueError, match="latent has 7 values, the net expects 6"):
        other.decode(torch.zeros(1, 7))
    with pytest.raises(ValueError, match="the net expects"):
        other.encode(torch.zeros(1, 3, 8, 8))


def test_the_embedded_net_draws_the_same_grey_levels() -> None:
    from facevae.checkpoint.checkpoint import Checkpoint
    from facevae.photo.images import to_uint8

    net = Checkpoint.from_pretrained().net
    z = torch.randn(4, net.config.latent, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        ours, plain = to_uint8(fast_copy(net).decode(z)).astype(int), to_uint8(net.decode(z)).astype(int)
    assert abs(ours - plain).max() <= 1 and (ours != plain).mean() < 1e-3 and plain.std() > 20


def test_the_quick_form_serves_every_mode_and_gives_no_gradient() -> None:
    with torch.inference_mode():
        other = fast_copy(grown(ResidualVAE(TINY)))
    drawn = other.decode(torch.randn(1, 6, requires_grad=True))
    assert not drawn.is_inference() and not drawn.requires_grad


def test_other_numbers_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    net = ResidualVAE(TINY).double()
    assert fast_copy(net) is net and pack_convolutions(net.decoder, lambda d: d(torch.zeros(1, 6, dtype=torch.float64))) is net.decoder
    net = ResidualVAE(TINY)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "DEFAULT")
    assert fast_copy(net) is net


def classifier() -> nn.Module:
    torch.manual_seed(0)
    net = AttributeClassifier(ClassifierConfig(attributes=("Male", "Young"), size=17, layers=(1, 1, 1, 1))).eval().requires_grad_(False)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean), nn.init.uniform_(module.running_var, 0.5, 2), nn.init.uniform_(module.weight, 0.5, 2)
    return net


SEARCHES: dict[str, tuple[nn.Module, Callable[[nn.Module, Tensor], Tensor], tuple[int, ...]]] = {
    "decoder": (grown(ResidualVAE(DETAILED)).decoder, lambda net, z: net(z), (6,)),
    "classifier": (classifier(), lambda net, x: net.embed(x), (3, 17, 17)),  # odd sides: strides that do not divide
}


@pytest.mark.parametrize("name", SEARCHES)
@pytest.mark.parametrize("batch", [1, 2, 5])
def test_packed_convolutions_send_the_same_gradients(name: str, batch: int) -> None:
    net, call, shape = SEARCHES[name]
    state = {k: v.clone() for k, v in net.state_dict().items()}
    other, found = pack_convolutions(net, lambda n: call(n, torch.zeros(2, *shape))), []
    assert sum(isinstance(m, PackedConv2d) for m in other.modules()) == sum(isinstance(m, nn.Conv2d) for m in net.modules()) > 5
    x = torch.randn(batch, *shape)
    for version in (net, other):
        asked = x.clone().requires_grad_(True)
        seen = call(version, asked)
        (gradient,) = torch.autograd.grad(seen.square().sum() + seen.sum(), [asked])
        found.append((seen.detach(), gradient))
    assert found[0][1].abs().mean() > 1e-3
    for ours, plain in zip(found[1], found[0], strict=True):
        torch.testing.assert_close(ours, plain, atol=float(plain.abs().max()) * 1e-5, rtol=1e-4)
    assert all(torch.equal(v, state[k]) for k, v in net.state_dict().items())


def test_the_packed_copy_shares_all_but_the_convolutions_and_the_net_stays_whole() -> None:
    net = ResidualVAE(TINY)
    other = pack_convolutions(net.decoder, lambda d: d(torch.zeros(1, 6)))
    net.decode(torch.randn(2, 6)).mean().backward()
    assert not any(isinstance(m, PackedConv2d) for m in net.modules())
    assert all(p.grad is not None for p in net.decoder.parameters())
    assert {id(p) for p in other.parameters()} < {id(p) for p in net.decoder.parameters()}
    assert not any(isinstance(m, PackedConv2d) for m in pack_convolutions(net.decoder, lambda d: d.stem(torch.zeros(1, 6))).modules())
