"""A push to the Hub and back: the same picture, one commit, gone on with after it stopped."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hub_server import Hub

from facevae.checkpoint.checkpoint import EMBEDDED, Checkpoint, save_checkpoint
from facevae.checkpoint.hub import fetch, source_of
from facevae.checkpoint.manifest import CARD, MANIFEST
from facevae.checkpoint.verify import verify
from facevae.editor import Editor
from facevae.nets.judge import Judge, JudgeConfig
from train.__main__ import main
from train.publish.push import SHEET, prepare_push, send

REPO = "me/tiny"


@pytest.fixture(scope="module")
def folder(tiny_checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("to-push") / "tiny"
    save_checkpoint(found, tiny_checkpoint)
    return found


def test_push_and_pull_give_the_same_picture(hub: Hub, folder: Path, capsys) -> None:
    assert main(["push", REPO, "--checkpoint", str(folder)]) == 0
    commit = hub.refs[REPO]["main"]
    assert f"pushed: {REPO}@{commit}" in capsys.readouterr().out
    here, there = Editor(folder), Editor(f"{REPO}@{commit}")
    for a, b in zip(here.generate([1, 2]), there.generate([1, 2]), strict=True):
        assert np.array_equal(here.edit(a, {"Smiling": 2.0}).photo, there.edit(b, {"Smiling": 2.0}).photo)
    assert here.checkpoint.digest == there.checkpoint.digest
    recipe = there.recipe(there.generate([1])[0]).as_json()
    assert recipe["checkpoint"] == {"name": f"{REPO}@{commit}", "sha256": here.checkpoint.digest}
    assert verify(fetch(source_of(f"{REPO}@{commit}")).folder) == []


def test_the_card_says_what_is_pushed(hub: Hub) -> None:
    """The embedded checkpoint has been measured: its card has data, licence, tables, and the faces that it draws."""
    push = prepare_push(EMBEDDED, "me/faces")
    card = push.files[CARD].decode()
    for words in (
        "license: other",
        "# faces\n",
        "## Data and licence",
        "## Protocol",
        "| real faces, the floor |",
        f"]({SHEET})",
        "me/faces",
    ):
        assert words in card
    assert push.files[SHEET].startswith(b"\xff\xd8\xff")
    assert push.files["config.json"] == (EMBEDDED / "config.json").read_bytes()
    assert json.loads(push.files[MANIFEST])["files"][CARD]["bytes"] == len(push.files[CARD])


def test_a_push_that_stopped_goes_on(hub: Hub, folder: Path, capsys) -> None:
    hub.stop_after = 3
    assert main(["push", REPO, "--checkpoint", str(folder)]) == 2
    assert "me/tiny was not pushed (Error while uploading" in capsys.readouterr().err
    assert set(hub.repos[REPO][hub.refs[REPO]["main"]]) == {".gitattributes"}  # no half of a checkpoint
    hub.stop_after, before = None, set(hub.stored)
    hub.asked.clear()
    assert main(["push", REPO, "--checkpoint", str(folder)]) == 0
    assert len(before) == 3 and not [line for line in hub.asked if line.removeprefix("PUT /lfs/") in before]
    Checkpoint.from_pretrained(REPO)
    # And once more: nothing is sent, nothing changes.
    commit = hub.refs[REPO]["main"]
    hub.asked.clear()
    assert send(prepare_push(folder, REPO), private=False).revision == commit
    assert not [line for line in hub.asked if line.startswith("PUT")]


def test_what_another_checkpoint_left_there_goes(hub: Hub, folder: Path, tiny_checkpoint: Checkpoint, tmp_path: Path) -> None:
    judge = Judge(JudgeConfig(tiny_checkpoint.classifier.config.attributes, 16, (4, 8))).eval()
    save_checkpoint(tmp_path / "judged", replace(tiny_checkpoint, judge=judge))
    send(prepare_push(tmp_path / "judged", REPO), private=False)
    source = send(prepare_push(folder, REPO), private=False)
    assert "judge.safetensors" not in hub.repos[REPO][source.revision]
    assert Checkpoint.from_pretrained(REPO).judge is None


def test_private_is_kept(hub: Hub, folder: Path) -> None:
    send(prepare_push(folder, REPO), private=True)
    assert hub.private[REPO]
    hub.private[REPO] = False
    with pytest.raises(ValueError, match="is there already and public: nothing was sent"):
        send(prepare_push(folder, REPO), private=True)


@pytest.mark.parametrize(
    ("refuse", "message"),
    [
        ({"POST /api/repos/create": (401, "")}, "does not let you write to me/tiny"),
        ({"POST /api/models": (403, "")}, "does not let you write to me/tiny"),
        ({"POST /api/repos/create": (400, "")}, "answered 400"),
    ],
)
def test_what_the_hub_refuses_is_one_sentence(hub: Hub, folder: Path, refuse: dict, message: str) -> None:
    hub.refuse = refuse
    with pytest.raises(ValueError, match=message) as caught:
        send(prepare_push(folder, REPO), private=False)
    assert "\n" not in str(caught.value)


def test_dry_run_lists_the_files_and_asks_nobody(hub: Hub, folder: Path, capsys) -> None:
    assert main(["push", REPO, "--checkpoint", str(folder), "--private", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in ("model.safetensors", MANIFEST, SHEET, "private if it has to be created"))
    assert hub.asked == []


def test_only_a_whole_checkpoint_is_pushed(hub: Hub, folder: Path, tmp_path: Path, capsys) -> None:
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    assert main(["push", REPO, "--checkpoint", str(tmp_path)]) == 2
    assert "lacks manifest.json: only a whole checkpoint is pushed" in capsys.readouterr().err
    assert main(["push", "no-owner", "--checkpoint", str(folder)]) == 2
    assert "no-owner is no name on the Hub" in capsys.readouterr().err
    assert hub.asked == []
