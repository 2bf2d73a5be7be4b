"""The table of docs/milestones.md holds what was measured, and only what can be compared."""

import copy
import json
from pathlib import Path

import pytest

from facevae.checkpoint.checkpoint import Checkpoint
from train.__main__ import main
from train.publish.milestones import keep_milestone, milestones


@pytest.fixture(scope="module")
def embedded() -> dict:
    return Checkpoint.from_pretrained().evaluation


def test_a_row_is_added_once_and_measured_anew_in_its_place(embedded: dict, tmp_path: Path) -> None:
    path, later = tmp_path / "kept.json", copy.deepcopy(embedded)
    later["protocol"]["reconstruction"]["psnr_db"] = 12.345
    for says, evaluation in (("half", embedded), ("wide", embedded), ("half", later)):
        keep_milestone(says, evaluation, path)
    kept = json.loads(path.read_text())
    assert [row["says"] for row in kept] == ["half", "wide"]
    half, wide, last = milestones(kept, embedded).splitlines()[-3:]
    assert half.startswith(f"| half | {embedded['training']['nimg']:,} | 12.35 |") and wide.startswith("| wide |")
    assert last.startswith("| **embedded** |") and last.split("|")[2:] == wide.split("|")[2:]


@pytest.mark.parametrize("change", [{"judge": "0" * 12}, {"n": 1000}, {"split": "valid"}, {"version": 0}])
def test_what_cannot_be_compared_is_refused(embedded: dict, tmp_path: Path, change: dict) -> None:
    path = tmp_path / "kept.json"
    keep_milestone("half", embedded, path)
    before = path.read_text()
    with pytest.raises(ValueError, match="'half' was measured otherwise"):
        keep_milestone("other", embedded | {"protocol": embedded["protocol"] | change}, path)
    with pytest.raises(ValueError, match="only what the protocol measured"):
        keep_milestone("other", {"training": embedded["training"]}, path)
    assert path.read_text() == before


def test_only_the_protocol_makes_a_row(capsys: pytest.CaptureFixture) -> None:
    assert main(["evaluate", "edits", "--keep", "half"]) == 2
    assert '--keep is for "run" and "protocol"' in capsys.readouterr().err
