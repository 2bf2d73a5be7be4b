"""The judge's choice among directions and the ends of their ranges, in a world where every logit is a straight line in z."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from train.latent.calibration import Calibrator, DirectionsConfig
from train.measure.encodings import Readings, logit

ATTRIBUTES = ["Smiling", "Male", "Young"]
FACES = np.arange(4)


@dataclass
class StraightLines:
    """Logits are z · weights, with a bend after which the judge is less convinced; each σ moved costs some likeness."""

    weights: torch.Tensor
    cost: float = 0.0
    bend: float = np.inf

    def __post_init__(self) -> None:
        self.z = torch.tensor([-4.0, 0, 0, 0]) + torch.zeros(len(FACES), 4)
        self.plain = (self.z @ self.weights).sigmoid().numpy()

    def look(self, rows: np.ndarray, move: torch.Tensor, about: tuple[str, ...] = ()) -> Readings:
        length = float(move.norm())
        seen = (self.z[rows] + move * min(1.0, max(0.0, 2 * self.bend - length) / length)) @ self.weights
        return Readings(seen.sigmoid().numpy(), np.full(len(rows), 1 - self.cost * length, np.float32))

    def probabilities(self, rows: np.ndarray, move: torch.Tensor, about: tuple[str, ...] = ()) -> np.ndarray:
        return self.look(rows, move).probabilities

    def change(self, rows: np.ndarray, seen: np.ndarray) -> np.ndarray:
        return logit(seen) - logit(self.plain[rows])

    def leakage(self, rows: np.ndarray, seen: np.ndarray, column: int) -> float:
        return float(np.abs(np.delete(self.change(rows, seen), column, axis=1)).mean())


def calibrator(view: StraightLines, far: float = 1e9) -> Calibrator:
    """The mean face stands one σ from the others, on their way."""
    return Calibrator(view, view.z - torch.tensor([-3.0, 0, 0, 0]), torch.eye(4), far, stranger=0.4)  # type: ignore[arg-type]


WEIGHTS = torch.zeros(4, 3)
WEIGHTS[0, 0] = 1.0  # the first axis moves Smiling alone
WEIGHTS[1] = torch.tensor([1.0, 0.5, 0.5])  # the second takes the others along
AXES = torch.eye(4)
CONFIG = DirectionsConfig(choose_at=(2, 4), ladder=(1, 2, 3, 4, 5, 6, 7, 8), least_shift=0.1)


def test_of_two_ways_to_one_label_the_one_that_moves_less_else_is_worth_more() -> None:
    tried = calibrator(StraightLines(WEIGHTS))
    clean, leaky, nothing = (tried.merit(FACES, 1, 0, step, CONFIG) for step in AXES[:3])
    assert clean == pytest.approx(1, abs=1e-4)  # all the way to 0, at 4 σ, for nothing
    assert leaky == pytest.approx(max(w - 0.5 * leak for w, leak in ((0.5, 1.0), (1.0, 2.0))), abs=1e-4)
    assert nothing == -np.inf


def test_strangers_have_their_price() -> None:
    tried = calibrator(StraightLines(WEIGHTS, cost=0.2))
    assert tried.merit(FACES, 1, 0, AXES[0], CONFIG) == pytest.approx(0.5, abs=1e-4)  # half of the way, or all of it less 0.5


@pytest.mark.parametrize(
    ("view", "far", "end"),
    [
        (StraightLines(WEIGHTS), 1e9, (7, "sure", 1.0)),  # the logit is 3 there
        (StraightLines(WEIGHTS, cost=0.11), 1e9, (5, "identity", 1.0)),
        (StraightLines(WEIGHTS), 20, (5, "density", 1.0)),  # 4 σ beyond the mean, and 5 is too far
        (StraightLines(WEIGHTS, bend=5), 1e9, (5, "best", 1.0)),
        (StraightLines(0.5 * WEIGHTS), 1e9, (8, "best", 1.0)),  # the ladder ends
        (StraightLines(WEIGHTS, cost=0.7), 1e9, (0.0, "identity", 0.0)),  # not even the first step is safe
    ],
)
def test_a_range_ends_where_it_should(view: StraightLines, far: float, end: tuple[float, str, float]) -> None:
    assert calibrator(view, far).end_of_range(FACES, 0, AXES[0], +1, CONFIG) == end


def test_a_direction_carries_what_it_was_chosen_by() -> None:
    tried, own = calibrator(StraightLines(WEIGHTS)), np.array([True, False, True, False])
    steps = {"clean": AXES[0], "leaky": AXES[1], "natural": AXES[2]}
    direction, report = tried.calibrate("Smiling", steps, own, ATTRIBUTES, CONFIG)
    assert (direction.estimator, direction.high, direction.limits[1]) == ("clean", 7, "sure")
    assert report["merits"]["natural"] is None and report["merits"]["leaky"] < report["merits"]["clean"]
    assert report["shift"] == pytest.approx(7, abs=1e-3) and direction.leakage == {"Male": 0, "Young": 0}
    torch.testing.assert_close(direction.reader, AXES[2])


class OneWay(StraightLines):
    """Two faces lack the label and two have it; along the second axis nobody ever loses it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.z[2:] *= -1
        self.plain = (self.z @ self.weights).sigmoid().numpy()

    def look(self, rows: np.ndarray, move: torch.Tensor, about: tuple[str, ...] = ()) -> Readings:
        return super().look(rows, torch.cat([move[:1], move[1:2].clamp(min=0), move[2:]]) + 1e-9)


@pytest.mark.parametrize(("name", "chosen"), [("Smiling", "one way"), ("No_Beard", "both ways"), ("Young", "both ways")])
def test_a_direction_is_chosen_by_what_its_slider_is_named_for(name: str, chosen: str) -> None:
    """Adding a label, taking it away, or both."""
    weights = torch.zeros(4, 3)
    weights[:2] = 1.0
    tried, steps = calibrator(OneWay(weights)), {"both ways": 0.5 * AXES[0], "one way": AXES[1], "natural": AXES[2]}
    config, own = replace(CONFIG, leakage_price=0.0), np.array([False, False, True, True])
    direction, report = tried.calibrate(name, steps, own, [name, "Bangs", "Hat"], config)
    assert direction.estimator == chosen and report["shift"] > 1
