"""A checkpoint comes back as it was, and anything else is refused by name."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from facevae.checkpoint import FILES, Checkpoint, save_checkpoint


@pytest.fixture
def folder(tiny_checkpoint: Checkpoint, tmp_path: Path) -> Path:
    save_checkpoint(tmp_path / "tiny", tiny_checkpoint)
    return tmp_path / "tiny"


def relist(folder: Path) -> None:
    """Make config.json list the files as they are now, so that the check behind the hash is reached."""
    import hashlib

    config = json.loads((folder / "config.json").read_text())
    config["files"] = {n: hashlib.sha256((folder / n).read_bytes()).hexdigest() for n in FILES}
    (folder / "config.json").write_text(json.dumps(config))


def test_save_load_save_is_equal(folder: Path, tmp_path: Path) -> None:
    once = Checkpoint.from_pretrained(folder)
    digest = save_checkpoint(tmp_path / "again", once)
    twice = Checkpoint.from_pretrained(tmp_path / "again")
    assert digest == once.digest == twice.digest
    for a, b in ((once.net, twice.net), (once.classifier, twice.classifier), (once.aligner, twice.aligner)):
        assert all(torch.equal(v, b.state_dict()[k]) for k, v in a.state_dict().items())
    assert once.directions["Smiling"].high == 4.0
    assert torch.equal(once.directions["Male"].vector, twice.directions["Male"].vector)
    assert torch.equal(once.prior.cholesky, twice.prior.cholesky)


@pytest.mark.parametrize("name", ["config.json", *FILES])
def test_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ValueError, match=f"lacks {name}"):
        Checkpoint.from_pretrained(folder)


@pytest.mark.parametrize("name", FILES)
def test_changed_file_is_named(folder: Path, name: str) -> None:
    raw = bytearray((folder / name).read_bytes())
    raw[len(raw) // 2] ^= 1
    (folder / name).write_bytes(raw)
    with pytest.raises(ValueError, match=f"{name} is not the file that config.json lists"):
        Checkpoint.from_pretrained(folder)


def test_truncated_weights(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    relist(folder)
    with pytest.raises(ValueError, match=r"model\.safetensors is not a safetensors file"):
        Checkpoint.from_pretrained(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("decoder.stem.bias"), r"Missing key.*decoder\.stem\.bias"),
        (lambda t: t.update(extra=torch.zeros(1)), r"Unexpected key.*extra"),
        (lambda t: t.update({"decoder.stem.bias": torch.zeros(3)}), r"size mismatch for decoder\.stem\.bias"),
        (
            lambda t: t.update({"decoder.stem.bias": t["decoder.stem.bias"] * float("nan")}),
            r"decoder\.stem\.bias holds values that are not finite",
        ),
    ],
)
def test_wrong_weights_are_named(folder: Path, change, message: str) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")
    relist(folder)
    with pytest.raises(ValueError, match=message):
        Checkpoint.from_pretrained(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(format=99), "checkpoint format 99, this version of facevae reads 2: export it again"),
        (lambda c: c["net"].update(depth=3), "net has unknown keys: depth"),
        (lambda c: c["net"].update(widths=[7, 16]), "not multiples of groups"),
        (lambda c: c.pop("classifier"), "lacks classifier"),
        (lambda c: c["aligner"].update(size=60), "size 60 cannot be halved 3 times"),
    ],
)
def test_wrong_config_is_named(folder: Path, change, message: str) -> None:
    config = json.loads((folder / "config.json").read_text())
    change(config)
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=message):
        Checkpoint.from_pretrained(folder)


def test_what_is_neither_folder_nor_hub_name() -> None:
    with pytest.raises(ValueError, match="neither a checkpoint folder nor a Hub name"):
        Checkpoint.from_pretrained("/no/such/folder")


def test_hub_name_without_network_ends_in_one_sentence() -> None:
    """HF_HUB_OFFLINE is set by conftest."""
    with pytest.raises(ValueError, match="not in the local cache|could not be downloaded"):
        Checkpoint.from_pretrained("facevae/no-such-model")
