"""Training the face parser: unknown is not asked for, pure batches, runs resume, IoU."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from facevae.nets.parser import PARTS, ParserConfig
from facevae.photo import images
from train.data.parsing import CANVAS_PX, GLASSES, HAIR, NOT_HAIR, SOURCES, UNKNOWN, FaceParts
from train.networks import parser
from train.networks.parser import ParserTrainConfig, PartBatches, fit_parser, load_parser, parser_loss, part_ious
from train.vae.resume import read_state

TINY = ParserTrainConfig(net=ParserConfig(size=32, widths=(4, 8)), decode_px=32, total_nimg=64, batch_size=8, tick_nimg=16, lr_ramp_nimg=16)


@pytest.fixture(scope="module")
def parts() -> FaceParts:
    """Three training faces and one held out of each source, noise; the second of celebamask wears glasses."""
    rng, count = np.random.default_rng(0), 4 * len(SOURCES)
    source = np.repeat(np.arange(len(SOURCES)), 4).astype(np.uint8)
    labels = rng.integers(0, 7, (count, CANVAS_PX // 29, CANVAS_PX // 29), dtype=np.uint8).repeat(29, 1).repeat(29, 2)
    labels[source >= 2] = np.where(labels[source >= 2] == HAIR, HAIR, NOT_HAIR)
    labels[1, 96:112] = GLASSES
    photos = rng.integers(0, 256, (count, CANVAS_PX, CANVAS_PX, 3), dtype=np.uint8)
    return FaceParts(photos, labels, [str(i) for i in range(count)], source, np.arange(count) % 4 == 3)


def test_unknown_pixels_have_no_part_in_the_loss() -> None:
    torch.manual_seed(0)
    logits = torch.randn(2, len(PARTS), 8, 8, requires_grad=True)
    labels = torch.randint(0, len(PARTS), (2, 8, 8), dtype=torch.uint8)
    labels[0, :4] = UNKNOWN
    (gradient,) = torch.autograd.grad(parser_loss(logits, labels, 0.4), logits)
    assert not gradient[0, :, :4].any() and gradient[0, :, 4:].any() and gradient[1].any()
    nothing = parser_loss(logits, torch.full_like(labels, UNKNOWN), 0.4)
    assert nothing == 0 and not torch.autograd.grad(nothing, logits)[0].any()


def test_not_hair_says_nothing_about_what_it_is_instead() -> None:
    """The loss is -log(1 - p(hair)): it pushes hair down, and the others up in proportion to what they are."""
    torch.manual_seed(0)
    logits = torch.randn(1, len(PARTS), 4, 4, requires_grad=True)
    loss = parser_loss(logits, torch.full((1, 4, 4), NOT_HAIR, dtype=torch.uint8), 0.4)
    p = logits.detach().softmax(1)
    assert torch.allclose(loss, -torch.log(1 - p[:, HAIR]).mean(), atol=1e-6)
    (gradient,) = torch.autograd.grad(loss, logits)
    others = [k for k in range(len(PARTS)) if k != HAIR]
    assert (gradient[:, HAIR] > 0).all()
    assert torch.allclose(gradient[:, others] / p[:, others], (gradient / p)[:, others[:1]].expand(-1, len(others), -1, -1), atol=1e-6)


def test_small_parts_count_as_much_as_large_ones_in_dice() -> None:
    labels = torch.zeros(1, 16, 16, dtype=torch.uint8)
    labels[0, :2, :2] = PARTS.index("brows")
    logits = torch.nn.functional.one_hot(torch.zeros(1, 16, 16, dtype=torch.long), len(PARTS)).permute(0, 3, 1, 2).float() * 20
    missed = parser_loss(logits, labels, 1.0) - parser_loss(logits, labels, 0.0)
    assert 0.5 < missed < 0.52  # one of two classes is missed altogether


def test_batches_depend_on_seed_and_clock_alone(parts: FaceParts) -> None:
    decodes = np.zeros((len(parts.images), 32, 32, 3), np.uint8)
    a, b = (PartBatches(TINY, parts, decodes) for _ in range(2))
    a(0)
    for x, y in zip(a(8), b(8), strict=True):
        assert torch.equal(x, y)
    assert not torch.equal(a(8)[0], a(16)[0])
    x, labels = a(24)
    assert x.shape == (8, 3, 32, 32) and x.min() >= 0 and x.max() <= 1 and labels.shape == (8, 32, 32)
    assert set(labels.unique().tolist()) <= {*range(len(PARTS)), NOT_HAIR, UNKNOWN}
    drawn = a.members[0][a.chances[0] == a.chances[0].max()]
    assert drawn.tolist() == [1] and np.isclose(a.chances[0][1] / a.chances[0][0], TINY.rare)


def test_labels_move_with_the_picture(parts: FaceParts) -> None:
    """Photos that are painted by their labels still are afterwards, but at the outlines."""
    painted = (np.arange(256) * 15 % 256).astype(np.uint8)
    pictures = np.repeat(painted[parts.labels][..., None], 3, axis=3)
    config = dataclasses.replace(TINY, covered=0.0, decoded=0.0)
    batches = PartBatches(config, dataclasses.replace(parts, images=pictures), np.zeros((len(pictures), 32, 32, 3), np.uint8))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parser, "damage", lambda window, rng, cover: window)
        x, labels = batches(0)
    right = images.to_uint8(x)[..., 0] == painted[labels.numpy()]
    assert right[labels.numpy() != UNKNOWN].mean() > 0.6  # blocks of 29 canvas pixels are 4 to 6 px here: many of their pixels are outlines


def test_stopped_run_is_bit_equal_after_resume(parts: FaceParts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parser, "cached_parts", lambda *_: parts)

    def fit(run: Path, **options: Any) -> Path:
        return fit_parser(TINY, Path(), Path(), run, lambda windows: windows, lambda x: x, **options)

    whole = fit(tmp_path / "whole")
    fit(tmp_path / "stopped", stop_nimg=32)
    resumed = fit(tmp_path / "stopped")
    for part, tensors in read_state(whole)[0].items():
        assert all(torch.equal(v, read_state(resumed)[0][part][k]) for k, v in tensors.items()), part
    further = fit(tmp_path / "further", start=tmp_path / "whole", stop_nimg=16)
    assert read_state(further)[2] == 16
    net = load_parser(tmp_path / "whole")
    assert net(torch.rand(2, 3, 32, 32)).shape == (2, len(PARTS), 32, 32) and not net.training
    with pytest.raises(ValueError, match="there are 4 sources"):
        ParserTrainConfig(shares=(1.0,))


def test_iou_counts_known_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    class Fixed(torch.nn.Module):
        """Says hair everywhere."""

        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.one_hot(torch.full((len(x), 8, 8), HAIR), len(PARTS)).permute(0, 3, 1, 2).float()

    labels = np.full((3, 8, 8), HAIR, np.uint8)
    labels[:, :2], labels[:, 2:4], labels[:, 4:5] = UNKNOWN, 0, NOT_HAIR
    ious = part_ious(Fixed(), np.zeros((3, 8, 8, 3), np.uint8), labels)
    assert ious == {"background": 0.0, "hair": pytest.approx(3 / 6)}
