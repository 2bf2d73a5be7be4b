"""TrainConfig and its presets: everything that decides the weights of a training run."""

from dataclasses import dataclass, field
from typing import Any, Literal

from facevae.nets.architectures import config_from, net_config
from facevae.nets.convolutional import ConvolutionalConfig
from facevae.nets.postactivation import PostActivationConfig
from facevae.nets.residual import ResidualConfig
from train.vae.adversary import AdversaryConfig
from train.vae.schedules import RateSchedule, check_clocks


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides the weights of a run, but for the data. All clocks count images seen (nimg)."""

    net: ResidualConfig | ConvolutionalConfig | PostActivationConfig = field(default_factory=ResidualConfig)
    seed: int = 0
    total_nimg: int = 704_000
    """Images seen in the whole run."""
    batch_size: int = 64
    lr: float = 1e-3
    lr_final_share: float = 0.02
    """The cosine ends at this share of lr; 1 keeps it constant."""
    lr_ramp_nimg: int = 6_400
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    """Largest norm of the gradient of the loss in nats per pixel and channel."""
    spike: float = 10.0
    """A step whose gradient is so many times longer than the running mean is left out."""
    ema_halflife_nimg: int = 44_000
    likelihood: Literal["map", "shared", "fixed"] = "map"
    """"map": a variance for each pixel position, learned. "shared": one for all, learned (sigma-VAE). "fixed": `variance` everywhere,
    where 0.5 is the plain sum of squared errors."""
    variance: float = 0.05
    """Of the pixels at the start of "map" and "shared", or for good."""
    beta: float = 4.0
    """Final weight of the rate."""
    beta_schedule: RateSchedule = field(default_factory=RateSchedule)
    centre_pull: float = 0.0
    """How many times more than once ‖mean‖² / 2 counts in the rate that is trained on."""
    free_nats: float = 0.0
    """Each latent dimension counts with at least so many nats in the rate that is trained on (free bits)."""
    feature_weight: float = 0.0
    """Of the distance in features (see train/vae/perceptual.py), in nats per pixel and channel."""
    feature_levels: int = 2
    """Levels that are compared, beside the first: of the guide its residual levels beside its stem."""
    looks_through: Literal["guide", "efficient"] = "guide"
    """Whose features a loss or an adversary compares: the guide's, or EfficientNet-lite0's (pip install 'facevae[detail]')."""
    focal_weight: float = 0.0
    """Of the focal frequency loss, in nats per pixel and channel."""
    adversary: AdversaryConfig = field(default_factory=AdversaryConfig)
    look_px: int = 0
    """Losses that look, by features or by an adversary, are shown a random square of this side; 0: whole pictures."""
    frozen: tuple[str, ...] = ()
    """Weights whose names begin so stay as they are. With "encoder." the encodings of the run that this one begins with are kept."""
    flip: bool = True
    shift_px: int = 4
    turn_deg: float = 0.0
    """Pictures are turned by up to so much, either way."""
    tick_nimg: int = 12_800
    """Between two ticks (statistics, sheets, state on disk) lie this many images."""
    precision: Literal["bf16", "no"] = "bf16"
    valid_nimg: int = 512
    """Held-out images measured at each tick."""

    @property
    def wants_features(self) -> bool:
        """Whether a loss compares features."""
        return bool(self.feature_weight) or (bool(self.adversary.weight) and self.adversary.sees == "features")

    @property
    def wants_guide(self) -> bool:
        """Whether a loss looks through a classifier."""
        return self.wants_features and self.looks_through == "guide"

    def __post_init__(self) -> None:
        if not 0 <= self.look_px <= min(self.net.shape[1:]):
            raise ValueError(f"look_px {self.look_px} must lie between 0 and the pictures' side, {min(self.net.shape[1:])}")
        check_clocks(self.tick_nimg, self.total_nimg, self.batch_size)


def train_config(values: dict[str, Any], where: str) -> TrainConfig:
    """The config that a run folder describes; `ValueError` names what is unknown."""
    parts = {"net": net_config(values["net"], f"{where}: net")}
    for name, kind in (("adversary", AdversaryConfig), ("beta_schedule", RateSchedule)):
        if name in values:
            parts[name] = config_from(kind, values[name], f"{where}: {name}")
    return config_from(TrainConfig, values | parts, where)


# What the four reports have in common, and leave unsaid: Adam without decay, a constant rate of learning, whole pictures as they are.
AS_REPORTED: dict[str, Any] = {
    "lr_final_share": 1.0,
    "lr_ramp_nimg": 0,
    "betas": (0.9, 0.999),
    "weight_decay": 0.0,
    "ema_halflife_nimg": 2_000,
    "likelihood": "fixed",
    "variance": 0.5,
    "beta_schedule": RateSchedule("constant"),
    "flip": False,
    "shift_px": 0,
}

PRESETS: dict[str, TrainConfig] = {
    # The embedded checkpoint is made of five runs that each begin with the weights of the one before (docs/training.md): half of the
    # latent dimensions, all of them, two of detail levels that an adversary and the guide's features sharpen while everything else stays,
    # and the whole decoder once more, by what EfficientNet sees.
    "faces-128": TrainConfig(total_nimg=704_000),
    "faces-128-wide": TrainConfig(
        net=ResidualConfig(latent=512), total_nimg=550_400, beta=3.0, beta_schedule=RateSchedule(ramp_nimg=30_000), ema_halflife_nimg=20_000
    ),
    "faces-128-sharp": TrainConfig(
        net=ResidualConfig(latent=512, detail_widths=(32, 16)),
        total_nimg=161_280,
        batch_size=32,
        lr=6e-4,
        lr_ramp_nimg=1_920,
        ema_halflife_nimg=2_000,
        beta=3.0,
        beta_schedule=RateSchedule("constant"),
        feature_weight=0.2,
        adversary=AdversaryConfig(weight=0.5, alone_nimg=1_600, ramp_nimg=6_400, width=32),
        look_px=64,
        frozen=("encoder.", "decoder.stem.", "decoder.levels.", "decoder.norm.", "decoder.to_pixels.", "decoder.smooth."),
        tick_nimg=7_680,
    ),
    "faces-128-clean": TrainConfig(
        net=ResidualConfig(latent=512, detail_widths=(32, 16)),
        total_nimg=51_200,
        batch_size=32,
        lr=4e-4,
        lr_ramp_nimg=1_920,
        ema_halflife_nimg=3_000,
        beta=3.0,
        beta_schedule=RateSchedule("constant"),
        feature_weight=0.5,
        feature_levels=3,
        looks_through="efficient",
        adversary=AdversaryConfig(weight=0.4, alone_nimg=3_200, ramp_nimg=6_400, drawn=0.0, sees="features", levels=3, width=48),
        look_px=64,
        frozen=("encoder.",),
        tick_nimg=5_120,
    ),
    # MSE + 0.5 · w(t) · KL, summed over pixels and latent dimensions; w a sigmoid over the first half of ten epochs.
    "residual-64": TrainConfig(
        **AS_REPORTED
        | {
            "net": PostActivationConfig(),
            "total_nimg": 1_600_000,
            "batch_size": 16,
            "lr": 1e-4,
            "beta": 0.5,
            "beta_schedule": RateSchedule("sigmoid", ramp_nimg=800_000),
            "tick_nimg": 32_000,
        }
    ),
    # α · reconstruction + β · KL with α = 1 on the sum of squared errors: variance 1 / (2 α).
    "disentangling-64": TrainConfig(
        **AS_REPORTED
        | {
            "net": ConvolutionalConfig(
                height=64,
                width=64,
                encoder=((128, 3, 2),) * 5,
                decoder=(*((128, 3, 2),) * 5, (3, 3, 1)),
                latent=200,
                activation="leaky_relu",
            ),
            "total_nimg": 1_600_000,
            "lr": 5e-4,
            "beta": 1.0,
            "tick_nimg": 32_000,
        }
    ),
    # λ = 1e-5 with mean squared errors on [-1, 1]: β = λ · 64 · 48 · 3 / 4, see beta_of_lambda in train/report/runs.py.
    "lambda-64x48": TrainConfig(
        **AS_REPORTED
        | {
            "net": ConvolutionalConfig(
                height=64,
                width=48,
                encoder=((32, 4, 2), (32, 3, 1), (64, 4, 2), (64, 3, 1), (128, 4, 2), (128, 3, 1), (256, 4, 2), (256, 3, 1)),
                # The report prints stride 1 for the second; only stride 2 comes back to 64 × 48.
                decoder=((256, 3, 1), (128, 4, 2), (128, 3, 1), (64, 4, 2), (64, 3, 1), (32, 4, 2), (32, 3, 1), (3, 4, 2)),
                latent=64,
                norm="instance",
                output="tanh",
            ),
            "total_nimg": 480_000,
            "lr": 1e-3,
            "beta": 0.02304,
            "flip": True,
            "tick_nimg": 9_600,
        }
    ),
    "twins-24": TrainConfig(
        **AS_REPORTED
        | {
            "net": ConvolutionalConfig(
                height=24,
                width=24,
                encoder=((32, 5, 2), (64, 3, 2), (128, 3, 2)),
                decoder=((64, 3, 2), (32, 3, 2), (1, 3, 2)),
                latent=32,
                channels=1,
                decoder_norm=False,
                norm_last=True,
            ),
            "total_nimg": 480_000,
            "lr": 1e-3,
            "likelihood": "map",  # PPCA learns its noise, so its twin does too
            "variance": 0.05,
            "beta": 1.0,
            "tick_nimg": 48_000,
            "precision": "no",
        }
    ),
    # A first try in a minute, and the tests: toy faces drawn by code, see train/data/synthetic.py.
    "toy-32": TrainConfig(
        net=ResidualConfig(size=32, patch=2, widths=(16, 32, 48), encoder_blocks=(0, 1, 1), decoder_blocks=(1, 1, 1), latent=32),
        total_nimg=64_000,
        batch_size=32,
        lr=2e-3,
        lr_ramp_nimg=640,
        ema_halflife_nimg=2_000,
        beta=1.0,
        beta_schedule=RateSchedule(ramp_nimg=2_000),
        shift_px=1,
        tick_nimg=6_400,
        valid_nimg=128,
    ),
}
