"""A step learned through a decoder and a guide that can be worked out by hand."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from facevae.nets.classifier import ClassifierConfig
from train.data.prepared import PreparedData
from train.data.synthetic import prepare_synthetic
from train.latent.learned_directions import LearnedConfig, LearningSet, learn_step, learn_steps

SMILE, COMPANION = (slice(5, 8), slice(7, 10)), (slice(9, 12), slice(7, 10))
ONE_SIGMA = torch.tensor([1.0, 2.0, 1.0])


class Painter(nn.Module):
    """The first latent brightens the place of the smile; the second that, too, and the place of another label with it."""

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        picture = torch.full((len(z), 3, 16, 16), 0.5)
        smile, companion = torch.zeros(16, 16), torch.zeros(16, 16)
        smile[SMILE], companion[COMPANION] = 1, 1
        first, second, _ = (z / ONE_SIGMA).unbind(1)
        return picture + 0.03 * ((first + second)[:, None, None, None] * smile + second[:, None, None, None] * companion)


class Reader(nn.Module):
    """Each label is the brightness of its place."""

    config = ClassifierConfig(attributes=("Smiling", "Male"), size=16)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.stack([60 * (x[(..., *place)].mean((1, 2, 3)) - 0.5) for place in (SMILE, COMPANION)], dim=1)


@pytest.fixture(scope="module")
def learning(tmp_path_factory: pytest.TempPathFactory) -> LearningSet:
    folder = tmp_path_factory.mktemp("data")
    prepare_synthetic(folder, 80, 16, seed=0)
    data = PreparedData(folder)
    rng = np.random.default_rng(0)
    data.images = np.broadcast_to(rng.integers(118, 138, (80, 1, 1, 1), dtype=np.uint8), data.images.shape)
    data.labels = rng.integers(0, 2, data.labels.shape).astype(np.uint8)  # so that no label tells of another
    index = np.arange(80)
    return LearningSet(Painter(), Reader(), data, index, np.zeros((80, 3), np.float32), torch.diag(ONE_SIGMA))  # type: ignore[arg-type]


CONFIG = LearnedConfig(steps=120, batch_size=8, rate=0.2)


def learned(learning: LearningSet, keep: float) -> torch.Tensor:
    """The step in σ: what each axis of unit spread gets of it."""
    step = learn_step(learning, "Smiling", keep, np.ones(3, np.float32), torch.ones(2), CONFIG)
    assert torch.linalg.solve_triangular(learning.cholesky, step[:, None], upper=False).norm().item() == pytest.approx(1, abs=1e-4)
    return step / ONE_SIGMA


def test_a_learned_step_goes_where_the_label_is(learning: LearningSet) -> None:
    first, second, idle = learned(learning, 0.0).tolist()
    assert first == pytest.approx(second, abs=0.01) and first > 0.7 and abs(idle) < 0.01


def test_what_other_labels_would_pay_is_avoided(learning: LearningSet) -> None:
    first, second, _ = learned(learning, 0.3).tolist()
    assert first > 0.9 and abs(second) < 0.01


def test_steps_are_learned_once(learning: LearningSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = LearnedConfig(steps=3, batch_size=4, keep={"learned": 0.03})
    starts = {"Smiling": np.ones(3, np.float32)}
    once = learn_steps(learning, starts, config, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("train.latent.learned_directions.learn_step", None)
        again = learn_steps(learning, starts, config, tmp_path)
    assert (once["Smiling"]["learned"] == again["Smiling"]["learned"]).all()
    # Another config is another step.
    other = LearnedConfig(steps=2, batch_size=4, keep={"sparing": 0.2})
    assert set(learn_steps(learning, starts, other, tmp_path)["Smiling"]) == {"sparing"}
