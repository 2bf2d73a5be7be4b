"""The identity embedding and its training, on a small net and planted people."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from facevae.files import write_json
from train.data.augment import outputs_of
from train.data.prepared import FORMAT, PreparedData
from train.networks.identity import (
    IdentityConfig,
    IdentityNet,
    IdentityNetConfig,
    PersonBatches,
    fit_identity,
    identity_from,
    load_trained_identity,
    pair_loss,
    pairs_of,
    save_identity,
    verification,
)

TINY = IdentityConfig(
    net=IdentityNetConfig(size=20, window=16, widths=(8, 16, 24), features=8),
    start="none",
    total_nimg=128,
    batch_size=32,
    margin_ramp_nimg=64,
    lr_ramp_nimg=64,
    tick_nimg=64,
    precision="no",
)


@pytest.fixture(scope="module")
def people(tmp_path_factory) -> PreparedData:
    """60 people of 5 photos, 40 of them to train with: coarse patterns, alike on both sides as faces are, under noise and other light."""
    folder, rng = tmp_path_factory.mktemp("people") / "data", np.random.default_rng(0)
    folder.mkdir()
    patterns = rng.uniform(0, 1, (60, 5, 5, 3))
    patterns = ((patterns + patterns[:, :, ::-1]) / 2).repeat(4, axis=1).repeat(4, axis=2)
    photos = patterns.repeat(5, axis=0) + rng.normal(0, 0.1, (300, 20, 20, 3)) + rng.uniform(-0.1, 0.1, (300, 1, 1, 1))
    identity = np.arange(60).repeat(5)
    np.save(folder / "images.npy", (photos.clip(0, 1) * 255).round().astype(np.uint8))
    np.save(folder / "labels.npy", np.zeros((300, 0), np.uint8))
    np.save(folder / "split.npy", np.select([identity < 40, identity < 50], [0, 1], 2).astype(np.uint8))
    np.save(folder / "identity.npy", identity)
    meta = {"format": FORMAT, "size": 20, "crop": None, "attributes": [], "files": [f"{i}.png" for i in range(300)]}
    write_json(folder / "dataset.json", {"dataset": meta, "done": 300})
    return PreparedData(folder)


@pytest.fixture(scope="module")
def run(people, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    fit_identity(replace(TINY, total_nimg=9_600, tick_nimg=9_600, margin_ramp_nimg=1_600), people, folder)
    return folder


@pytest.fixture
def saved(people, run, tmp_path):
    net = load_trained_identity(run)
    save_identity(tmp_path / "identity", net, verification(net, people, "valid"))
    return tmp_path / "identity"


def test_training_tells_people_apart_that_it_never_saw(people, run):
    torch.manual_seed(0)
    before, after = verification(IdentityNet(TINY.net).eval(), people, "test"), verification(load_trained_identity(run), people, "test")
    assert after["auroc"] > 0.9 and after["auroc"] > before["auroc"]
    assert after["same_50"] > after["different_95"]
    assert after["pairs"] == 10 * 10 and after["people"] == 10
    assert json.loads((run / "stats.jsonl").read_text())["auroc"] > 0.9


def test_an_embedding_has_length_one_and_depends_on_no_other_picture(people, run):
    net = load_trained_identity(run)
    together = outputs_of(net, people.images[:6])
    torch.testing.assert_close(together.norm(dim=1), torch.ones(6))
    torch.testing.assert_close(together, torch.cat([outputs_of(net, people.images[i : i + 1]) for i in range(6)]), atol=1e-5, rtol=0)


@pytest.mark.parametrize("shape", [(20, 20), (40, 40), (31, 50)])
def test_pictures_of_any_size_are_read(run, shape):
    assert load_trained_identity(run)(torch.rand(2, 3, *shape)).shape == (2, 8)


def test_only_the_window_is_looked_at(run):
    x = torch.rand(1, 3, 20, 20, requires_grad=True)
    load_trained_identity(run)(x)[0, 0].backward()
    seen = x.grad.abs().sum(dim=(0, 1)) > 0
    assert seen[2:18, 2:18].all() and seen.sum() == 16 * 16


def test_batches_are_a_pure_function_of_the_images_seen(people):
    first, second = (PersonBatches(TINY, people, people.images) for _ in range(2))
    second(0)
    for a, b in zip(first(288), second(288), strict=True):
        assert torch.equal(a, b)
    epoch = np.concatenate([first.places(nimg) for nimg in range(0, 224, 32)])[:200]
    assert sorted(epoch) == list(range(200))  # every photo of the train split once
    who = first.who[first.order(0)]
    beside = (np.r_[who[1:], -1] == who) | (np.r_[-1, who[:-1]] == who)
    assert beside.sum() >= 160 and (who[1:] == who[:-1]).sum() < 120  # of five photos two pairs are together, and people are mixed
    other = PersonBatches(replace(TINY, seed=3), people, people.images)
    assert not np.array_equal(first.places(0), other.places(0))


def test_resumed_run_equals_an_unbroken_one(people, tmp_path):
    whole = fit_identity(TINY, people, tmp_path / "whole")
    fit_identity(TINY, people, tmp_path / "halves", stop_nimg=64)
    a, b = load_file(whole), load_file(fit_identity(TINY, people, tmp_path / "halves"))
    assert a.keys() == b.keys()
    assert [k for k in a if not torch.equal(a[k], b[k])] == []


def test_another_config_in_the_same_folder_is_refused(people, tmp_path):
    fit_identity(TINY, people, tmp_path, stop_nimg=64)
    with pytest.raises(ValueError, match=r"margin: 0\.1 in the run, 0\.3 asked for"):
        fit_identity(replace(TINY, margin=0.3), people, tmp_path)


def test_the_trunk_starts_from_the_judge(people, tmp_path):
    from train.networks.classifier import judge_from

    net = IdentityNetConfig(size=20, window=16, widths=(32, 64, 128, 256, 24), features=8)
    fit_identity(replace(TINY, net=net, start="judge", lr=1e-9, total_nimg=32, tick_nimg=32), people, tmp_path)
    judge, digest = judge_from()
    trunk = load_trained_identity(tmp_path).levels.state_dict()
    torch.testing.assert_close(trunk["0.weight"], judge.levels.state_dict()["0.weight"], atol=1e-3, rtol=1e-3)
    assert json.loads((tmp_path / "config.json").read_text())["judge"] == digest


def test_the_loss_picks_each_partner_from_among_the_photos_of_others():
    angle = [0.0, 0.5, 2.0, 1.0]
    found = pair_loss(torch.tensor([[np.cos(a), np.sin(a)] for a in angle]), torch.tensor([7, 7, 3, 5]), margin=0.1, temperature=0.2)
    terms = []
    for one, partner in ((0, 1), (1, 0)):  # the others have none
        to = [np.exp((np.cos(angle[one] - angle[k]) - 0.1 * (k == partner)) / 0.2) for k in range(4)]
        terms.append(-np.log(to[partner] / (to[partner] + to[2] + to[3])))
    assert found.item() == pytest.approx(np.mean(terms), rel=1e-5)
    assert pair_loss(torch.eye(3), torch.arange(3), margin=0.1, temperature=0.2) == 0  # nobody has a partner


def test_pairs_are_all_of_one_person_and_random_ones_of_two():
    identity = np.array([7, 3, 7, 7, 3, 9])
    (a, b), (c, d) = pairs_of(identity, np.random.default_rng(0), "here")
    assert sorted(zip(a.tolist(), b.tolist(), strict=True)) == [(0, 2), (0, 3), (1, 4), (2, 3)]
    assert len(c) == 100_000 and (identity[c] != identity[d]).all()
    for one in (np.zeros(4, int), np.arange(4), np.full(4, -1)):
        with pytest.raises(ValueError, match="here: no two people, or no two photos of one"):
            pairs_of(one, np.random.default_rng(0), "here")


def test_figures_of_cosines_that_are_known(people):
    """A net that tells light from dark: of the ten pairs of a person six have cosine 1 and four have 0."""

    class Planted(IdentityNet):
        def forward(self, x):
            light = (x.mean(dim=(1, 2, 3)) > 0.5).float()
            return torch.stack([light, 1 - light], 1)

    flat = np.zeros_like(people.images)
    for i, k in enumerate(people.indices("valid")):
        flat[k] = 0 if i % 5 < 4 else 255
    figures = verification(Planted(TINY.net).eval(), people, "valid", flat)
    assert (figures["same_5"], figures["same_50"], figures["different_95"], figures["accepted_at_5"]) == (0, 1, 1, 0)
    # Two people: 0.8² + 0.2² of the pairs have cosine 1. Ties count half.
    assert figures["auroc"] == pytest.approx(0.6 * (0.32 + 0.68 / 2) + 0.4 * 0.32 / 2, abs=0.01)


def test_photos_of_nobody_are_refused(people, tmp_path):
    unknown = PreparedData(people.folder)
    unknown.identity = np.full_like(people.identity, -1)
    with pytest.raises(ValueError, match="does not say who is on its train photos"):
        fit_identity(TINY, unknown, tmp_path)


def test_a_saved_net_comes_back_equal(people, run, saved):
    net, digest, pairs = identity_from(saved)
    assert torch.equal(outputs_of(net, people.images[:4]), outputs_of(load_trained_identity(run), people.images[:4]))
    assert not net.training and not any(p.requires_grad for p in net.parameters())
    assert len(digest) == 12 and save_identity(saved, net, pairs) == digest
    assert pairs == verification(net, people, "valid")


def test_a_missing_changed_or_truncated_file_is_refused_by_name(saved, tmp_path):
    with pytest.raises(ValueError, match=r"lacks identity\.json"):
        identity_from(tmp_path)
    weights, description = saved / "identity.safetensors", saved / "identity.json"
    raw, values = weights.read_bytes(), json.loads(description.read_text())
    for changed in (raw[:-100], raw[:-1] + bytes([raw[-1] ^ 1])):
        weights.write_bytes(changed)
        with pytest.raises(ValueError, match=r"identity\.safetensors is not the file that identity\.json lists"):
            identity_from(saved)
    weights.unlink()
    with pytest.raises(ValueError, match=r"lacks identity\.safetensors"):
        identity_from(saved)
    weights.write_bytes(raw)
    without = {k: v for k, v in values["pairs"].items() if k != "different_95"}
    for broken, message in (
        ({"net": {**values["net"], "features": 16}}, r"identity\.safetensors does not fit"),
        ({"net": {**values["net"], "colour": 1}}, r"identity\.json: net has unknown keys: colour"),
        ({"pairs": without}, r"identity\.json: pairs lacks a finite different_95"),
        ({"files": {}}, r"identity\.json does not list identity\.safetensors"),
        ({"pairs": None}, r"identity\.json does not describe an identity net"),
    ):
        write_json(description, values | broken)
        with pytest.raises(ValueError, match=message):
            identity_from(saved)
    description.write_text(description.read_text()[:40])
    with pytest.raises(ValueError, match=r"identity\.json does not describe an identity net"):
        identity_from(saved)


def test_a_window_beyond_the_picture_is_refused():
    with pytest.raises(ValueError, match="a window of 96 px does not fit"):
        IdentityNetConfig(size=88, window=96)
