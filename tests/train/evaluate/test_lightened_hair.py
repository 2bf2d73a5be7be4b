"""Measuring the hair net: a checkpoint without one is refused, the table holds what is beside it."""

from pathlib import Path

import pytest

from facevae.checkpoint.checkpoint import Checkpoint
from train.evaluate.lightened_hair import evaluate_hair_net, hair_net_text


def test_a_checkpoint_without_a_hair_net_is_refused_in_one_sentence(tiny_checkpoint: Checkpoint, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no hair net"):
        evaluate_hair_net(tiny_checkpoint, tmp_path, tmp_path)


def test_the_table_holds_net_and_what_is_without_it() -> None:
    values = (0.057, 0.084, 7.1, 7.2, 0.96, 0.64)
    names = ("matte", "matte_parser", "light", "light_shift", "spread", "spread_shift")
    text = hair_net_text({"held_out": {f"valid_{name}": value for name, value in zip(names, values, strict=True)}})
    assert "| error of the matte | 0.057 | 0.084 |" in text and "| spread of the light | 0.960 | 0.640 |" in text
