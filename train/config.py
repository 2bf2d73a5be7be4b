"""What a training run is, as data."""

from dataclasses import dataclass, field
from typing import Literal

from facevae.nets.residual import ResidualConfig


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides the weights of a run, but for the data. All clocks count images seen (nimg)."""

    net: ResidualConfig = field(default_factory=ResidualConfig)
    seed: int = 0
    total_nimg: int = 704_000
    """Images seen in the whole run."""
    batch_size: int = 64
    lr: float = 1e-3
    lr_final_share: float = 0.02
    """The cosine ends at this share of lr."""
    lr_ramp_nimg: int = 6_400
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    """Largest norm of the gradient of the loss in nats per pixel and channel."""
    ema_halflife_nimg: int = 44_000
    beta: float = 4.0
    """Weight of the rate."""
    beta_ramp_nimg: int = 20_000
    flip: bool = True
    shift_px: int = 4
    tick_nimg: int = 12_800
    """Between two ticks (statistics, sheets, state on disk) lie this many images."""
    precision: Literal["bf16", "no"] = "bf16"
    valid_nimg: int = 512
    """Held-out images measured at each tick."""

    def __post_init__(self) -> None:
        if self.tick_nimg % self.batch_size or self.total_nimg % self.batch_size:
            raise ValueError(
                f"tick_nimg {self.tick_nimg} and total_nimg {self.total_nimg} must be multiples of batch_size {self.batch_size}"
            )


PRESETS: dict[str, TrainConfig] = {
    "faces-128": TrainConfig(total_nimg=704_000),
    # A first try in a minute, and the tests: toy faces drawn by code, see train/synthetic.py.
    "toy-32": TrainConfig(
        net=ResidualConfig(size=32, patch=2, widths=(16, 32, 48), encoder_blocks=(0, 1, 1), decoder_blocks=(1, 1, 1), latent=32),
        total_nimg=64_000,
        batch_size=32,
        lr=2e-3,
        lr_ramp_nimg=640,
        ema_halflife_nimg=2_000,
        beta=1.0,
        beta_ramp_nimg=2_000,
        shift_px=1,
        tick_nimg=6_400,
        valid_nimg=128,
    ),
}
