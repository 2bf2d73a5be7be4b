"""Plain convolutional VAEs (and an autoencoder) of three reports, from one config."""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from facevae.nets.vae import VAE

Layer = tuple[int, int, int]


@dataclass(frozen=True)
class ConvolutionalConfig:
    """What a `ConvolutionalVAE` looks like.

    `encoder` lists convolutions and `decoder` transposed ones, each as (width, kernel, stride), padded so that
    stride 1 keeps the grid and stride 2 halves or doubles it; the last one of the decoder gives the pixels.
    """

    height: int
    width: int
    encoder: tuple[Layer, ...]
    decoder: tuple[Layer, ...]
    latent: int
    channels: int = 3
    norm: Literal["batch", "instance"] = "batch"
    decoder_norm: bool = True
    activation: Literal["relu", "leaky_relu"] = "relu"
    norm_last: bool = False
    """Convolution, activation, norm instead of convolution, norm, activation."""
    output: Literal["sigmoid", "tanh"] = "sigmoid"
    """"tanh": the net itself works in [-1, 1]; its callers see [0, 1] all the same."""
    variational: bool = True
    """False makes it an autoencoder: the encoder gives z itself."""

    def __post_init__(self) -> None:
        for key, known in (("norm", NORMS), ("activation", ACTIVATIONS), ("output", OUTPUTS)):
            if getattr(self, key) not in known:
                raise ValueError(f"{key} {getattr(self, key)!r} is none of {', '.join(known)}")
        if not self.encoder or not self.decoder:
            raise ValueError("the encoder and the decoder need a layer each")
        for _, kernel, stride in (*self.encoder, *self.decoder):
            if stride not in (1, 2) or (stride == 1 and kernel % 2 == 0):
                raise ValueError(f"kernel {kernel}, stride {stride}: strides are 1, with an odd kernel, or 2")
        shrink, grow = stride_of(self.encoder), stride_of(self.decoder)
        if shrink != grow:
            raise ValueError(f"the encoder shrinks the picture by {shrink}, the decoder grows it by {grow}")
        if self.height % shrink or self.width % shrink:
            raise ValueError(f"height {self.height} and width {self.width} must be multiples of {shrink}, the product of the strides")
        if self.decoder[-1][0] != self.channels:
            raise ValueError(f"the decoder ends with {self.decoder[-1][0]} channels, the pictures have {self.channels}")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of its pictures."""
        return (self.channels, self.height, self.width)

    @property
    def grid(self) -> tuple[int, int, int]:
        """Channels, height and width of the smallest feature map, which the linear layers read and write."""
        shrink = stride_of(self.encoder)
        return (self.encoder[-1][0], self.height // shrink, self.width // shrink)


def stride_of(layers: tuple[Layer, ...]) -> int:
    """Product of the strides."""
    product = 1
    for _, _, stride in layers:
        product *= stride
    return product


NORMS = {"batch": nn.BatchNorm2d, "instance": nn.InstanceNorm2d}
ACTIVATIONS = {"relu": nn.ReLU, "leaky_relu": lambda: nn.LeakyReLU(0.3)}  # 0.3 is Keras's slope, from where that report comes
OUTPUTS = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh}


def block(config: ConvolutionalConfig, conv: nn.Module, width: int, norm: bool) -> list[nn.Module]:
    """A convolution with its norm and its activation, in the config's order."""
    after = [NORMS[config.norm](width)] if norm else []
    activation = [ACTIVATIONS[config.activation]()]
    return [conv, *activation, *after] if config.norm_last else [conv, *after, *activation]


class Encoder(nn.Module):
    """x (b, c, h, w) -> parameters of the posterior (b, 2 · latent), or the code (b, latent)."""

    def __init__(self, config: ConvolutionalConfig) -> None:
        super().__init__()
        self.signed = config.output == "tanh"
        layers: list[nn.Module] = []
        before = config.channels
        for width, kernel, stride in config.encoder:
            layers += block(config, nn.Conv2d(before, width, kernel, stride, padding=(kernel - 1) // 2), width, norm=True)
            before = width
        self.layers = nn.Sequential(*layers)
        channels, height, width = config.grid
        self.out = nn.Linear(channels * height * width, config.latent * (2 if config.variational else 1))

    def forward(self, x: Tensor) -> Tensor:
        h = self.layers(2 * x - 1 if self.signed else x)
        return self.out(h.flatten(1))


class Decoder(nn.Module):
    """z (b, latent) -> mean of the pixels (b, c, h, w) in [0, 1]."""

    def __init__(self, config: ConvolutionalConfig) -> None:
        super().__init__()
        self.signed, self.grid = config.output == "tanh", config.grid
        channels, height, width = config.grid
        self.stem = nn.Linear(config.latent, channels * height * width)
        layers: list[nn.Module] = []
        before = channels
        for i, (width, kernel, stride) in enumerate(config.decoder):
            # An odd kernel of stride 2 leaves open which of two sizes it came from; output_padding takes the doubled one.
            extra = stride - 1 if kernel % 2 else 0
            conv = nn.ConvTranspose2d(before, width, kernel, stride, padding=(kernel - 1) // 2, output_padding=extra)
            layers += [conv] if i + 1 == len(config.decoder) else block(config, conv, width, config.decoder_norm)
            before = width
        self.layers = nn.Sequential(*layers, OUTPUTS[config.output]())

    def forward(self, z: Tensor) -> Tensor:
        x = self.layers(self.stem(z).unflatten(1, self.grid))
        return 0.5 + 0.5 * x if self.signed else x


class ConvolutionalVAE(VAE):
    """Plain convolutions, no skip connections. BatchNorm nets must be in eval mode everywhere but in training."""

    def __init__(self, config: ConvolutionalConfig) -> None:
        super().__init__()
        self.config, self.variational = config, config.variational
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
