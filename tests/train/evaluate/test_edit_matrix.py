"""The edit matrix counts what a judge that is easy to foresee sees, and locks hold what they lock."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from facevae.checkpoint.checkpoint import Checkpoint
from facevae.editor.renderer import Renderer
from facevae.nets.judge import Judge, JudgeConfig
from train.data.prepared import PreparedData
from train.evaluate.config import EvaluateConfig
from train.evaluate.edit_matrix import edit_matrix, lock_table, open_meter, shipped_steps, summary
from train.evaluate.edit_tables import edits_text
from train.evaluate.evaluate import evaluate_edits
from train.measure.encodings import Pasting, PhotoRenderer, encode_many
from train.networks.identity import IdentityNet


class TwoPlaces(Judge):
    """Smiling is brightness at one place, Male darkness there, everything else is never seen."""

    def __init__(self, attributes: tuple[str, ...]) -> None:
        super().__init__(JudgeConfig(attributes, 16, (4, 8)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        bright = 60 * (x[:, :, 8, 8].mean(dim=1) - 0.5)
        zero = torch.zeros_like(bright)
        return torch.stack([{"Smiling": bright, "Male": -bright}.get(name, zero) for name in self.config.attributes], dim=1)


@pytest.fixture(scope="module")
def data(toy_faces: Callable[[int], PreparedData]) -> PreparedData:
    return toy_faces(160)


def view_of(checkpoint: Checkpoint, data: PreparedData, embedding: IdentityNet) -> PhotoRenderer:
    index = data.indices("test")[:16]
    judge = TwoPlaces(checkpoint.classifier.config.attributes)
    return PhotoRenderer(
        checkpoint.net, judge, data, index, encode_many(checkpoint.net, data, index), pasting=Pasting.of(checkpoint), identity=embedding
    )


def test_no_move_flips_nobody_leaks_nothing_and_keeps_everybody(
    tiny_checkpoint: Checkpoint, data: PreparedData, embedding: IdentityNet, people: dict[str, float]
) -> None:
    view = view_of(tiny_checkpoint, data, embedding)
    meter = open_meter(tiny_checkpoint, view, list(tiny_checkpoint.classifier.config.attributes), people)
    rows, sign = meter.sides("Smiling")
    assert len(rows) and ((view.plain[rows, 0] < 0.2) == (sign > 0)).all()
    row = meter.measure("Smiling", rows, sign, torch.zeros(len(rows), 6))
    assert (row["success"], row["leakage"], row["masked"]) == (0, 0, 0)
    assert row["identity"] == pytest.approx(1, abs=1e-3) and row["same"] == 1


def test_each_face_moves_away_from_what_it_has(
    tiny_checkpoint: Checkpoint, data: PreparedData, embedding: IdentityNet, people: dict[str, float]
) -> None:
    """A step back and forth along the same line: faces on both sides of it flip, or none does."""
    view = view_of(tiny_checkpoint, data, embedding)
    asked = []
    look = view.look
    view.look = lambda rows, moves, about: (asked.append((rows, moves)), look(rows, moves, about))[1]
    meter = open_meter(tiny_checkpoint, view, list(tiny_checkpoint.classifier.config.attributes), people)
    step = torch.eye(6)[0]
    matrix = edit_matrix(meter, {"Smiling plain": step}, 16) | edit_matrix(meter, shipped_steps(Renderer(tiny_checkpoint)))
    assert set(matrix) == {"shipped", "plain"} and set(matrix["plain"]) == {"Smiling"}
    for label, (rows, moves) in zip(("1", "2", "3", "end"), asked[:4], strict=True):
        direction, lacks = tiny_checkpoint.directions["Smiling"], view.plain[rows, 0] < 0.2
        ends = (direction.high, direction.low) if label == "end" else (float(label), -float(label))
        assert torch.equal(moves[:, 0], torch.from_numpy(np.where(lacks, *ends)).float())
        assert matrix["plain"]["Smiling"][label]["n"] == len(rows)
    assert summary(matrix)["plain"]["success"] == matrix["plain"]["Smiling"]["end"]["success"]


def test_the_flow_and_straight_lines_are_summed_up_over_the_same_attributes() -> None:
    def row(success: float) -> dict[str, dict[str, float]]:
        return {"end": dict.fromkeys(("leakage", "masked", "identity", "same", "density"), 0.0) | {"success": success}}

    matrix = {"shipped": {"Smiling": row(1.0), "Young": row(0.5), "Bangs": row(0.3)}, "straight": {"Young": row(0.2), "Bangs": row(0.4)}}
    found = {name: mean["success"] for name, mean in summary(matrix).items()}
    assert found == {"shipped": 0.6, "straight": 0.3, "latent flow": 0.4}
    assert set(summary({"shipped": matrix["shipped"]})) == {"shipped"}


def test_a_lock_on_the_same_line_takes_all_of_the_edit(
    tiny_checkpoint: Checkpoint, data: PreparedData, embedding: IdentityNet, people: dict[str, float]
) -> None:
    same = tiny_checkpoint.directions["Smiling"]
    directions = {"Smiling": same, "Mouth_Slightly_Open": replace(same, name="Mouth_Slightly_Open")}
    checkpoint = replace(tiny_checkpoint, directions=directions)
    view = view_of(checkpoint, data, embedding)
    attributes = ["Smiling", "Mouth_Slightly_Open", *checkpoint.classifier.config.attributes[2:]]
    (row,) = lock_table(open_meter(checkpoint, view, attributes, people), shipped_steps(Renderer(checkpoint)), 16)
    assert row["left"] == pytest.approx(0, abs=1e-4) and row["held"]["success"] == 0


def test_the_section_is_whole_and_reads_well(
    tiny_checkpoint: Checkpoint, data: PreparedData, embedding: IdentityNet, people: dict[str, float]
) -> None:
    judge = TwoPlaces(tiny_checkpoint.classifier.config.attributes)
    config = EvaluateConfig(faces=16, guided=0, compared=8)
    section = evaluate_edits(tiny_checkpoint, judge, embedding, people, data, config, {"Smiling centroid": torch.eye(6)[1]})
    text = edits_text(section | {"judge": "0123456789ab", "identity": "ba9876543210"})
    assert "| Smiling | centroid |" in text and "Judge 0123456789ab" in text and "| **shipped** |" in text
    assert "the first 8 faces" in text
