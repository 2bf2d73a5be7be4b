"""`python -m train hair`: a checkpoint, also one of the format before, gets a parser and slopes and is otherwise as it was."""

import json
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from facevae.checkpoint.checkpoint import Checkpoint, save_checkpoint
from facevae.checkpoint.manifest import write_manifest
from train.__main__ import main
from train.data.parsing import HAIR
from train.data.prepared import PreparedData


@pytest.fixture
def former(tiny_checkpoint: Checkpoint, tmp_path: Path) -> Path:
    """A folder of format 5."""
    folder = tmp_path / "former"
    save_checkpoint(folder, tiny_checkpoint)
    config = json.loads((folder / "config.json").read_text()) | {"format": 5}
    del config["parser"]
    for name in ("parser.safetensors", "hair.safetensors"):
        (folder / name).unlink()
        del config["files"][name]
    (folder / "config.json").write_text(json.dumps(config))
    write_manifest(folder, 5)
    return folder


@pytest.fixture
def all_hair(tiny_checkpoint: Checkpoint, tmp_path: Path) -> Path:
    """A checkpoint whose parser calls everything hair."""
    parser = deepcopy(tiny_checkpoint.parser)
    parser.sharpen.bias[HAIR] = 1000
    save_checkpoint(tmp_path / "all-hair", replace(tiny_checkpoint, parser=parser))
    return tmp_path / "all-hair"


def test_a_folder_of_the_former_format_becomes_one_of_this(
    former: Path, all_hair: Path, data: PreparedData, tiny_checkpoint: Checkpoint, capsys: pytest.CaptureFixture
) -> None:
    kept = {name: (former / name).read_bytes() for name in ("model.safetensors", "prior.safetensors", "evaluation.json", "README.md")}
    command = ["hair", "--checkpoint", str(former), "--parser", str(all_hair), "--data", str(data.folder), "--faces", "40"]
    with pytest.raises(ValueError, match="export it again"):
        Checkpoint.from_pretrained(former)
    assert main(command) == 0
    said = capsys.readouterr().out
    assert said.count("R² ") == 3 and "L*  R²" in said
    found = Checkpoint.from_pretrained(former)
    assert found.digest in said
    assert found.parser.config == tiny_checkpoint.parser.config and found.parser.sharpen.bias[HAIR] == 1000
    assert found.hair.any() and torch.isfinite(found.hair).all()
    assert {name: (former / name).read_bytes() for name in kept} == kept
    # Again, on what is of this format now: the same parser, the same slopes.
    assert main(command) == 0
    again = Checkpoint.from_pretrained(former)
    assert torch.equal(again.hair, found.hair)
    for name, direction in found.directions.items():  # held once more, which only rounds
        assert torch.allclose(again.directions[name].step, direction.step, atol=1e-5)


def test_a_spoiled_folder_of_the_former_format_is_refused_and_stays(
    former: Path, all_hair: Path, data: PreparedData, capsys: pytest.CaptureFixture
) -> None:
    (former / "skin.safetensors").write_bytes((former / "skin.safetensors").read_bytes()[:-1] + b"!")
    before = {path.name: path.read_bytes() for path in former.iterdir()}
    assert main(["hair", "--checkpoint", str(former), "--parser", str(all_hair), "--data", str(data.folder)]) == 2
    assert "skin.safetensors is not the file that config.json lists" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in former.iterdir()} == before
