"""The section "draws": the same seed with and without a label, seen by an embedding and a judge that are easy to foresee."""

from dataclasses import replace

import pytest
import torch
from bent_flow import bent

from facevae.checkpoint.checkpoint import Checkpoint
from facevae.nets.judge import Judge, JudgeConfig
from facevae.nets.velocity import VelocityConfig
from train.evaluate import drawn_people
from train.evaluate.drawn_people import draws_text, evaluate_draws
from train.networks.identity import IdentityNet
from train.publish.card import model_card

PEOPLE = {"different_95": 0.4}


class Opposite(torch.nn.Module):
    """Of each pair of batches, the first is one person and the second another, or the same."""

    def __init__(self, cosine: float) -> None:
        super().__init__()
        self.cosine, self.calls = cosine, 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return torch.tensor([1.0, 0.0] if self.calls % 2 else [self.cosine, (1 - self.cosine**2) ** 0.5]).expand(len(x), -1)


class Believer(Judge):
    """Sees every label everywhere."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.ones(len(x), len(self.config.attributes))


@pytest.fixture
def checkpoint(tiny_checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> Checkpoint:
    monkeypatch.setattr(drawn_people, "SEEDS", 3)
    return replace(tiny_checkpoint, prior=bent(config=VelocityConfig(latent=6, labels=8, width=8, hidden=8, blocks=2)))


def test_a_seed_is_the_same_person_where_its_faces_are_nearer_than_strangers(checkpoint: Checkpoint) -> None:
    judge = Believer(JudgeConfig(checkpoint.classifier.config.attributes, 16, (4, 8)))
    near, far = (evaluate_draws(checkpoint, judge, Opposite(cosine), PEOPLE) for cosine in (0.5, 0.3))
    assert near["n"] == 3 and near["mean"] == {"cosine": 0.5, "same": 1.0, "with": 1.0, "without": 0.0}
    assert far["mean"]["same"] == 0 and {"Smiling", "Young"} <= set(far["labels"])
    whole = near | {"judge": "0123456789ab", "identity": "ba9876543210"}
    assert "| **mean** | 0.50 | 100.0 % | 100.0 % | 0.0 % |" in draws_text(whole)
    assert "## One seed, with and without a label" in model_card(replace(checkpoint, evaluation={"draws": whole}))


def test_sex_does_not_count_and_other_priors_have_no_such_section(
    checkpoint: Checkpoint, tiny_checkpoint: Checkpoint, embedding: IdentityNet
) -> None:
    judge = Believer(JudgeConfig(("Male", "Young"), 16, (4, 8)))
    found = evaluate_draws(checkpoint, judge, embedding, PEOPLE)
    assert set(found["labels"]) == {"Male", "Young"} and found["mean"] == found["labels"]["Young"]
    assert evaluate_draws(tiny_checkpoint, judge, embedding, PEOPLE) == {}
