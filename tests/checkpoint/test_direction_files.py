"""Directions come back from files as they were; anything else is refused by name, and nothing is unpickled."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from facevae.checkpoint.direction_files import read_directions, write_directions
from facevae.latent.directions import Direction

PLANTED = [
    Direction("Dimples", "examples", torch.tensor([0.6, 0.8, 0.0]), 2.0, -1.5, 3.0, 0.75, ("sure", "density"), {"Smiling": 0.5}),
    Direction("PC 2", "pca", torch.tensor([0.0, 0.0, 1.0]), 0.5, -3.0, 3.0, 0.5),
]


@pytest.mark.parametrize("ending", [".safetensors", ".json"])
def test_what_is_written_is_read(tmp_path: Path, ending: str) -> None:
    table, _ = write_directions(tmp_path / "mine", PLANTED)
    (found, other) = read_directions(tmp_path / f"mine{ending}", 3)
    assert torch.allclose(found.step, PLANTED[0].step) and found.estimator == other.estimator == "imported"
    assert (found.low, found.high, found.auroc, found.limits, found.leakage) == (-1.5, 3.0, 0.75, ("sure", "density"), {"Smiling": 0.5})
    (tmp_path / "mine.json").unlink()  # the table is inside
    assert [d.name for d in read_directions(table, 3)] == ["Dimples", "PC 2"]


def test_a_plain_array_is_a_step_of_one_sigma(tmp_path: Path) -> None:
    np.save(tmp_path / "tilt.npy", np.array([[0.0, 3.0, 4.0], [1.0, 0.0, 0.0]]))
    first, second = read_directions(tmp_path / "tilt.npy", 3)
    assert first.name == "tilt 1" and second.name == "tilt 2"
    assert first.sigma == 5.0 and torch.equal(first.step, torch.tensor([0.0, 3.0, 4.0]))


def spoil(folder: Path, kind: str) -> Path:
    """A file of directions with one fault."""
    path = write_directions(folder / "bad", PLANTED)[0]
    if kind == "zeros":
        np.save(folder / "bad.npy", np.zeros(3))
    elif kind == "pickle":
        (folder / "bad.npy").write_bytes(pickle.dumps({"a": 1}))
    elif kind == "objects":
        np.save(folder / "bad.npy", np.array([{"a": 1}], dtype=object))
    elif kind == "nan":
        np.save(folder / "bad.npy", np.array([np.nan, 0, 0]))
    elif kind == "truncated":
        path.write_bytes(path.read_bytes()[:-4])
    elif kind == "table":
        save_file({"x": torch.ones(3)}, path, {"directions": "{}"})
    elif kind == "numbers":
        save_file({"x": torch.ones(3)}, path, {"directions": '{"x": {"estimator": "a", "sigma": -1, "low": 0, "high": 1, "auroc": 0.5}}'})
    return folder / "bad.npy" if (folder / "bad.npy").is_file() else path


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("zeros", "bad is all zeros"),
        ("pickle", r"bad\.npy is not a NumPy file"),
        ("objects", r"bad\.npy is not a NumPy file"),
        ("nan", r"bad\.npy holds values that are not finite"),
        ("truncated", r"bad\.safetensors is not a safetensors file"),
        ("table", "other directions than it holds"),
        ("numbers", "x needs finite numbers, a sigma above 0"),
    ],
)
def test_faults_are_named(tmp_path: Path, kind: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        read_directions(spoil(tmp_path, kind), 3)


def test_a_direction_of_another_checkpoint_is_refused(tmp_path: Path) -> None:
    path = write_directions(tmp_path / "mine", PLANTED)[0]
    with pytest.raises(ValueError, match="Dimples has 3 values, the checkpoint expects 512"):
        read_directions(path, 512)
    with pytest.raises(ValueError, match="must end in"):
        read_directions(tmp_path / "mine.txt", 3)
