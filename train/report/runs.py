"""Budgets and runs of the reports: which nets are trained for how many images.

Data and nothing else. An epoch is a tenth of a run, so that budgets can be compared.
"""

from dataclasses import dataclass, replace
from typing import Any, Literal

from facevae.nets.convolutional import ConvolutionalConfig
from facevae.nets.postactivation import PostActivationConfig
from train.vae.config import PRESETS, TrainConfig
from train.vae.schedules import RateSchedule

BudgetName = Literal["full", "long", "short", "smoke"]
EPOCHS = 10


@dataclass(frozen=True)
class Budget:
    """How much of everything: images in an epoch of each report, faces that are measured, and how much smaller the nets are."""

    residual_nimg: int
    disentangling_nimg: int
    lambda_nimg: int
    twins_nimg: int
    faces: int
    """Held-out faces that are measured."""
    encoded: int
    """Train faces whose encodings make directions, correlations and PCA."""
    judge_nimg: int
    """Images that a judge sees where none is given."""
    small: dict[str, dict[str, Any]]
    """Changes of the nets, by report."""
    collapse_share: float = 0.2
    """Length of the runs about posterior collapse, as a share of the main run of "residual"."""


# Tiny nets for the tests: every line of a report runs, no figure means anything.
SMALL_LAYERS = ((8, 3, 2), (8, 3, 2))
SMOKE_NETS: dict[str, dict[str, Any]] = {
    "residual": {"size": 16, "width": 8, "levels": 2, "latent": 8},
    "disentangling": {"height": 16, "width": 16, "encoder": SMALL_LAYERS, "decoder": ((8, 3, 2), (3, 3, 2)), "latent": 8},
    "lambda": {"height": 16, "width": 12, "encoder": ((8, 4, 2), (8, 4, 2)), "decoder": ((8, 4, 2), (3, 4, 2)), "latent": 8},
    "twins": {"height": 8, "width": 8, "encoder": SMALL_LAYERS, "decoder": ((8, 3, 2), (1, 3, 2)), "latent": 4},
}
BUDGETS: dict[BudgetName, Budget] = {
    # As the reports trained: ten epochs of CelebA's 162,770 train images.
    "full": Budget(160_000, 160_000, 48_000, 192_000, faces=2_000, encoded=20_000, judge_nimg=240_000, small={}),
    # Ten times "short" ("twins" five times), at the full width: 5 + 3 + 3 + 1 hours on two cores with bf16.
    "long": Budget(32_000, 24_000, 32_000, 192_000, faces=1_000, encoded=8_000, judge_nimg=64_000, small={}, collapse_share=0.1),
    # Half the base channels of the residual net: its cost is the square of them.
    "short": Budget(3_200, 2_400, 3_200, 48_000, faces=500, encoded=4_000, judge_nimg=64_000, small={"residual": {"width": 32}}),
    "smoke": Budget(32, 32, 32, 64, faces=16, encoded=120, judge_nimg=256, small=SMOKE_NETS, collapse_share=0.5),
}

LAMBDAS = (1e-3, 1e-4, 1e-5, 1e-6)
BEST_LAMBDA = 1e-5
LATENTS = (32, 128)


def runs_of(report: str, budget: BudgetName) -> dict[str, TrainConfig]:
    """The runs of a report by name."""
    return RUNS[report](BUDGETS[budget])


def epochs(config: TrainConfig, epoch_nimg: int) -> TrainConfig:
    """Ten epochs of this many images, a tick after each; schedules and averages shrink with the run."""
    share = EPOCHS * epoch_nimg / config.total_nimg
    schedule = replace(config.beta_schedule, ramp_nimg=max(1, round(config.beta_schedule.ramp_nimg * share)))
    return replace(
        config,
        total_nimg=EPOCHS * epoch_nimg,
        tick_nimg=epoch_nimg,
        beta_schedule=schedule,
        ema_halflife_nimg=min(config.ema_halflife_nimg, EPOCHS * epoch_nimg // 20),
        valid_nimg=min(config.valid_nimg, 2 * epoch_nimg),
    )


def residual_runs(budget: Budget) -> dict[str, TrainConfig]:
    """The report's run; then KL at full weight from the start with a larger batch; and both again under two other readings of the loss.

    MSE + β · KL is read with sums, as everywhere here. With torch's default means over the D values of a picture and the d latent
    dimensions, SSE / D + β · KL / d is SSE + (β · D / d) · KL. With a mean over the values but a sum over the dimensions, which
    mixes torch's loss with the usual formula of the KL, SSE / D + β · KL is SSE + (β · D) · KL.
    """
    preset = PRESETS["residual-64"]
    net: PostActivationConfig = replace(preset.net, **budget.small.get("residual", {}))
    main = epochs(replace(preset, net=net), budget.residual_nimg)
    channels, height, width = net.shape
    mixed = channels * height * width
    means = mixed / net.latent
    brief_nimg = round(budget.residual_nimg * budget.collapse_share / 32) * 32
    brief = epochs(replace(preset, net=net), max(32, brief_nimg))
    full_weight = {"batch_size": 32, "beta_schedule": RateSchedule("constant")}
    return {
        "main": main,
        "full-weight": replace(brief, beta=1.0, **full_weight),
        "means-full-weight": replace(brief, beta=1.0 * means, **full_weight),
        "means-annealed": replace(brief, beta=0.5 * means),
        "mixed-full-weight": replace(brief, beta=1.0 * mixed, **full_weight),
        "mixed-annealed": replace(brief, beta=0.5 * mixed),
    }


def disentangling_runs(budget: Budget) -> dict[str, TrainConfig]:
    """Low β, high β, and the β that the report's callback was meant to set: 0.1 and 40 more every two epochs."""
    preset = replace(PRESETS["disentangling-64"], batch_size=32)
    net: ConvolutionalConfig = replace(preset.net, **budget.small.get("disentangling", {}))
    config = epochs(replace(preset, net=net), budget.disentangling_nimg)
    steps = RateSchedule("step", ramp_nimg=2 * budget.disentangling_nimg, start=0.1, increment=40.0)
    return {
        "low-beta": replace(config, beta=1.0),
        "high-beta": replace(config, beta=40.0),
        "scheduled": replace(config, beta=200.0, beta_schedule=steps),
    }


def beta_of_lambda(weight: float, shape: tuple[int, int, int]) -> float:
    """Our β for the report's λ, whose loss is the mean squared error over D values in [-1, 1] + λ · KL (summed over dimensions).

    An error in [-1, 1] is twice that in [0, 1], so the loss is 4 / D · SSE + λ · KL, that is SSE + (λ · D / 4) · KL.
    """
    channels, height, width = shape
    return weight * channels * height * width / 4


def lambda_runs(budget: Budget) -> dict[str, TrainConfig]:
    """Four λ at latent 64; two other latent sizes at the best λ; and z pulled closer to the centre."""
    preset = replace(PRESETS["lambda-64x48"], batch_size=32)
    net: ConvolutionalConfig = replace(preset.net, **budget.small.get("lambda", {}))
    config = epochs(replace(preset, net=net), budget.lambda_nimg)
    best = replace(config, beta=beta_of_lambda(BEST_LAMBDA, net.shape))
    runs = {f"lambda-{weight:.0e}": replace(config, beta=beta_of_lambda(weight, net.shape)) for weight in LAMBDAS}
    runs |= {f"latent-{d}": replace(best, net=replace(net, latent=d * net.latent // 64)) for d in LATENTS}
    return runs | {"centred": replace(best, centre_pull=1.0)}


def twins_runs(budget: Budget) -> dict[str, TrainConfig]:
    """The small VAE, and the autoencoder of the same layers."""
    preset = PRESETS["twins-24"]
    net: ConvolutionalConfig = replace(preset.net, **budget.small.get("twins", {}))
    config = epochs(replace(preset, net=net), budget.twins_nimg)
    return {"vae": config, "ae": replace(config, net=replace(net, variational=False), beta=0.0)}


RUNS = {"residual": residual_runs, "disentangling": disentangling_runs, "lambda": lambda_runs, "twins": twins_runs}
