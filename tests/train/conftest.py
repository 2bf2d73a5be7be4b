"""What several tests of training need: a tiny run, the toy faces it learns, a tiny identity embedding for whatever measures edits."""

from collections.abc import Callable

import pytest
import torch

from facevae.nets.residual import ResidualConfig
from train.data.prepared import PreparedData
from train.data.synthetic import prepare_synthetic
from train.networks.identity import IdentityNet, IdentityNetConfig
from train.vae.config import TrainConfig
from train.vae.schedules import RateSchedule

NET = ResidualConfig(size=16, patch=2, widths=(8, 16), encoder_blocks=(0, 1), decoder_blocks=(1, 1), groups=4, latent=6)
CONFIG = TrainConfig(
    net=NET,
    total_nimg=256,
    batch_size=8,
    tick_nimg=64,
    lr_ramp_nimg=16,
    beta_schedule=RateSchedule(ramp_nimg=64),
    ema_halflife_nimg=50,
    shift_px=1,
    valid_nimg=16,
)


@pytest.fixture(scope="session")
def toy_faces(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], PreparedData]:
    """So many labelled faces of 16 px, in a folder of their own."""

    def draw(count: int) -> PreparedData:
        folder = tmp_path_factory.mktemp("data")
        prepare_synthetic(folder, count, 16, seed=0)
        return PreparedData(folder)

    return draw


@pytest.fixture(scope="session")
def data(toy_faces: Callable[[int], PreparedData]) -> PreparedData:
    return toy_faces(60)


@pytest.fixture(scope="session")
def embedding() -> IdentityNet:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return IdentityNet(IdentityNetConfig(size=16, window=16, widths=(4, 8), features=8)).eval().requires_grad_(False)


@pytest.fixture(scope="session")
def people() -> dict[str, float]:
    """Cosines that an embedding might have been saved with."""
    return {f"{kind}_{p}": v for kind, v in (("same", 0.5), ("different", 0.1)) for p in (5, 50, 95)} | {"auroc": 0.9}
