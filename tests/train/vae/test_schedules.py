"""Schedules on paper, in the plot, and in the loss: the same numbers in all three."""

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import Tensor

from facevae.nets.convolutional import ConvolutionalConfig
from train.data.prepared import PreparedData
from train.data.synthetic import prepare_synthetic
from train.report.schedules_plot import CAPACITY_NATS, draw_schedules, six_schedules
from train.vae.config import TrainConfig
from train.vae.loop import fit
from train.vae.losses import weighted_rate
from train.vae.schedules import WEIGHTS, RateSchedule

BETA, TOTAL = 100.0, 160
NET = ConvolutionalConfig(8, 8, encoder=((8, 3, 2), (8, 3, 2)), decoder=((8, 3, 2), (3, 3, 2)), latent=4)
CONFIG = TrainConfig(
    net=NET, total_nimg=TOTAL, batch_size=8, lr_ramp_nimg=0, beta=BETA, shift_px=0, tick_nimg=TOTAL, precision="no", valid_nimg=4
)
Calls = list[tuple[float, float | None]]


@pytest.mark.parametrize(
    ("schedule", "known"),
    [
        (RateSchedule("constant"), {0: 4, 10**9: 4}),
        (RateSchedule("linear", ramp_nimg=100), {0: 0, 25: 1, 50: 2, 100: 4, 10**9: 4}),
        (RateSchedule("linear", ramp_nimg=0), {0: 4, 1: 4}),
        (RateSchedule("sigmoid", ramp_nimg=100), {0: 4 * 0.0024726, 25: 4 * 0.0474259, 50: 2, 100: 4 * 0.9975274, 10**9: 4}),
        # The report's callback: 0.1, and 40 more every two epochs, here of 50 images.
        (RateSchedule("step", ramp_nimg=100, start=0.1, increment=40.0), {0: 0.1, 99: 0.1, 100: 4}),
        (RateSchedule("step", ramp_nimg=100, start=0.5, increment=1.0), {99: 0.5, 100: 1.5, 199: 1.5, 200: 2.5, 400: 4, 10**9: 4}),
        # Four cycles (M = 4) of a run of 400 images; the weight rises in the first half of each (R = 0.5).
        (RateSchedule("cyclical", ramp_nimg=100, rise=0.5), {0: 0, 25: 2, 50: 4, 99: 4, 100: 0, 125: 2, 350: 4, 399: 4, 400: 0}),
        (RateSchedule("capacity", ramp_nimg=100, capacity_nats=30.0), {0: 4, 50: 4, 10**9: 4}),
    ],
    ids=lambda value: value.shape if isinstance(value, RateSchedule) else "",
)
def test_known_points(schedule: RateSchedule, known: dict[int, float]) -> None:
    assert {nimg: schedule.weight(nimg, 4.0) for nimg in known} == pytest.approx(known, rel=1e-5)


def test_capacity_asks_for_a_rate_that_grows_and_the_others_for_none() -> None:
    schedule = RateSchedule("capacity", ramp_nimg=100, capacity_nats=30.0)
    assert [schedule.target(nimg) for nimg in (0, 50, 100, 10**9)] == [0, 15, 30, 30]
    assert all(RateSchedule(shape, ramp_nimg=100).target(50) is None for shape in WEIGHTS if shape != "capacity")


@given(
    shape=st.sampled_from(sorted(WEIGHTS)),
    ramp=st.integers(1, 10**7),
    beta=st.floats(0.1, 1e3),
    rise=st.floats(0.01, 1.0),
    moments=st.tuples(st.integers(0, 10**8), st.integers(0, 10**8)),
)
def test_weights_lie_between_nothing_and_beta_and_only_cycles_fall(
    shape: str, ramp: int, beta: float, rise: float, moments: tuple[int, int]
) -> None:
    schedule = RateSchedule(shape, ramp_nimg=ramp, rise=rise)
    early, late = (schedule.weight(nimg, beta) for nimg in sorted(moments))
    assert 0 <= early <= beta and 0 <= late <= beta
    assert shape == "cyclical" or early <= late * (1 + 1e-12)
    assert schedule.weight(moments[0], beta) == schedule.weight(moments[0], beta)


def test_schedules_that_cannot_be_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="shape 'step' needs a ramp_nimg above 0"):
        RateSchedule("step", ramp_nimg=0)
    with pytest.raises(ValueError, match="rise is a share of a cycle"):
        RateSchedule("cyclical", rise=0.0)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    folder = tmp_path_factory.mktemp("data")
    prepare_synthetic(folder, 20, 8, seed=0)
    return PreparedData(folder)


def fit_and_listen(config: TrainConfig, data: PreparedData, run: Path, stop_nimg: int | None = None) -> tuple[Calls, dict[str, Tensor]]:
    """β and target of every step, as `weighted_rate` was given them, and the weights in the end."""
    calls: Calls = []

    def heard(rate: Tensor, beta: float, target: float | None) -> Tensor:
        calls.append((beta, target))
        return weighted_rate(rate, beta, target)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("train.vae.loop.weighted_rate", heard)
        state = load_file(fit(config, data, run, stop_nimg))
    return calls, {k: v for k, v in state.items() if k.startswith("net.")}


@pytest.fixture(scope="module")
def heard(data: PreparedData, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Calls, dict[str, Tensor]]]:
    folder = tmp_path_factory.mktemp("runs")
    schedules = six_schedules(TOTAL)
    return {name: fit_and_listen(replace(CONFIG, beta_schedule=s), data, folder / name) for name, s in schedules.items()}


def test_what_is_plotted_is_what_enters_the_loss(heard: dict[str, tuple[Calls, dict[str, Tensor]]]) -> None:
    """Exact, at every step of a real run of each schedule, read from the lines of the figure."""
    left, right = draw_schedules(BETA, TOTAL).axes
    plotted = {line.get_label(): dict(zip(*line.get_data(), strict=True)) for line in left.get_lines()}
    (target_line,) = right.get_lines()
    targets = dict(zip(*target_line.get_data(), strict=True))
    assert set(plotted) == set(heard) == set(WEIGHTS)
    steps = range(0, TOTAL, CONFIG.batch_size)
    for name, (calls, _) in heard.items():
        wanted = [(plotted[name][nimg], targets[nimg] if name == "capacity" else None) for nimg in steps]
        assert calls == wanted, name
    assert {beta for beta, _ in heard["step"][0]} == {0.1, 40.1, 80.1, BETA}
    assert heard["capacity"][0][-1] == (BETA, CAPACITY_NATS)


def test_the_plot_shows_the_schedules_that_were_asked_for() -> None:
    """Cyclical with M = 4 and R = 0.5; steps of 40 every two of ten epochs."""
    lines = {line.get_label(): line.get_ydata() for line in draw_schedules(200.0, 1000).axes[0].get_lines()}
    cyclical, steps = lines["cyclical"], lines["step"]
    assert [i for i, value in enumerate(cyclical) if value == 0] == [0, 250, 500, 750]
    assert cyclical[124] < 200 and set(cyclical[125:250]) == {200.0}
    assert [(i, steps[i]) for i in range(1000) if i % 200 == 0] == [(i, pytest.approx(0.1 + i / 5)) for i in range(0, 1000, 200)]
    assert len(set(steps)) == 5


def test_each_schedule_trains_another_net(heard: dict[str, tuple[Calls, dict[str, Tensor]]]) -> None:
    for (one, (_, a)), (other, (_, b)) in combinations(heard.items(), 2):
        assert any(not torch.equal(a[k], b[k]) for k in a), f"{one} and {other}"


def test_a_step_of_beta_reaches_the_weights(data: PreparedData, tmp_path: Path) -> None:
    """The report's bug: its callback changed β, its model did not. Bit-equal to a constant 0.1 until the step; not after the next batch."""
    step_nimg, batch = 32, CONFIG.batch_size
    constant = replace(CONFIG, beta=0.1, beta_schedule=RateSchedule("constant"))
    steps = replace(CONFIG, beta=200.0, beta_schedule=RateSchedule("step", ramp_nimg=step_nimg, start=0.1, increment=40.0))
    for stop_nimg, last_beta, same in ((step_nimg, 0.1, True), (step_nimg + batch, 40.1, False)):
        _, plain = fit_and_listen(constant, data, tmp_path / "constant", stop_nimg)
        calls, stepped = fit_and_listen(steps, data, tmp_path / "steps", stop_nimg)
        assert calls[-1] == (last_beta, None)
        assert all(torch.equal(plain[k], stepped[k]) for k in plain) is same
