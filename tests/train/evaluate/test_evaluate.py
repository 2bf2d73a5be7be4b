"""Edits are judged by another net than the one that guides them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
import torch
from few_steps import guide_in_few_steps

from facevae.checkpoint.checkpoint import Checkpoint, save_checkpoint
from facevae.nets.judge import Judge, JudgeConfig
from train.commands.measuring import Evaluate
from train.data.prepared import PreparedData
from train.evaluate import evaluate as evaluation
from train.evaluate.config import EvaluateConfig
from train.evaluate.edit_tables import edits_note, guidance_table
from train.evaluate.evaluate import evaluate_edits
from train.networks.identity import IdentityNet


class Brightness(Judge):
    """A judge that is easy to foresee: a picture that is bright at one place has every attribute."""

    def __init__(self, attributes: tuple[str, ...], sign: float, place: tuple[int, int] = (8, 8)) -> None:
        super().__init__(JudgeConfig(attributes, 16, (4, 8)))
        self.sign, self.place = sign, place

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        row, column = self.place
        return self.sign * 50 * (x[:, :, row, column].mean(dim=1, keepdim=True) - 0.5).expand(-1, len(self.config.attributes))


@pytest.fixture(scope="module")
def data(toy_faces: Callable[[int], PreparedData]) -> PreparedData:
    return toy_faces(160)


def test_sliders_are_judged_by_the_judge_alone(
    tiny_checkpoint: Checkpoint, data: PreparedData, embedding: IdentityNet, people: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The classifier that guides is not asked; what the judge says of the edited pictures is what counts as success."""
    monkeypatch.setattr(type(tiny_checkpoint.classifier), "forward", lambda *a: pytest.fail("the guide was asked"))

    class Turncoat(Brightness):
        """Says of the pictures of its second and all later calls the opposite of what they deserve."""

        calls = 0

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.calls += 1
            return super().forward(x) * (1 if self.calls == 1 else -1)

    attributes = tiny_checkpoint.classifier.config.attributes
    # Edits of no strength at all: the judge's change of mind is all there is.
    still = {"Smiling": replace(tiny_checkpoint.directions["Smiling"], low=0.0, high=0.0)}
    checkpoint, config = replace(tiny_checkpoint, directions=still), EvaluateConfig(faces=16, guided=0)
    loyal, turned = (
        evaluate_edits(checkpoint, kind(attributes, 1.0), embedding, people, data, config)["sliders"]["Smiling"]
        for kind in (Brightness, Turncoat)
    )
    assert {loyal[side]["success"] for side in loyal} == {0.0}
    assert {turned[side]["success"] for side in turned} == {1.0}


def test_a_judge_without_an_attribute_of_a_slider_is_refused(
    tiny_checkpoint: Checkpoint, data: PreparedData, embedding: IdentityNet, people: dict[str, float]
) -> None:
    with pytest.raises(ValueError, match="does not answer for Blond_Hair, Male, Young"):
        evaluate_edits(
            tiny_checkpoint, Judge(JudgeConfig(("Smiling",), 16, (4, 8))), embedding, people, data, EvaluateConfig(faces=8, guided=0)
        )


def test_guidance_is_counted_by_guide_and_judge(
    tiny_checkpoint: Checkpoint, data: PreparedData, embedding: IdentityNet, people: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("train.evaluate.plain_guidance.STEPS", 4)  # of a hundred: how far they lead is not what is asked here
    guide_in_few_steps(monkeypatch)
    torch.manual_seed(0)
    judge = Brightness(tiny_checkpoint.classifier.config.attributes, 1.0)
    section = {"judge": "0123456789ab", "identity": "ba9876543210"} | evaluate_edits(
        tiny_checkpoint, judge, embedding, people, data, EvaluateConfig(faces=12, guided=1)
    )
    assert set(section["guidance"]) == {"ours", "plain"}
    for row in section["guidance"]["ours"].values():
        assert row["n"] == 1 and 0 <= row["success"] <= 1 and 0 <= row["guide"] <= 1 and row["leakage"] >= 0
    assert "Against the plain form" in guidance_table(section)
    assert "Judge 0123456789ab" in edits_note(section)


def test_what_is_missing_is_named_before_anything_is_measured(
    tiny_checkpoint: Checkpoint, data: PreparedData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_checkpoint(tmp_path / "tiny", tiny_checkpoint)

    def refused(inputs: evaluation.Inputs) -> None:
        pytest.fail("nothing may be measured before")

    monkeypatch.setattr(evaluation, "SECTIONS", {name: replace(s, measure=refused) for name, s in evaluation.SECTIONS.items()})
    missing = {
        "--data names": EvaluateConfig(),
        "nowhere": EvaluateConfig(data.folder, judge=tmp_path / "nowhere"),
        "--photos needs --sheets": EvaluateConfig(data.folder, celeba=tmp_path, photos=tmp_path),
    }
    for message, config in missing.items():
        with pytest.raises(ValueError, match=message):
            next(evaluation.evaluate(tmp_path / "tiny", "all", config))
    with pytest.raises(ValueError, match="--celeba names"):
        next(evaluation.evaluate(tmp_path / "tiny", "alignment", EvaluateConfig()))


def test_every_section_can_be_named_on_the_command_line() -> None:
    choices = get_args(get_args(get_type_hints(Evaluate, include_extras=True)["what"])[0])
    assert set(choices) == {"all", "run", "parser", "show", *evaluation.SECTIONS}
