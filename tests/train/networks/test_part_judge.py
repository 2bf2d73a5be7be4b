"""The part judge sees parts alone, learns what it is asked for alone, and its runs resume."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from facevae.nets.judge import Judge, JudgeConfig
from facevae.nets.parser import PARTS, FaceParser, ParserConfig
from train.data.part_maps import as_maps
from train.data.prepared import PreparedData
from train.networks.part_judge import (
    GREY,
    PartJudgeBatches,
    PartJudgeConfig,
    fit_part_judge,
    judged,
    kinds_of,
    load_part_judge,
    part_probabilities,
    valid_auroc,
)
from train.vae.resume import read_state

TINY = PartJudgeConfig(
    size=16, widths=(4, 8), total_nimg=32, batch_size=8, lr_ramp_nimg=8, tick_nimg=16, precision="no", valid_nimg=4, shift_px=1
)
HAIR, LIPS = PARTS.index("hair"), PARTS.index("lips")


@pytest.fixture(scope="module")
def faces(toy_faces: Callable[[int], PreparedData]) -> PreparedData:
    return toy_faces(60)


def test_a_batch_shows_parts_and_asks_for_what_is_about_them(faces: PreparedData) -> None:
    attributes = ("Smiling", "Blond_Hair", "Gray_Hair")
    assert kinds_of(attributes) == [[0], [1, 2]]
    labels = np.full((len(faces.images), 16, 16), HAIR, np.uint8)
    labels[:, 8:] = LIPS
    data = replace_attributes(faces, attributes)
    batches = PartJudgeBatches(replace(TINY, soft=0.0, batch_size=32, tick_nimg=32), data, attributes, faces.images, labels)
    x, truth, asked = batches(0)
    assert all(torch.equal(a, b) for a, b in zip(batches(0), (x, truth, asked), strict=True))
    hair = asked[:, 1] == 1
    assert torch.equal(asked[:, 1], asked[:, 2]) and torch.equal(asked[:, 0] == 1, ~hair) and 0 < hair.sum() < 32
    hidden = x == GREY / 255
    assert hidden[hair, :, 11:].all() and hidden[~hair, :, :5].all()
    assert not hidden[hair, :, :6].all() and not hidden[~hair, :, 10:].all()


def replace_attributes(data: PreparedData, attributes: tuple[str, ...]) -> PreparedData:
    """The same pictures with the first columns of their labels under other names."""
    other = object.__new__(PreparedData)
    other.__dict__ |= data.__dict__ | {"attributes": list(attributes), "labels": data.labels[:, : len(attributes)]}
    return other


def test_stopped_run_is_bit_equal_after_resume(faces: PreparedData, tmp_path: Path) -> None:
    torch.manual_seed(0)
    parser = FaceParser(ParserConfig(size=16, widths=(4, 8))).eval()
    whole = fit_part_judge(TINY, faces, parser, tmp_path / "whole")
    fit_part_judge(TINY, faces, parser, tmp_path / "halves", stop_nimg=16)
    halves = fit_part_judge(TINY, faces, parser, tmp_path / "halves")
    for part, tensors in read_state(whole)[0].items():
        assert all(torch.equal(v, read_state(halves)[0][part][k]) for k, v in tensors.items()), part
    assert (
        tuple(valid_auroc(tmp_path / "whole", faces)) == load_part_judge(tmp_path / "whole").config.attributes == judged(faces.attributes)
    )
    with pytest.raises(ValueError, match="python -m train part-judge"):
        load_part_judge(tmp_path)
    with pytest.raises(ValueError, match="no attribute of these data"):
        judged(["Blurry"])


def test_what_lies_outside_the_part_does_not_count() -> None:
    torch.manual_seed(0)
    net = Judge(JudgeConfig(("Blond_Hair",), 16, (4, 8))).eval()
    labels = np.zeros((16, 16), np.uint8)
    labels[:6] = HAIR
    maps, pictures = as_maps(labels)[None].repeat(2, 0), np.full((2, 16, 16, 3), 90, np.uint8)
    pictures[1, 9:] = 255
    first, second = part_probabilities(net, "Blond_Hair", pictures, maps)
    assert first == second
    pictures[1, :3] = 255
    assert part_probabilities(net, "Blond_Hair", pictures, maps)[1] != first
