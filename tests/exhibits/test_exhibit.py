"""An exhibit comes back as it was, anything else is refused by name; and what is drawn from it lies where it should."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from facevae.exhibits import views
from facevae.exhibits.exhibit import EMBEDDED, Description, DirectionScores, Exhibit, Space, load_exhibit, load_exhibits, save_exhibit
from facevae.nets.convolutional import ConvolutionalConfig, ConvolutionalVAE
from facevae.nets.ppca import PPCA

NET = ConvolutionalConfig(height=8, width=8, encoder=((4, 3, 2),), decoder=((1, 3, 2),), latent=5, channels=1)
NAMES = ["Smiling", "Male"]


@pytest.fixture
def exhibit() -> Exhibit:
    """Random weights, statistics of random latents."""
    rng = np.random.default_rng(0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = ConvolutionalVAE(NET).eval().requires_grad_(False)
    z = (rng.normal(size=(400, 5)) * [3, 1, 2, 0.5, 1] + 1).astype(np.float32)
    labels = (z[:, [0, 1]] > 1).astype(np.uint8)
    values, vectors = np.linalg.eigh(np.cov(z.T))
    basis, spread = vectors.T[::-1], np.sqrt(values[::-1])
    arrays = {
        "mean": z.mean(0),
        "basis": basis,
        "spread": spread,
        "points": (z[:50] - z.mean(0)) @ basis[:2].T,
        "class_means": np.stack([[z[c == 0].mean(0), z[c == 1].mean(0)] for c in labels.T]),
        "correlation": np.corrcoef(np.column_stack([labels, z]).T)[:2, 2:],
        "steps": rng.normal(size=(1, 5)),
    }
    # What is kept in float16 is rounded here, so that saving can be compared exactly.
    arrays |= {k: arrays[k].astype(np.float16) for k in ("points", "class_means", "correlation")}
    space = Space(**{k: np.ascontiguousarray(v, np.float32) for k, v in arrays.items()}, labels=labels[:50])
    found = {"Smiling": DirectionScores("centroid", 0.9, {"Smiling": 2.0, "Male": -0.3})}
    curves = {"nimg": [10.0, 20.0], "rate": [1.0, 2.0]}
    about = Description("Tiny", "Random weights.", "vae", (1, 8, 8), 5, 400, 50, 8, 20.0, [0.1, 2.0, 0.3, 1.0, 0.5], NAMES, found, curves)
    return Exhibit("tiny", about, space, net)


@pytest.fixture
def folder(exhibit: Exhibit, tmp_path: Path) -> Path:
    save_exhibit(tmp_path / "tiny", exhibit)
    return tmp_path / "tiny"


def ppca() -> PPCA:
    weights = torch.linalg.qr(torch.randn((64, 5), generator=torch.Generator().manual_seed(1)))[0] * torch.tensor([5.0, 4, 3, 2, 1])
    return PPCA(torch.full((64,), 0.5), weights, torch.tensor(0.04), (1, 8, 8))


def test_save_load_is_equal(exhibit: Exhibit, folder: Path, tmp_path: Path) -> None:
    again = load_exhibit(folder)
    assert again.about == exhibit.about
    assert all(
        np.array_equal(v, getattr(again.space, k)) and v.dtype == getattr(again.space, k).dtype for k, v in vars(exhibit.space).items()
    )
    for key, value in exhibit.model.state_dict().items():
        assert torch.allclose(again.model.state_dict()[key], value, atol=1e-3), key
    save_exhibit(tmp_path / "twice", again)
    assert load_exhibits(tmp_path, exhibit.model)[0].about == exhibit.about


def test_ppca_comes_back(exhibit: Exhibit, tmp_path: Path) -> None:
    kind = replace(exhibit.about, kind="ppca", kl_nats=None, curves={})
    save_exhibit(tmp_path / "p", replace(exhibit, about=kind, model=ppca()))
    model = load_exhibit(tmp_path / "p").model
    assert torch.allclose(model.weights, ppca().weights, atol=5e-3) and model.noise_variance == ppca().noise_variance


def test_weights_of_the_editor_are_not_copied_and_belong_to_one_net(exhibit: Exhibit, tmp_path: Path) -> None:
    save_exhibit(tmp_path / "e" / "own", exhibit, from_checkpoint=True)
    assert not (tmp_path / "e" / "own" / "weights.safetensors").exists()
    assert load_exhibits(tmp_path / "e", exhibit.model)[0].model is exhibit.model
    other = ConvolutionalVAE(NET).eval()
    assert load_exhibits(tmp_path / "e", other) == []
    with pytest.raises(ValueError, match="belongs to the net of another checkpoint"):
        load_exhibit(tmp_path / "e" / "own", other)


@pytest.mark.parametrize("name", ["exhibit.json", "latent.safetensors", "weights.safetensors"])
def test_missing_and_changed_files_are_named(folder: Path, name: str) -> None:
    raw = bytearray((folder / name).read_bytes())
    (folder / name).unlink()
    with pytest.raises(ValueError, match=f"lacks {name}"):
        load_exhibit(folder)
    if name != "exhibit.json":
        raw[-1] ^= 1
        (folder / name).write_bytes(raw)
        with pytest.raises(ValueError, match=f"{name} is not the file that exhibit.json lists"):
            load_exhibit(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(format=9), "format 9, this version of facevae reads 1"),
        (lambda d: d.update(extra=1), "unknown keys: extra"),
        (lambda d: d.pop("curves"), "unknown keys: curves"),
        (lambda d: d.update(kind="gan"), "kind must be one of vae, ae, ppca"),
        (lambda d: d["kl_nats"].pop(), "kl_nats has 4 values, latent is 5"),
        (lambda d: d.update(psnr_db=float("nan")), "not finite"),
        (lambda d: d.update(psnr_db=10**400), "not finite"),
        (lambda d: d.update(title=7), "must be texts"),
        (lambda d: d["curves"].update(rate=[1.0]), "not all as long as nimg"),
        (lambda d: d["directions"]["Smiling"]["leakage"].update(Young=1.0), "names attributes that are not there"),
        (lambda d: d["files"].update({"../x": "0"}), "does not list the files of an exhibit"),
        (lambda d: d["net"].update(latent=6), "unlike the exhibit"),
        (lambda d: d["net"].update(depth=6), "unknown keys: depth"),
        (lambda d: d["net"].update(encoder=[[100_000, 3, 2]]), "weights.safetensors does not fit the net"),
        (lambda d: d.update(shape=[1, 4, 4]), "unlike the exhibit"),
    ],
)
def test_wrong_descriptions_are_refused(folder: Path, change, message: str) -> None:
    described = json.loads((folder / "exhibit.json").read_text())
    change(described)
    (folder / "exhibit.json").write_text(json.dumps(described))
    with pytest.raises(ValueError, match=message):
        load_exhibit(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.update(points=torch.zeros(50, 5)), r"points has shape \(50, 5\), expected \(50, 2\)"),
        (lambda t: t.update(encodings=torch.zeros(50, 5)), "encodings"),
        (lambda t: t.update(mean=t["mean"] * torch.inf), "mean holds values that are not finite"),
    ],
)
def test_wrong_latents_are_refused(folder: Path, change, message: str) -> None:
    path = folder / "latent.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)
    described = json.loads((folder / "exhibit.json").read_text())
    described["files"]["latent.safetensors"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / "exhibit.json").write_text(json.dumps(described))
    with pytest.raises(ValueError, match=message):
        load_exhibit(folder)


def test_a_folder_without_exhibits_is_named(tmp_path: Path, exhibit: Exhibit) -> None:
    with pytest.raises(ValueError, match="holds no exhibit"):
        load_exhibits(tmp_path, exhibit.model)


def test_a_face_at_a_point_lies_at_the_point_and_is_of_its_class(exhibit: Exhibit) -> None:
    space = exhibit.space
    for attribute in (None, "Smiling"):
        z = np.stack([views.at_point(exhibit, i, attribute) for i in range(50)])
        assert np.abs((z - space.mean) @ space.basis[:2].T - space.points).max() < 1e-4
    # Without the noise, everything but the place on the map is the mean of those that have, or lack, the attribute.
    quiet = replace(exhibit, space=replace(space, spread=np.zeros_like(space.spread)))
    at = views.at_point(quiet, 7, "Male")
    own_mean = space.class_means[1, space.labels[7, 1]]
    assert np.abs((at - own_mean) @ space.basis[2:].T).max() < 1e-4
    with pytest.raises(ValueError, match="the map has 50"):
        views.at_point(exhibit, 50, None)


def test_a_traversal_moves_one_dimension_by_its_own_spread(exhibit: Exhibit) -> None:
    start = views.start_latent(exhibit, 3)
    assert np.array_equal(start, views.start_latent(exhibit, 3)) and np.array_equal(views.start_latent(exhibit, None), exhibit.space.mean)
    rows = views.traversal(exhibit, [2, 0], start)
    assert np.array_equal(rows[:, 3], np.stack([start, start]))
    moved = rows[0] - start
    assert not np.delete(moved, 2, axis=1).any()
    assert moved[-1, 2] == pytest.approx(3 * 2, rel=0.1)  # the fixture's third dimension has spread 2, measured on 400 latents
    assert views.order(exhibit) == [1, 3, 4, 2, 0]
    assert views.strongest(exhibit, 2) in ([0, 1], [1, 0])
    assert views.decode(exhibit, rows[0]).shape == (7, 8, 8, 1)


def test_embedded_exhibits_are_small_and_hold_nobody() -> None:
    files = sorted(path.relative_to(EMBEDDED) for path in EMBEDDED.rglob("*") if path.is_file())
    assert {path.name for path in files} == {"exhibit.json", "latent.safetensors", "weights.safetensors"}
    sizes = {path: (EMBEDDED / path).stat().st_size for path in files}
    assert sum(sizes.values()) < 3e6
    assert sum(size for path, size in sizes.items() if path.name == "weights.safetensors") <= 2e6
    for path in EMBEDDED.glob("*/latent.safetensors"):
        tensors = load_file(path)
        about = json.loads((path.parent / "exhibit.json").read_text())
        rows = {k: v.shape[1] for k, v in tensors.items() if v.shape[0] == about["held_out"]}
        assert rows == {"points": 2, "labels": len(about["attributes"])}  # two numbers of each face, never its latent
