"""The alignment net's training: windows whose truth is true, a loss that asks the right things, runs that resume."""

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from facevae.nets.aligner import AlignerConfig
from facevae.photo.alignment import REFERENCE_POINTS, Alignment, Square
from train.data.prepared import list_celeba
from train.data.synthetic import write_celeba_layout
from train.evaluate.face_finding import errors, place_frame, rough_start, summary, vary
from train.networks.aligner import (
    FRAME_PX,
    AlignerTrainConfig,
    Windows,
    aligner_loss,
    displacement_eyes,
    fit_aligner,
    load_aligner,
    place_points,
)
from train.vae.resume import read_state

TINY = AlignerTrainConfig(
    net=AlignerConfig(widths=(8, 16, 16), hidden=16), total_nimg=256, batch_size=32, tick_nimg=64, valid_nimg=32, lr_ramp_nimg=64
)


@pytest.fixture(scope="module")
def celeba(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("celeba")
    write_celeba_layout(folder, 40, seed=1)
    return folder


def test_the_truth_of_a_window_leads_to_eyes_and_mouth() -> None:
    """Frames are black but for three dots where CelebA has eyes and mouth: the truth must point at them."""
    frame = np.zeros((FRAME_PX[1], FRAME_PX[0], 3), np.uint8)
    for x, y in REFERENCE_POINTS * 89 + (0, 10):
        cv2.circle(frame, (round(x * 16 - 8), round(y * 16 - 8)), 3 * 16, (0, 255, 0), -1, cv2.LINE_AA, shift=4)
    windows = Windows(AlignerTrainConfig(), frame[None], np.array([0]))
    hits, rng = [], np.random.default_rng(0)
    for _ in range(60):
        window, truth = windows.face(rng)
        points = (place_points(torch.tensor([truth], dtype=torch.float32))[0].numpy() + 0.5) * 64 - 0.5
        inside = points[((points > 2) & (points < 61)).all(axis=1)]
        hits += [window[round(y), round(x), 1] for x, y in inside.tolist()]
    assert len(hits) > 100 and np.mean(np.array(hits) > 150) > 0.97  # a dot may lie under a trimmed border


def test_windows_depend_on_seed_and_clock_alone(celeba: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (5, FRAME_PX[1], FRAME_PX[0], 3), dtype=np.uint8)
    a, b = (Windows(TINY, frames, np.arange(5)) for _ in range(2))
    a(0)
    for x, y in zip(a(32), b(32), strict=True):
        assert np.array_equal(np.asarray(x), np.asarray(y))
    assert not np.array_equal(a(32)[0], a(64)[0])
    faces = np.concatenate([np.asarray(a(32 * i)[2]) for i in range(40)])
    assert abs(faces.mean() - 0.8) < 5 * math.sqrt(0.16 / len(faces))


def test_displacement_is_in_eye_distances() -> None:
    truth = torch.tensor([[0.1, -0.2, 0.3, 0.4], [0.0, 0.0, 0.0, 0.0]])
    output = torch.cat([truth, torch.zeros(2, 2)], 1)
    assert torch.allclose(displacement_eyes(output, truth), torch.zeros(2), atol=1e-6)
    eyes = place_points(truth)[1]
    output[1, :2] += eyes[1] - eyes[0]
    assert torch.allclose(displacement_eyes(output, truth)[1], torch.tensor(1.0), atol=1e-5)


def test_each_term_trains_its_own_columns() -> None:
    """No transform is learned where there is no face; the expected error tells the transform nothing; an ear is not asked about."""
    truth = torch.tensor([[0.05, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0], [0.9, 0.9, 0.0, 0.0]])
    faces = torch.tensor([1.0, 0.0, 1.0])
    output = torch.zeros(3, 6, requires_grad=True)
    (gradient,) = torch.autograd.grad(aligner_loss(output, truth, faces), output)
    assert gradient[0, 0] < 0 and gradient[0, 4] < 0 and gradient[0, 5] > 0  # an error of one eye distance was expected, it is less
    assert not gradient[1, :4].any() and gradient[1, 4] > 0 and gradient[1, 5] == 0
    assert gradient[2, 0] != 0 and gradient[2, 4] == 0
    (alone,) = torch.autograd.grad(displacement_eyes(output[:1], truth[:1]).sum() / 2, output)
    assert torch.allclose(gradient[0, :4], alone[0, :4])


def test_stopped_run_is_bit_equal_after_resume(celeba: Path, tmp_path: Path) -> None:
    listing = list_celeba(celeba)
    whole = fit_aligner(TINY, listing, tmp_path / "whole")
    fit_aligner(TINY, listing, tmp_path / "stopped", stop_nimg=128)
    resumed = fit_aligner(TINY, listing, tmp_path / "stopped")
    for part, tensors in read_state(whole)[0].items():
        assert all(torch.equal(v, read_state(resumed)[0][part][k]) for k, v in tensors.items()), part
    further = fit_aligner(TINY, listing, tmp_path / "further", start=tmp_path / "whole", stop_nimg=64)
    assert read_state(further)[2] == 64
    net = load_aligner(tmp_path / "whole")
    assert net(torch.rand(2, 3, 64, 64)).shape == (2, 6) and not net.training


def test_a_frame_on_the_canvas_lies_where_its_truth_says() -> None:
    frame = np.zeros((218, 178, 3), np.uint8)
    for x, y in REFERENCE_POINTS * 178 + (0, 20):
        cv2.circle(frame, (round(x - 0.5), round(y - 0.5)), 5, (255, 255, 255), -1)
    rng = np.random.default_rng(4)
    for _ in range(10):
        photo, truth = place_frame(frame, rng)
        points = truth.in_photo(REFERENCE_POINTS)
        assert all(photo[int(y), int(x)].min() > 150 for x, y in points)
    varied, moved = vary(photo, truth, 20, 0.7, 1.3)
    points = moved.in_photo(REFERENCE_POINTS)
    assert all(varied[int(y), int(x)].min() > 150 for x, y in points)


def test_errors_are_measured_on_eyes_and_mouth() -> None:
    truth = Alignment(Square(100, 100, 80, 0.2).matrix(), found=True)
    assert errors(truth, truth) == (0.0, 0.0)
    eye_distance = 80 * np.linalg.norm(REFERENCE_POINTS[0] - REFERENCE_POINTS[1])
    moved, turn = errors(Alignment(Square(100 + eye_distance / 4, 100, 80, 0.2).matrix(), found=True), truth)
    assert moved == pytest.approx(25) and turn == 0
    assert errors(Alignment(Square(100, 100, 80, 0.3).matrix(), found=True), truth)[1] == pytest.approx(math.degrees(0.1))
    start = rough_start(truth, np.random.default_rng(0))
    assert errors(start, truth)[0] > 5
    assert summary([(1.0, 2.0), None, (3.0, 4.0), (500.0, 0.0)]) == {
        "found": 0.5,
        "error_median": 2.0,
        "error_95": 2.9,
        "turn_deg_median": 3.0,
    }


def test_a_frame_of_another_size_is_named(celeba: Path, tmp_path: Path) -> None:
    listing = list_celeba(celeba)
    wrong = tmp_path / "wrong.png"
    cv2.imwrite(str(wrong), np.zeros((100, 100, 3), np.uint8))
    listing.files[3] = wrong
    with pytest.raises(ValueError, match=r"wrong\.png is not a CelebA frame of 178 × 218 px"):
        fit_aligner(TINY, listing, tmp_path / "run")
