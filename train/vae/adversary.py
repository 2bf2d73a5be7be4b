"""GAN loss: a patch discriminator of reconstructions and photos, and the decoder's penalty."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from facevae.nets.gaussian import DiagonalGaussian, Point
from facevae.nets.vae import VAE
from train.vae.distributed import ALONE, Ranks
from train.vae.perceptual import Seer


@dataclass(frozen=True)
class AdversaryConfig:
    """How hard the adversary pulls, and since when. `weight` 0 means that there is none."""

    weight: float = 0.0
    """Its gradient at the picture, as a share of that of all other losses there: 0.5 at most makes sense."""
    start_nimg: int = 0
    """Images seen before it begins to learn."""
    alone_nimg: int = 6_400
    """Images it learns from before the decoder hears of it."""
    ramp_nimg: int = 12_800
    """Its weight grows to the full one over so many images: a sudden, strong adversary ruins a good decoder."""
    drawn: float = 0.25
    """Faces drawn from a Gaussian fitted to the encodings join the reconstructions, so many for each photo. Nothing ties them to a
    photo: detail levels that learn on them for long write on skin and hair, and 0 draws the cleaner faces."""
    sees: Literal["pixels", "features"] = "pixels"
    """Patches of pixels, or features (see `TrainConfig.looks_through`): then only small heads have to be learned."""
    levels: int = 2
    """features: levels beside the first."""
    width: int = 64
    lr: float = 4e-4
    betas: tuple[float, float] = (0.5, 0.99)

    def count_drawn(self, batch_size: int) -> int:
        """How many faces are drawn for so many photos."""
        return round(self.drawn * batch_size)

    def weight_at(self, nimg: int) -> float:
        """The weight after `nimg` images."""
        since = nimg - self.start_nimg - self.alone_nimg
        return self.weight * min(1.0, max(0.0, since / self.ramp_nimg if self.ramp_nimg else float(since >= 0)))


class PatchDiscriminator(nn.Module):
    """Pictures in [0, 1] -> a map of logits, one for each patch of 46 px: high where it looks like a photo.

    Three convolutions and a head, with spectral norm (Miyato et al., 2018) and no other normalisation, so that no picture knows
    its neighbours in the batch. Isola et al., Image-to-Image Translation with Conditional Adversarial Networks (2017), section 3.2.2.
    """

    def __init__(self, channels: int = 3, width: int = 64) -> None:
        super().__init__()
        sizes = (channels, width, 2 * width, 4 * width)
        layers: list[nn.Module] = []
        for a, b in pairwise(sizes):
            layers += [spectral_norm(nn.Conv2d(a, b, 4, stride=2, padding=1)), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, spectral_norm(nn.Conv2d(sizes[-1], 1, 4, padding=1)))

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 1 i j"]:
        """Logits of patches."""
        return self.layers(2 * x - 1).float()


class FeatureDiscriminator(nn.Module):
    """Pictures in [0, 1] -> logits of places, at each level of a frozen net.

    What that net has learned tells sharp from blurred at once, so that a few hundred steps of small heads are enough
    (Sauer et al., Projected GANs Converge Faster, 2021, section 3, without the random projections).
    """

    def __init__(self, guide: Seer, levels: int = 2, width: int = 64, share: float = 1.0) -> None:
        super().__init__()
        # Not a submodule, as in `FeatureLoss`: its weights belong to no optimizer and no state.
        self._guide = (guide.eval().requires_grad_(False),)
        self.levels, self.share = levels, share
        channels = guide.feature_channels[: levels + 1]
        self.heads = nn.ModuleList(
            nn.Sequential(
                spectral_norm(nn.Conv2d(c, width, 3, stride=2 if level < 2 else 1, padding=1)),
                nn.LeakyReLU(0.2),
                spectral_norm(nn.Conv2d(width, width, 3, padding=1)),
                nn.LeakyReLU(0.2),
                spectral_norm(nn.Conv2d(width, 1, 3, padding=1)),
            )
            for level, c in enumerate(channels)
        )

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b n"]:
        """Logits of places, level after level."""
        seen = self._guide[0].features(x, self.levels, self.share)
        return torch.cat([head(h).flatten(1) for head, h in zip(self.heads, seen, strict=True)], dim=1).float()


class Adversary(nn.Module):
    """The discriminator and the Gaussian that it is shown drawn faces from: running mean and covariance of the encodings."""

    def __init__(self, config: AdversaryConfig, channels: int, latent: int, guide: Seer | None = None, share: float = 1.0) -> None:
        """`guide` is what an adversary that sees features looks through; `share` the side of what it is shown, over a picture's."""
        super().__init__()
        self.config = config
        if config.sees == "features":
            if guide is None:
                raise ValueError("an adversary that sees features needs a classifier: name its run, or let it see pixels")
            self.discriminator: nn.Module = FeatureDiscriminator(guide, config.levels, config.width, share)
        else:
            self.discriminator = PatchDiscriminator(channels, config.width)
        self.register_buffer("centre", torch.zeros(latent))
        self.register_buffer("covariance", torch.eye(latent))
        self.centre: Tensor
        self.covariance: Tensor

    @torch.no_grad()
    def watch(self, z: Float[Tensor, "b d"], rate: float = 0.02, ranks: Ranks = ALONE) -> None:
        """Move the Gaussian a step towards the encodings of this batch, if they are finite: it would not forget a NaN."""
        z = z.float()
        away = z - self.centre
        centre, covariance = ranks.mean(z.mean(0)), ranks.mean(away.T @ away / len(z))
        finite = torch.isfinite(covariance).all()
        self.centre.lerp_(torch.where(finite, centre, self.centre), rate)
        self.covariance.lerp_(torch.where(finite, covariance, self.covariance), rate)

    def draw(self, count: int, generator: torch.Generator) -> Float[Tensor, "n d"]:
        """Latents from the Gaussian."""
        d = len(self.centre)
        cholesky = torch.linalg.cholesky(self.covariance + 1e-3 * torch.eye(d, device=self.covariance.device))
        return self.centre + torch.randn((count, d), generator=generator).to(cholesky.device) @ cholesky.T

    def loss(
        self, photos: Float[Tensor, "b c h w"], fakes: Float[Tensor, "n c h w"], generator: torch.Generator, ranks: Ranks = ALONE
    ) -> Float[Tensor, ""]:
        """The hinge loss that the discriminator learns by; nothing flows into the fakes. The first b of them rebuild the photos."""
        parts = (len(photos), len(photos), len(fakes) - len(photos))
        both = augment(torch.cat([photos, fakes.detach()]), generator, parts, ranks)
        real, fake = self.discriminator(both).split([len(photos), len(fakes)])
        return F.relu(1 - real).mean() + F.relu(1 + fake).mean()

    def displeasure(
        self, fakes: Float[Tensor, "n c h w"], generator: torch.Generator, parts: Sequence[int] = (), ranks: Ranks = ALONE
    ) -> Float[Tensor, ""]:
        """What the decoder lowers: it wants its pictures taken for photos. `parts` and `ranks` as in `augment`."""
        return -self.discriminator(augment(fakes, generator, parts, ranks)).mean()


def augment(
    x: Float[Tensor, "b c h w"], generator: torch.Generator, parts: Sequence[int] = (), ranks: Ranks = ALONE
) -> Float[Tensor, "b c h w"]:
    """Brightness, saturation and contrast, a shift of up to an eighth, and a hidden square of half the side; differentiable.

    Photos and fakes alike pass it, so that the discriminator cannot learn the few photos by heart
    (Zhao et al., Differentiable Augmentation for Data-Efficient GAN Training, 2020). Of each of the `parts` that x is made of, one
    where none are named, the other `ranks` hold as many rows, and the random numbers are those of one process that held them all.
    """
    b, _, h, w = x.shape

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        random = ranks.draw(lambda n: torch.rand((n, *shape), generator=generator), parts or (b,))
        return (low + (high - low) * random).to(x.device)

    x = x + uniform(-0.25, 0.25, 1, 1, 1)
    grey = x.mean(dim=1, keepdim=True)
    x = grey + (x - grey) * uniform(0.5, 1.5, 1, 1, 1)
    middle = x.mean(dim=(1, 2, 3), keepdim=True)
    x = middle + (x - middle) * uniform(0.75, 1.25, 1, 1, 1)
    # The shift by whole pixels: each picture is cut out of its padded self by index.
    rows = torch.arange(h, device=x.device) + uniform(-h / 8, h / 8, 1).round().long()  # (b, h)
    columns = torch.arange(w, device=x.device) + uniform(-w / 8, w / 8, 1).round().long()
    inside = ((rows >= 0) & (rows < h))[:, None, :, None] & ((columns >= 0) & (columns < w))[:, None, None, :]
    each = torch.arange(b, device=x.device)[:, None, None]
    x = x.permute(0, 2, 3, 1)[each, rows.clamp(0, h - 1)[:, :, None], columns.clamp(0, w - 1)[:, None, :]].permute(0, 3, 1, 2)
    top, left = uniform(-0.25, 0.75, 1) * h, uniform(-0.25, 0.75, 1) * w
    down, across = torch.arange(h, device=x.device) - top, torch.arange(w, device=x.device) - left
    hidden = ((down >= 0) & (down < h / 2))[:, None, :, None] & ((across >= 0) & (across < w / 2))[:, None, None, :]
    return x * (inside & ~hidden)


def adversarial_step(
    adversary: Adversary,
    rival: torch.optim.Optimizer,
    net: VAE,
    x: Float[Tensor, "b c h w"],
    mean: Float[Tensor, "b c h w"],
    posterior: DiagonalGaussian | Point,
    picture: Float[Tensor, ""],
    pull: float,
    random: torch.Generator,
    half: bool = False,
    show: Callable[[Tensor], Tensor] = lambda x: x,
    ranks: Ranks = ALONE,
) -> Float[Tensor, ""]:
    """One step of the adversary, and what the VAE shall lower instead of `picture`. `show` is what it is shown of pictures.

    The adversary's gradient at the reconstructions is scaled to `pull` times the length of that of all other losses there (Esser
    et al., Taming Transformers, 2021, eq. 7, at the picture instead of the last layer: no second way through the decoder is
    needed). Drawn faces get the same scale.
    """
    adversary.watch(posterior.mode.detach(), ranks=ranks)
    drawn = adversary.config.count_drawn(len(x) * ranks.count) // ranks.count
    latents = ranks.draw(lambda n: adversary.draw(n, random), [drawn])
    autocast = torch.autocast(x.device.type, torch.bfloat16, enabled=half)
    with autocast, torch.set_grad_enabled(pull > 0):
        fakes = torch.cat([mean, net.decode(latents)]) if len(latents) else mean
    with autocast:
        loss = adversary.loss(show(x), show(fakes), random, ranks)
    rival.zero_grad()
    loss.backward()
    gradients = [p.grad for p in adversary.discriminator.parameters() if p.grad is not None]
    ranks.average(gradients)
    # As in the VAE's own steps: on some CPUs a bf16 gradient is a NaN now and then, and would stay in the weights for good.
    if torch.isfinite(torch.nn.utils.get_total_norm(gradients)):
        rival.step()
    if not pull:
        return picture
    others = torch.autograd.grad(picture, mean)[0]
    adversary.discriminator.requires_grad_(False)
    with autocast:
        displeasure = adversary.displeasure(show(fakes), random, (len(mean), drawn), ranks)
    own = torch.autograd.grad(displeasure, fakes)[0]
    adversary.discriminator.requires_grad_(True)
    scale = pull * ranks.norm(others) / ranks.norm(own[: len(mean)]).clamp(min=1e-12)
    # A sum whose gradient is the wanted one; its value says nothing.
    return (fakes * (scale * own).detach()).sum() + (mean * others.detach()).sum()
