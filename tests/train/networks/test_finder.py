"""The face finder's training: scenes whose truth is true, a loss that asks the right cells, runs that resume and publish."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from facevae.checkpoint.finder import read_finder
from facevae.nets.finder import CELL_PX, FACE_PX, FaceFinder, FinderConfig
from facevae.photo.alignment import REFERENCE_POINTS, WINDOW, Square
from train.data.prepared import list_celeba
from train.data.synthetic import write_celeba_layout
from train.networks.aligner import FRAME_PX
from train.networks.finder import FinderTrainConfig, Scenes, finder_loss, fit_finder, load_finder, mark, save_finder, turned
from train.vae.resume import read_state

TINY = FinderTrainConfig(
    net=FinderConfig(widths=(4, 4, 4, 8, 8, 8)), total_nimg=64, batch_size=8, tick_nimg=16, valid_nimg=16, lr_ramp_nimg=16, scene_px=48
)


def test_a_place_is_where_the_face_was_put() -> None:
    """Frames are black but for three dots where CelebA has eyes and mouth: places must point at them."""
    frame = np.zeros((FRAME_PX[1], FRAME_PX[0], 3), np.uint8)
    for x, y in REFERENCE_POINTS * 89 + (0, 10):
        cv2.circle(frame, (round(x * 16 - 8), round(y * 16 - 8)), 4 * 16, (0, 255, 0), -1, cv2.LINE_AA, shift=4)
    scenes = Scenes(FinderTrainConfig(smallest=30, faceless=0, several=0), frame[None], np.array([0]))
    rng, hits = np.random.default_rng(0), []
    for _ in range(40):
        scene, (place,) = scenes.scene(rng)
        matrix = place.inverse()
        points = WINDOW.to_unit(REFERENCE_POINTS) @ matrix[:, :2].T + matrix[:, 2] - 0.5
        hits += [scene[round(y), round(x), 1] for x, y in points.tolist() if 1 < x < 94 and 1 < y < 94]
    assert len(hits) > 60 and np.mean(np.array(hits) > 100) > 0.9  # a dot may lie under a trimmed border or a cover


def test_quarter_turns_turn_places_with_the_picture() -> None:
    picture = np.zeros((48, 48), np.uint8)
    picture[10, 30] = 255
    place = Square(30.5, 10.5, 20, 0.1)
    for turns in range(4):
        y, x = np.argwhere(np.rot90(picture, -turns))[0]
        moved = turned(place, turns, 48)
        assert (moved.x, moved.y) == pytest.approx((x + 0.5, y + 0.5)) and moved.angle == pytest.approx(0.1 + turns * np.pi / 2)


def test_cells_are_asked_for_faces_of_their_size() -> None:
    def marked(side: float) -> tuple[np.ndarray, np.ndarray]:
        truth, asked = np.zeros((6, 8, 8), np.float32), np.ones((8, 8), bool)
        mark(truth, asked, Square(30, 34, side, 0.3))
        return truth, asked

    truth, asked = marked(FACE_PX)
    assert truth[0].any() and asked[truth[0] == 1].all() and not asked.all()
    for row, column in np.argwhere(truth[0] == 1):
        said = truth[:, row, column]
        assert (column + 0.5) * CELL_PX + said[1] * FACE_PX == pytest.approx(30) and np.arctan2(said[5], said[4]) == pytest.approx(0.3)
    assert not marked(60)[0].any() and marked(60)[1].all()
    truth, asked = marked(FACE_PX * 1.6)  # neither a face of this size nor none
    assert not truth.any() and not asked.all()


def test_places_are_learned_where_there_is_a_face() -> None:
    truth, asked = torch.zeros(1, 6, 2, 2), torch.ones(1, 2, 2, dtype=torch.bool)
    truth[0, :, 0, 0] = torch.tensor([1.0, 0.2, 0.0, 0.1, 1.0, 0.0])
    asked[0, 1, 1] = False
    output = torch.zeros(1, 6, 2, 2, requires_grad=True)
    (gradient,) = torch.autograd.grad(finder_loss(output, truth, asked), output)
    assert gradient[0, 0, 0, 0] < 0 < gradient[0, 0, 0, 1] and gradient[0, 0, 1, 1] == 0
    assert gradient[0, 1, 0, 0] < 0 and not gradient[0, 1:, :, 1].any()


def test_runs_resume_bit_equal_and_are_published(tmp_path: Path) -> None:
    write_celeba_layout(tmp_path / "celeba", 40, seed=1)
    listing = list_celeba(tmp_path / "celeba")
    whole = fit_finder(TINY, listing, tmp_path / "whole")
    fit_finder(TINY, listing, tmp_path / "stopped", stop_nimg=32)
    resumed = fit_finder(TINY, listing, tmp_path / "stopped")
    for part, tensors in read_state(whole)[0].items():
        assert all(torch.equal(v, read_state(resumed)[0][part][k]) for k, v in tensors.items()), part
    further = fit_finder(TINY, listing, tmp_path / "further", start=tmp_path / "whole", stop_nimg=16)
    assert read_state(further)[2] == 16
    save_finder(tmp_path / "published", load_finder(tmp_path / "whole"))
    net = read_finder(tmp_path / "published")
    assert net(torch.rand(1, 3, 24, 40)).shape == (1, 6, 3, 5) and not net.training
    (tmp_path / "published" / "finder.safetensors").write_bytes(b"changed")
    with pytest.raises(ValueError, match=r"finder\.safetensors"):
        read_finder(tmp_path / "published")


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="multiples of 8"):
        FaceFinder(TINY.net)(torch.rand(1, 3, 20, 24))
    with pytest.raises(ValueError, match="6 widths"):
        FinderConfig(widths=(8, 8))
    with pytest.raises(ValueError, match="a multiple of 4"):
        FinderTrainConfig(batch_size=6, tick_nimg=600, total_nimg=6000)
