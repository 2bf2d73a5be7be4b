"""A checkpoint comes back as it was, and anything else is refused by name."""

import json
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from facevae.checkpoint.checkpoint import EMBEDDED, FILES, FORMAT, OPTIONAL, Checkpoint, LabelStatistics, save_checkpoint
from facevae.checkpoint.manifest import read_manifest, write_manifest
from facevae.checkpoint.verify import verify
from facevae.editor import Editor
from facevae.latent.conditional_flow import ConditionalFlow
from facevae.nets.detail import DetailNet
from facevae.nets.hair import HairNet
from facevae.nets.judge import Judge, JudgeConfig
from facevae.nets.residual_unet import ResidualUNetConfig
from facevae.nets.velocity import VelocityConfig

FLOW = VelocityConfig(latent=6, labels=8, width=8, hidden=8, blocks=2)


@pytest.fixture
def folder(tiny_checkpoint: Checkpoint, tmp_path: Path) -> Path:
    save_checkpoint(tmp_path / "tiny", tiny_checkpoint)
    return tmp_path / "tiny"


def relist(folder: Path) -> None:
    """Make config.json and the manifest list the files as they are now, so that the check behind the hash is reached."""
    import hashlib

    config = json.loads((folder / "config.json").read_text())
    config["files"] = {n: hashlib.sha256((folder / n).read_bytes()).hexdigest() for n in config["files"]}
    (folder / "config.json").write_text(json.dumps(config))
    write_manifest(folder, FORMAT)


def test_save_load_save_is_equal(folder: Path, tmp_path: Path) -> None:
    once = Checkpoint.from_pretrained(folder)
    digest = save_checkpoint(tmp_path / "again", once)
    twice = Checkpoint.from_pretrained(tmp_path / "again")
    assert digest == once.digest == twice.digest
    for name in ("net", "classifier", "aligner", "parser"):
        a, b = getattr(once, name), getattr(twice, name)
        assert a.config == b.config and all(torch.equal(v, b.state_dict()[k]) for k, v in a.state_dict().items())
    assert once.directions["Smiling"].high == 4.0
    assert torch.equal(once.directions["Male"].vector, twice.directions["Male"].vector)
    assert torch.equal(once.prior.cholesky, twice.prior.cholesky)
    assert once.hair.any() and torch.equal(once.hair, twice.hair)


@pytest.mark.parametrize("name", ["config.json", "manifest.json", *FILES])
def test_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ValueError, match=f"lacks {name}"):
        Checkpoint.from_pretrained(folder)


@pytest.mark.parametrize("name", FILES)
def test_changed_file_is_named(folder: Path, name: str) -> None:
    raw = bytearray((folder / name).read_bytes())
    raw[len(raw) // 2] ^= 1
    (folder / name).write_bytes(raw)
    with pytest.raises(ValueError, match=f"{name} is not the file that (config|manifest).json lists"):
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
        (lambda c: c.update(format=99), "checkpoint format 99, this version of facevae reads 6: update facevae"),
        (lambda c: c.update(format=5), "checkpoint format 5, this version of facevae reads 6: export it again"),
        (lambda c: c.pop("prior"), "lacks prior"),
        (lambda c: c["prior"].update(kind="oracle"), "there is no prior of kind 'oracle'; known are mixture and flow"),
        (lambda c: c["prior"].update(layers=3), "prior has unknown keys: layers"),
        (lambda c: c.update(prior=[]), "prior must be an object"),
        (lambda c: c["net"].update(depth=3), "net has unknown keys: depth"),
        (lambda c: c["net"].update(widths=[7, 16]), "not multiples of groups"),
        (lambda c: c.pop("classifier"), "lacks classifier"),
        (lambda c: c["aligner"].update(size=60), "size 60 cannot be halved 3 times"),
        (lambda c: c.pop("parser"), "lacks parser"),
        (lambda c: c["parser"].update(size=30), "size 30 cannot be halved 2 times"),
    ],
)
def test_wrong_config_is_named(folder: Path, change, message: str) -> None:
    config = json.loads((folder / "config.json").read_text())
    change(config)
    (folder / "config.json").write_text(json.dumps(config))
    write_manifest(folder, FORMAT)
    with pytest.raises(ValueError, match=message):
        Checkpoint.from_pretrained(folder)


@pytest.fixture
def flow_folder(tiny_checkpoint: Checkpoint, tmp_path: Path) -> Path:
    """A checkpoint whose prior is a flow that is far from new."""
    flow = ConditionalFlow(FLOW, components=3).eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(0)
    for parameter in flow.parameters():
        parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    flow.mean.copy_(torch.randn(6, generator=generator))
    flow.cholesky.copy_(torch.randn(6, 6, generator=generator).tril(-1) + torch.eye(6))
    save_checkpoint(tmp_path / "flow", replace(tiny_checkpoint, prior=flow))
    return tmp_path / "flow"


def test_flow_comes_back_as_it_was_saved(flow_folder: Path, tmp_path: Path) -> None:
    once = Checkpoint.from_pretrained(flow_folder)
    digest = save_checkpoint(tmp_path / "again", once)
    twice = Checkpoint.from_pretrained(tmp_path / "again")
    assert digest == once.digest == twice.digest
    assert isinstance(once.prior, ConditionalFlow) and once.prior.config == twice.prior.config == FLOW
    assert not once.prior.training
    assert all(torch.equal(v, twice.prior.state_dict()[k]) for k, v in once.prior.state_dict().items())
    assert torch.equal(once.prior.from_seed(3), twice.prior.from_seed(3))
    exact = [k for k, v in load_file(flow_folder / "prior.safetensors").items() if v.dtype != torch.float16]
    assert sorted(exact) == ["cholesky", "label_weights", "mean"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("cholesky"), r"prior\.safetensors.*Missing key.*cholesky"),
        (lambda t: t.update(extra=torch.zeros(1)), r"prior\.safetensors.*Unexpected key.*extra"),
        (lambda t: t.update(mean=torch.zeros(5)), r"prior\.safetensors.*size mismatch for mean"),
        (
            lambda t: t["net.outlet.bias"].fill_(float("nan")),
            r"prior\.safetensors: net\.outlet\.bias holds values that are not finite",
        ),
        (lambda t: t["cholesky"].fill_(0), r"prior\.safetensors: diagonal of cholesky must be above 0"),
        (lambda t: t["label_cholesky"].fill_(0), r"prior\.safetensors: diagonal of label_cholesky must be above 0"),
        (lambda t: t["label_weights"].fill_(0.5), r"prior\.safetensors: label_weights must be at least one share, together 1"),
        (lambda t: t.update(label_weights=torch.ones(1)), r"prior\.safetensors.*size mismatch for label_means"),
        (lambda t: t.pop("label_weights"), r"prior\.safetensors.*Missing key.*label_weights"),
    ],
)
def test_wrong_flow_is_named(flow_folder: Path, change, message: str) -> None:
    tensors = load_file(flow_folder / "prior.safetensors")
    change(tensors)
    save_file(tensors, flow_folder / "prior.safetensors")
    relist(flow_folder)
    with pytest.raises(ValueError, match=message):
        Checkpoint.from_pretrained(flow_folder)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"latent": 7}, "the prior has latents of 7 values, the net has 6"),
        ({"labels": 7}, r"prior\.safetensors.*size mismatch"),
        ({"blocks": 4}, r"prior\.safetensors.*Missing key"),
        ({"blocks": "4"}, "prior: blocks must be whole numbers"),
        ({"width": 8192}, "prior: width must be whole numbers from 1 to 4096"),
        ({"depth": 4}, "prior has unknown keys: depth"),
        ({"kind": "mixture"}, "prior has unknown keys: blocks, hidden, labels, latent, width"),
    ],
)
def test_wrong_flow_config_is_named(flow_folder: Path, values: dict, message: str) -> None:
    config = json.loads((flow_folder / "config.json").read_text())
    config["prior"].update(values)
    (flow_folder / "config.json").write_text(json.dumps(config))
    write_manifest(flow_folder, FORMAT)
    with pytest.raises(ValueError, match=message):
        Checkpoint.from_pretrained(flow_folder)


def test_embedded_checkpoint_loads() -> None:
    checkpoint = Checkpoint.from_pretrained()
    assert json.loads((EMBEDDED / "config.json").read_text())["format"] == FORMAT
    assert torch.isfinite(checkpoint.prior.from_seed(0)).all()
    assert set(read_manifest(EMBEDDED)) == {"config.json", *FILES, *OPTIONAL}


def test_embedded_checkpoint_is_saved_as_it_was(tmp_path: Path) -> None:
    """Byte by byte: recipes name a checkpoint by the hash of its files."""
    save_checkpoint(tmp_path / "again", Checkpoint.from_pretrained())
    for path in sorted(EMBEDDED.iterdir()):
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes(), path.name


def test_numbers_beyond_float16_are_saved_exactly(tiny_checkpoint: Checkpoint, tmp_path: Path) -> None:
    net = deepcopy(tiny_checkpoint.net)
    net.decoder.stem.weight.view(-1)[0] = 1e5
    save_checkpoint(tmp_path / "large", replace(tiny_checkpoint, net=net))
    assert Checkpoint.from_pretrained(tmp_path / "large").net.decoder.stem.weight.view(-1)[0] == 1e5


@pytest.mark.parametrize("name", ["skin", "hair"])
def test_moves_of_another_latent_are_refused(tiny_checkpoint: Checkpoint, tmp_path: Path, name: str) -> None:
    save_checkpoint(tmp_path / "odd", replace(tiny_checkpoint, **{name: torch.zeros(3, 5)}))
    with pytest.raises(ValueError, match=rf"{name}\.safetensors: \w+ has shape \(3, 5\), expected \(3, 6\)"):
        Checkpoint.from_pretrained(tmp_path / "odd")


def test_what_is_measured_must_be_readable_again(tiny_checkpoint: Checkpoint, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"evaluation\.json.*NaN is no number"):
        save_checkpoint(tmp_path / "nan", replace(tiny_checkpoint, evaluation={"edits": {"success": float("nan")}}))
    assert not (tmp_path / "nan").exists()


def test_the_card_may_be_written_anew(folder: Path) -> None:
    before = Checkpoint.from_pretrained(folder)
    (folder / "README.md").write_text("# another card")
    write_manifest(folder, FORMAT)
    after = Checkpoint.from_pretrained(folder)
    assert (after.card, after.digest) == ("# another card", before.digest)


def test_other_files_are_neither_opened_nor_a_fault(folder: Path) -> None:
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    assert verify(folder) == []


def test_what_is_neither_folder_nor_hub_name() -> None:
    with pytest.raises(ValueError, match="neither a checkpoint folder nor a Hub name"):
        Checkpoint.from_pretrained("/no/such/folder")


def test_hub_name_without_network_ends_in_one_sentence() -> None:
    """HF_HUB_OFFLINE is set by conftest."""
    with pytest.raises(ValueError, match="HF_HUB_OFFLINE is set.*not in the cache"):
        Checkpoint.from_pretrained("facevae/no-such-model")


@pytest.fixture
def whole(tiny_checkpoint: Checkpoint, tmp_path: Path) -> Path:
    """A folder with the optional files, too."""
    attributes = tiny_checkpoint.classifier.config.attributes
    a = len(attributes)
    labels = LabelStatistics(torch.eye(a), torch.ones(a), torch.full((a,), 2.0))
    judge = Judge(JudgeConfig(attributes, 16, (4, 8))).eval().requires_grad_(False)
    detail, hair_net = (make(ResidualUNetConfig((4, 8), 1, 4)).eval() for make in (DetailNet, HairNet))
    save_checkpoint(
        tmp_path / "whole", replace(tiny_checkpoint, judge=judge, detail=detail, hair_net=hair_net, labels=labels, skin=torch.ones(3, 6))
    )
    return tmp_path / "whole"


def test_what_is_optional_comes_back_too(whole: Path, tiny_checkpoint: Checkpoint) -> None:
    found = Checkpoint.from_pretrained(whole)
    for net in (found.detail, found.hair_net):
        assert net is not None and net.config == ResidualUNetConfig((4, 8), 1, 4)
    assert found.judge is not None and found.labels is not None and torch.equal(found.skin, torch.ones(3, 6))
    assert torch.equal(found.labels.judge_spread, torch.full((8,), 2.0))
    # Overwritten with a checkpoint that has no judge, nothing of the old one stays.
    save_checkpoint(whole, tiny_checkpoint)
    left = Checkpoint.from_pretrained(whole)
    assert left.judge is None and left.detail is None and left.hair_net is None
    assert not [name for name in OPTIONAL if (whole / name).exists()]


@pytest.mark.parametrize("name", OPTIONAL)
def test_an_optional_file_that_is_listed_must_be_there(whole: Path, name: str) -> None:
    (whole / name).unlink()
    with pytest.raises(ValueError, match=f"lacks {name}"):
        Checkpoint.from_pretrained(whole)


def test_a_judge_of_other_attributes_is_refused(whole: Path) -> None:
    config = json.loads((whole / "config.json").read_text())
    config["judge"]["attributes"] = list(reversed(config["judge"]["attributes"]))
    (whole / "config.json").write_text(json.dumps(config))
    write_manifest(whole, FORMAT)
    with pytest.raises(ValueError, match="other attributes than the classifier"):
        Checkpoint.from_pretrained(whole)


@pytest.mark.parametrize(
    "change",
    [{"low": "x"}, {"sigma": 0}, {"low": 9.0}, {"high": float("nan")}, {"leakage": {"Male": None}}, {"surprise": 1}],
)
def test_a_direction_without_sense_is_named(folder: Path, change: dict) -> None:
    table = json.loads((folder / "directions.json").read_text())
    table["Smiling"] |= change
    (folder / "directions.json").write_text(json.dumps(table))
    relist(folder)
    with pytest.raises(ValueError, match="direction Smiling|NaN is no number"):
        Checkpoint.from_pretrained(folder)


def test_a_reader_comes_back_and_reads(tiny_checkpoint: Checkpoint, tmp_path: Path) -> None:
    """Where a face stands is read along the reader, not along the step that moves it."""
    smile = tiny_checkpoint.directions["Smiling"]
    reader = tiny_checkpoint.directions["Male"].step
    save_checkpoint(tmp_path / "tiny", replace(tiny_checkpoint, directions={"Smiling": replace(smile, reader=reader), "Male": smile}))
    editor = Editor(tmp_path / "tiny")
    assert torch.equal(editor.directions["Smiling"].reader, reader) and editor.directions["Male"].reader is None
    (face,) = editor.generate([1])
    along = torch.from_numpy(face.latent) - editor.checkpoint.prior.mean
    expected = along @ torch.cholesky_solve(reader[:, None], editor.checkpoint.cholesky)[:, 0]
    assert editor.scores(face)["Smiling"] == pytest.approx(float(expected), abs=1e-4)
