"""The plain convolutional VAEs: the layers that their reports print, and no image knows of another."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from facevae.nets.convolutional import ConvolutionalConfig, ConvolutionalVAE
from facevae.nets.gaussian import Point
from train.vae.config import PRESETS

SMALL = ConvolutionalConfig(8, 12, encoder=((8, 5, 2), (8, 4, 2)), decoder=((8, 3, 2), (3, 4, 2)), latent=3)
VARIANTS = {
    "batch": SMALL,
    "instance-tanh": replace(SMALL, norm="instance", output="tanh"),
    "norm-last": replace(SMALL, norm_last=True, decoder_norm=False, activation="leaky_relu"),
    "autoencoder": replace(SMALL, variational=False),
}


def make(config: ConvolutionalConfig) -> ConvolutionalVAE:
    """A net in eval mode; its running statistics are those of a few batches, not the 0 and 1 of a new net."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = ConvolutionalVAE(config)
        for _ in range(3):
            net(torch.rand(4, *config.shape), torch.Generator().manual_seed(0))
    return net.eval()


def pictures(config: ConvolutionalConfig, count: int = 3) -> Tensor:
    return torch.rand(count, *config.shape, generator=torch.Generator().manual_seed(1))


def convolutions(part: nn.Module, x: Tensor) -> list[tuple[int, int, int, int, int, int]]:
    """Channels in and out, kernel, stride, and height and width that come out, of each convolution in turn."""
    rows = []
    for layer in part.layers:
        x = layer(x)
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            rows.append((layer.in_channels, layer.out_channels, layer.kernel_size[0], layer.stride[0], *x.shape[2:]))
    return rows


def kinds(part: nn.Module) -> list[str]:
    return [type(layer).__name__ for layer in part.layers]


def test_lambda_net_layer_by_layer() -> None:
    net = make(PRESETS["lambda-64x48"].net)
    assert convolutions(net.encoder, torch.zeros(1, 3, 64, 48)) == [
        (3, 32, 4, 2, 32, 24),
        (32, 32, 3, 1, 32, 24),
        (32, 64, 4, 2, 16, 12),
        (64, 64, 3, 1, 16, 12),
        (64, 128, 4, 2, 8, 6),
        (128, 128, 3, 1, 8, 6),
        (128, 256, 4, 2, 4, 3),
        (256, 256, 3, 1, 4, 3),
    ]
    assert convolutions(net.decoder, torch.zeros(1, 256, 4, 3)) == [
        (256, 256, 3, 1, 4, 3),
        (256, 128, 4, 2, 8, 6),
        (128, 128, 3, 1, 8, 6),
        (128, 64, 4, 2, 16, 12),
        (64, 64, 3, 1, 16, 12),
        (64, 32, 4, 2, 32, 24),
        (32, 32, 3, 1, 32, 24),
        (32, 3, 4, 2, 64, 48),
    ]
    assert kinds(net.encoder) == ["Conv2d", "InstanceNorm2d", "ReLU"] * 8
    assert kinds(net.decoder)[-2:] == ["ConvTranspose2d", "Tanh"]
    assert {layer.padding for layer in net.modules() if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)} == {(1, 1)}


def test_twins_net_layer_by_layer() -> None:
    net = make(PRESETS["twins-24"].net)
    assert convolutions(net.encoder, torch.zeros(1, 1, 24, 24)) == [(1, 32, 5, 2, 12, 12), (32, 64, 3, 2, 6, 6), (64, 128, 3, 2, 3, 3)]
    assert convolutions(net.decoder, torch.zeros(1, 128, 3, 3)) == [(128, 64, 3, 2, 6, 6), (64, 32, 3, 2, 12, 12), (32, 1, 3, 2, 24, 24)]
    assert kinds(net.encoder) == ["Conv2d", "ReLU", "BatchNorm2d"] * 3
    assert kinds(net.decoder) == ["ConvTranspose2d", "ReLU"] * 2 + ["ConvTranspose2d", "Sigmoid"]
    assert [layer.padding[0] for layer in net.encoder.layers if isinstance(layer, nn.Conv2d)] == [2, 1, 1]
    assert [(layer.padding[0], layer.output_padding[0]) for layer in net.decoder.layers[::2]] == [(1, 1)] * 3
    assert (net.encoder.out.in_features, net.encoder.out.out_features, net.decoder.stem.out_features) == (1152, 64, 1152)


def test_disentangling_net_layer_by_layer() -> None:
    net = make(PRESETS["disentangling-64"].net)
    sides = [32, 16, 8, 4, 2]
    assert convolutions(net.encoder, torch.zeros(1, 3, 64, 64)) == [(3 if s == 32 else 128, 128, 3, 2, s, s) for s in sides]
    ups = [(128, 128, 3, 2, s, s) for s in (4, 8, 16, 32, 64)]
    assert convolutions(net.decoder, torch.zeros(1, 128, 2, 2)) == [*ups, (128, 3, 3, 1, 64, 64)]
    assert kinds(net.encoder) == ["Conv2d", "BatchNorm2d", "LeakyReLU"] * 5
    assert (net.encoder.out.in_features, net.encoder.out.out_features) == (512, 400)


@pytest.mark.parametrize("config", VARIANTS.values(), ids=VARIANTS)
def test_batch_equals_singles(config: ConvolutionalConfig) -> None:
    net, x = make(config), pictures(config)
    z = net.encode(x).mean
    torch.testing.assert_close(z, torch.cat([net.encode(i[None]).mean for i in x]), atol=1e-5, rtol=0)
    torch.testing.assert_close(net.decode(z), torch.cat([net.decode(i[None]) for i in z]), atol=1e-5, rtol=0)


@pytest.mark.parametrize("config", VARIANTS.values(), ids=VARIANTS)
def test_no_gradient_from_one_image_to_another(config: ConvolutionalConfig) -> None:
    net, x = make(config), pictures(config).requires_grad_(True)
    net(x, torch.Generator().manual_seed(0))[0][0].sum().backward()
    assert x.grad[0].abs().max() > 0
    assert x.grad[1:].abs().max() == 0


def test_tanh_net_works_between_minus_one_and_one_and_shows_zero_to_one() -> None:
    """The first convolution sees 2 x − 1; the caller sees (tanh + 1) / 2, which reaches both ends."""
    net = make(VARIANTS["instance-tanh"])
    seen, made = [], []
    net.encoder.layers[0].register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    net.decoder.layers[-1].register_forward_hook(lambda *args: made.append(args[2]))
    x = pictures(net.config)
    back = net.decode(net.encode(x).mean)
    assert torch.equal(seen[0], 2 * x - 1)
    torch.testing.assert_close(back, (made[0] + 1) / 2)
    net.decoder.layers[-2].weight.data *= 1e6
    far = net.decode(torch.randn(4, 3, generator=torch.Generator().manual_seed(0)))
    assert far.min() == 0 and far.max() == 1


def test_autoencoder_gives_a_point_without_rate() -> None:
    net = make(VARIANTS["autoencoder"])
    x = pictures(net.config)
    found = net.encode(x)
    assert isinstance(found, Point) and found.mean.shape == (3, 3)
    assert torch.equal(found.sample(torch.Generator().manual_seed(0)), found.mean) and torch.equal(found.mode, found.mean)
    assert torch.equal(found.kl(), torch.zeros(3))
    assert torch.equal(net(x)[0], net.decode(found.mean))


def test_autoencoder_has_the_layers_of_its_twin() -> None:
    vae, autoencoder = make(SMALL).state_dict(), make(VARIANTS["autoencoder"]).state_dict()
    assert [k for k in vae if vae[k].shape != autoencoder[k].shape] == ["encoder.out.weight", "encoder.out.bias"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"height": 10}, "height 10 and width 12 must be multiples of 4"),
        ({"width": 9}, "height 8 and width 9 must be multiples of 4"),
        ({"decoder": ((3, 3, 2),)}, "shrinks the picture by 4, the decoder grows it by 2"),
        ({"channels": 1}, "decoder ends with 3 channels, the pictures have 1"),
        ({"encoder": (), "decoder": ((3, 3, 1),)}, "need a layer each"),
        ({"encoder": ((8, 4, 1), (8, 3, 4))}, "kernel 4, stride 1"),
        ({"encoder": ((8, 4, 4),), "decoder": ((3, 4, 4),)}, "kernel 4, stride 4"),
    ],
)
def test_impossible_nets_are_refused_by_name(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(SMALL, **change)


@pytest.mark.parametrize(("key", "known"), [("norm", "batch, instance"), ("activation", "relu, leaky_relu"), ("output", "sigmoid, tanh")])
def test_unknown_words_are_refused_by_name(key: str, known: str) -> None:
    """Outside tests no type checker stands in front of the config."""
    config = replace(SMALL)
    object.__setattr__(config, key, "other")
    with pytest.raises(ValueError, match=f"{key} 'other' is none of {known}"):
        config.__post_init__()


def test_wrong_pictures_and_latents_are_named() -> None:
    net = make(SMALL)
    with pytest.raises(ValueError, match=r"\(3, 12, 8\), the net expects \(3, 8, 12\)"):
        net.encode(torch.zeros(1, 3, 12, 8))
    with pytest.raises(ValueError, match="latent has 4 values, the net expects 3"):
        net.decode(torch.zeros(1, 4))
