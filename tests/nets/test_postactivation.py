"""The residual VAE of the first report, as its author drew it."""

import pytest
import torch
from torch import Tensor, nn

from facevae.nets.postactivation import ConvNormAct, PostActivationBlock, PostActivationConfig, PostActivationVAE
from train.vae.config import PRESETS

SMALL = PostActivationConfig(size=16, width=8, levels=2, groups=4, latent=5)


@pytest.fixture
def net() -> PostActivationVAE:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return PostActivationVAE(SMALL).eval()


def pictures(count: int = 3) -> Tensor:
    return torch.rand(count, 3, 16, 16, generator=torch.Generator().manual_seed(1))


def test_preset_layer_by_layer() -> None:
    """Shapes alone: on torch's meta device nothing is computed."""
    with torch.device("meta"):
        net, x, z = PostActivationVAE(PRESETS["residual-64"].net), torch.zeros(1, 3, 64, 64), torch.zeros(1, 256)
    down, up = [], []
    for rows, part, value in ((down, net.encoder, x), (up, net.decoder, z)):
        for layer in part:
            value = layer(value)
            rows.append((type(layer).__name__, *value.shape[1:]))
    assert down == [
        ("ConvNormAct", 64, 64, 64),
        ("PostActivationBlock", 64, 64, 64),
        ("Conv2d", 128, 32, 32),
        ("PostActivationBlock", 128, 32, 32),
        ("Conv2d", 256, 16, 16),
        ("PostActivationBlock", 256, 16, 16),
        ("Conv2d", 512, 8, 8),
        ("Flatten", 512 * 8 * 8),
        ("Linear", 2 * 256),
    ]
    assert [row for row in up if row[0] != "ConvNormAct"] == [
        ("Linear", 512 * 8 * 8),
        ("Unflatten", 512, 8, 8),
        ("Upsample", 512, 16, 16),
        ("PostActivationBlock", 256, 16, 16),
        ("Upsample", 256, 32, 32),
        ("PostActivationBlock", 128, 32, 32),
        ("Upsample", 128, 64, 64),
        ("PostActivationBlock", 64, 64, 64),
        ("Conv2d", 3, 64, 64),
        ("Sigmoid", 3, 64, 64),
    ]


def test_blocks_are_those_of_the_report(net: PostActivationVAE) -> None:
    block = next(layer for layer in net.encoder if isinstance(layer, PostActivationBlock))
    assert [type(layer) for layer in block.body] == [ConvNormAct] * 3
    assert [type(layer) for layer in block.body[0]] == [nn.Conv2d, nn.GroupNorm, nn.SiLU]
    x = torch.randn(2, 8, 4, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(block(x) - x, block.body(x))
    assert {layer.mode for layer in net.decoder if isinstance(layer, nn.Upsample)} == {"bilinear"}


def test_batch_equals_singles(net: PostActivationVAE) -> None:
    x = pictures()
    z = net.encode(x).mean
    torch.testing.assert_close(z, torch.cat([net.encode(i[None]).mean for i in x]), atol=1e-5, rtol=0)
    torch.testing.assert_close(net.decode(z), torch.cat([net.decode(i[None]) for i in z]), atol=1e-5, rtol=0)


def test_no_gradient_from_one_image_to_another(net: PostActivationVAE) -> None:
    x = pictures().requires_grad_(True)
    net(x, torch.Generator().manual_seed(0))[0][0].sum().backward()
    assert x.grad[0].abs().max() > 0
    assert x.grad[1:].abs().max() == 0


def test_impossible_nets_are_refused_by_name(net: PostActivationVAE) -> None:
    with pytest.raises(ValueError, match="size 50 cannot be halved 3 times"):
        PostActivationConfig(size=50)
    with pytest.raises(ValueError, match="width 12 is not a multiple of groups = 8"):
        PostActivationConfig(width=12)
    with pytest.raises(ValueError, match=r"\(3, 8, 8\), the net expects \(3, 16, 16\)"):
        net.encode(torch.zeros(1, 3, 8, 8))
