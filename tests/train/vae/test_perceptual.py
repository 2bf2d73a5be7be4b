"""The losses that sharpen send their gradients where they should, and nowhere else."""

import copy
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from facevae.nets.classifier import AttributeClassifier, ClassifierConfig
from facevae.nets.gaussian import DiagonalGaussian
from facevae.nets.residual import ResidualConfig, ResidualVAE
from facevae.photo.images import to_float
from tests.train.conftest import CONFIG as TINY_RUN
from tests.train.conftest import NET
from train.data.prepared import PreparedData
from train.measure.encodings import load_run
from train.vae import train_state
from train.vae.adversary import Adversary, AdversaryConfig, PatchDiscriminator, adversarial_step, augment
from train.vae.gradient_guard import SpikeWatch
from train.vae.loop import fit
from train.vae.losses import GaussianLikelihood, free_rate
from train.vae.perceptual import FeatureLoss, focal_frequency, random_window
from train.vae.warm_start import grow_weights, read_stats

RIVAL = AdversaryConfig(weight=0.5, alone_nimg=16, ramp_nimg=64, drawn=0.5, width=4)
CONFIG = replace(TINY_RUN, total_nimg=128, turn_deg=3.0, feature_weight=0.1, focal_weight=1.0, adversary=RIVAL)


@pytest.fixture(scope="module")
def guide() -> AttributeClassifier:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return AttributeClassifier(ClassifierConfig(("Smiling",), size=16, layers=(1, 1, 1, 1))).eval()


@pytest.fixture
def vae() -> ResidualVAE:
    with torch.random.fork_rng():
        torch.manual_seed(4)
        return ResidualVAE(NET)


def pictures(count: int = 4, seed: int = 0) -> torch.Tensor:
    return torch.rand((count, 3, 16, 16), generator=torch.Generator().manual_seed(seed))


def test_the_feature_loss_reaches_encoder_and_decoder_but_not_the_guide(guide: AttributeClassifier, vae: ResidualVAE) -> None:
    """A well-known trainer computes this under no_grad, and nobody saw it in the loss."""
    before = copy.deepcopy(guide.state_dict())
    x = pictures()
    mean, _ = vae(x, torch.Generator().manual_seed(0))
    FeatureLoss(guide)(x, mean).mean().backward()
    assert vae.decoder.smooth.weight.grad.abs().sum() > 0
    assert vae.encoder.out.weight.grad[: NET.latent].abs().sum() > 0
    assert all(p.grad is None for p in guide.parameters())
    assert all(torch.equal(v, before[k]) for k, v in guide.state_dict().items())  # BatchNorm has seen nothing


def test_a_square_is_seen_at_the_scale_of_its_picture(guide: AttributeClassifier) -> None:
    x, square = pictures(2), random_window((3, 16, 16), 8, torch.Generator().manual_seed(5))
    whole, part = guide.features(x, 0)[0], guide.features(square.of(x), 0, share=0.5)[0]
    assert whole.shape[-2:] == (4, 4) and part.shape[-2:] == (2, 2)
    assert square.of(x).shape == (2, 3, 8, 8)
    torch.testing.assert_close(square.of(x)[0, :, 0, 0], x[0, :, square.top, square.left])
    corners = {(s.top, s.left) for s in (random_window((3, 16, 16), 15, torch.Generator().manual_seed(i)) for i in range(40))}
    assert corners == {(0, 0), (0, 1), (1, 0), (1, 1)}
    with pytest.raises(ValueError, match="look_px 17"):
        replace(CONFIG, look_px=17)


def test_the_feature_loss_is_zero_for_the_photo_itself_and_grows_with_blur(guide: AttributeClassifier) -> None:
    x = pictures()
    loss = FeatureLoss(guide)
    soft = torch.nn.functional.avg_pool2d(x, 3, 1, 1)
    assert loss(x, x).max() < 1e-9
    assert (loss(x, soft) > 1e-3).all()


def test_the_feature_loss_falls_along_its_gradient(guide: AttributeClassifier) -> None:
    loss, x = FeatureLoss(guide), pictures()
    y = pictures(seed=1).requires_grad_(True)
    first = loss(x, y).sum()
    (gradient,) = torch.autograd.grad(first, y)
    assert loss(x, y - 1e-2 * gradient / gradient.norm()).sum() < first


def test_focal_frequency_is_that_of_its_paper() -> None:
    x, y = pictures(2).double()[..., :4, :6], pictures(2, seed=1).double()[..., :4, :6]
    expected = []
    for a, b in zip(x, y, strict=True):
        rows = []
        for c in range(3):
            d = (torch.fft.fft2(a[c].float(), norm="ortho") - torch.fft.fft2(b[c].float(), norm="ortho")).abs()
            rows.append((d / d.max() * d**2).mean())
        expected.append(torch.stack(rows).mean())
    torch.testing.assert_close(focal_frequency(x, y), torch.stack(expected), rtol=1e-5, atol=1e-7)
    assert focal_frequency(x, x).max() == 0


def test_no_patch_of_the_discriminator_sees_another_picture() -> None:
    torch.manual_seed(0)
    net = PatchDiscriminator(3, 4).eval()
    x = pictures(3).requires_grad_(True)
    net(x)[1].sum().backward()
    assert x.grad[1].abs().sum() > 0 and x.grad[[0, 2]].abs().sum() == 0


def test_augmentation_is_differentiable_and_follows_its_random_numbers() -> None:
    x = pictures(16).requires_grad_(True)
    one, other = (augment(x, torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(one, other) and one.shape == x.shape
    one.sum().backward()
    # Through the mean that contrast is measured from, hidden pixels still count a little.
    touched = (x.grad.sum(1) > 0.3).float().mean(dim=(1, 2))
    assert touched.max() > 0.5 and touched.min() < 0.9 and (touched > 0).all()


@pytest.mark.parametrize("sees", ["pixels", "features"])
def test_the_adversary_pulls_with_its_share_and_learns_only_itself(vae: ResidualVAE, guide: AttributeClassifier, sees: str) -> None:
    torch.manual_seed(1)
    adversary = Adversary(replace(RIVAL, drawn=0.0, sees=sees), 3, NET.latent, guide)
    known = copy.deepcopy(guide.state_dict())
    rival = torch.optim.AdamW(adversary.parameters(), lr=1e-3)
    x = pictures(6)
    mean, posterior = vae(x, torch.Generator().manual_seed(0))
    picture = (mean - x).square().mean()
    (others,) = torch.autograd.grad(picture, mean, retain_graph=True)
    before = copy.deepcopy(adversary.discriminator.state_dict())
    loss = adversarial_step(adversary, rival, vae, x, mean, posterior, picture, 0.5, torch.Generator().manual_seed(2))
    assert all(p.grad is None for p in vae.parameters())  # the discriminator's own step stays with it
    after = adversary.discriminator.state_dict()
    assert any(not torch.equal(after[k], v) for k, v in before.items() if k.endswith("original"))
    assert all(torch.equal(guide.state_dict()[k], v) for k, v in known.items())
    mean.retain_grad()  # only now: the searches before would have left theirs in it
    loss.backward()
    own = mean.grad - others
    assert (own.norm() / others.norm()).item() == pytest.approx(0.5, rel=1e-4)
    assert vae.encoder.out.weight.grad.abs().sum() > 0


def test_while_the_adversary_is_alone_the_decoder_hears_nothing(vae: ResidualVAE) -> None:
    adversary = Adversary(RIVAL, 3, NET.latent)
    rival = torch.optim.AdamW(adversary.parameters(), lr=1e-3)
    x = pictures(4)
    mean, posterior = vae(x)
    picture = (mean - x).square().mean()
    assert adversarial_step(adversary, rival, vae, x, mean, posterior, picture, 0.0, torch.Generator()) is picture
    assert [RIVAL.weight_at(n) for n in (0, 16, 48, 80, 10_000)] == [0, 0, 0.25, 0.5, 0.5]


def test_drawn_latents_follow_the_encodings() -> None:
    torch.manual_seed(0)
    adversary = Adversary(RIVAL, 3, 2)
    mixing = torch.tensor([[1.0, 0.0], [0.8, 0.3]])
    for _ in range(300):
        adversary.watch(torch.randn(256, 2) @ mixing.T + torch.tensor([2.0, -1.0]))
    drawn = adversary.draw(20_000, torch.Generator().manual_seed(1))
    torch.testing.assert_close(drawn.mean(0), torch.tensor([2.0, -1.0]), atol=0.06, rtol=0)
    torch.testing.assert_close(torch.cov(drawn.T), mixing @ mixing.T, atol=0.08, rtol=0)


def test_a_run_with_everything_switched_on_goes_on_as_if_unbroken(data: PreparedData, guide: AttributeClassifier, tmp_path: Path) -> None:
    fit(CONFIG, data, tmp_path / "broken", stop_nimg=64, guide=guide)
    broken = load_file(fit(CONFIG, data, tmp_path / "broken", guide=guide))
    unbroken = load_file(fit(CONFIG, data, tmp_path / "whole", guide=guide))
    assert any(k.startswith("adversary_exp_avg.") for k in broken)
    assert broken.keys() == unbroken.keys()
    assert [k for k in broken if not torch.equal(broken[k], unbroken[k])] == []


def test_a_decoder_that_is_sharpened_alone_leaves_the_encodings_as_they_are(
    data: PreparedData, guide: AttributeClassifier, tmp_path: Path
) -> None:
    plain = replace(CONFIG, feature_weight=0.0, adversary=AdversaryConfig())
    fit(plain, data, tmp_path / "first", stop_nimg=64)
    sharper = replace(CONFIG, frozen=("encoder.",), look_px=8, adversary=replace(RIVAL, sees="features"))
    fit(sharper, data, tmp_path / "second", stop_nimg=64, guide=guide, start=tmp_path / "first")
    broken = load_file(fit(sharper, data, tmp_path / "second", guide=guide))
    unbroken = load_file(fit(sharper, data, tmp_path / "whole", guide=guide, start=tmp_path / "first"))
    assert [k for k in broken if not torch.equal(broken[k], unbroken[k])] == []
    first = load_file(tmp_path / "first" / "state.safetensors")
    changed = {k.split(".")[1] for k, v in first.items() if k.startswith("ema.") and not torch.allclose(broken[k], v, atol=1e-7)}
    assert changed == {"decoder"}
    with pytest.raises(ValueError, match="no weight of the net begins with encodr"):
        fit(replace(sharper, frozen=("encodr",)), data, tmp_path / "third", guide=guide)


def test_a_run_begins_with_the_weights_of_another(data: PreparedData, tmp_path: Path) -> None:
    plain = replace(CONFIG, feature_weight=0.0, adversary=AdversaryConfig())
    first = load_file(fit(plain, data, tmp_path / "first", stop_nimg=64))
    still = replace(plain, lr=0.0, weight_decay=0.0, beta=2.0)
    second = load_file(fit(still, data, tmp_path / "second", stop_nimg=64, start=tmp_path / "first"))
    assert all(torch.allclose(second[k], v, atol=1e-7) for k, v in first.items() if k.startswith("ema.") and "num_batches" not in k)
    assert json.loads((tmp_path / "second" / "start.json").read_text()) == {"from": "first", "nimg": 64}
    assert [row["nimg"] for row in read_stats(tmp_path / "second")] == [64, 128]  # a run carries its history along
    with pytest.raises(ValueError, match="net of another shape"):
        fit(replace(still, net=replace(NET, latent=5)), data, tmp_path / "third", start=tmp_path / "first")  # none can be taken away


def test_a_finer_net_begins_with_the_coarse_levels_of_another(data: PreparedData, tmp_path: Path) -> None:
    coarse = replace(CONFIG, net=replace(NET, patch=4, widths=(8, 16)), feature_weight=0.0, adversary=AdversaryConfig())
    fit(coarse, data, tmp_path / "coarse", stop_nimg=64)
    finer = ResidualConfig(size=16, patch=2, widths=(4, 8, 16), encoder_blocks=(0, 0, 1), decoder_blocks=(1, 1, 1), groups=4, latent=6)
    still = replace(coarse, net=finer, lr=0.0, weight_decay=0.0)
    fit(still, data, tmp_path / "finer", stop_nimg=64, start=tmp_path / "coarse")
    old, new = load_run(tmp_path / "coarse").net, load_run(tmp_path / "finer").net
    assert len(new.encoder.levels) == len(old.encoder.levels) + 1
    for before, after in zip(reversed(old.encoder.levels), reversed(new.encoder.levels), strict=False):
        for a, b in zip(before.parameters(), after.parameters(), strict=True):
            torch.testing.assert_close(a, b)
    for before, after in zip(old.decoder.levels, new.decoder.levels, strict=False):
        for a, b in zip(before.parameters(), after.parameters(), strict=True):
            torch.testing.assert_close(a, b)
    torch.testing.assert_close(old.decoder.stem.weight, new.decoder.stem.weight)
    with pytest.raises(ValueError, match="net of another shape"):  # a coarser net cannot hold a finer one
        fit(coarse, data, tmp_path / "shrunk", start=tmp_path / "finer")


def test_growing_fills_nothing_but_what_it_adds(vae: ResidualVAE) -> None:
    whole = vae.state_dict()
    assert grow_weights(whole, whole).keys() == whole.keys()
    torn = {k: v for k, v in whole.items() if not k.startswith("decoder.levels.0.conv1")}
    assert {k for k in whole if k not in grow_weights(torn, whole)} == {"decoder.levels.0.conv1.weight", "decoder.levels.0.conv1.bias"}


def test_a_gradient_that_is_not_finite_stays_out_of_the_adversary(vae: ResidualVAE) -> None:
    adversary = Adversary(replace(RIVAL, drawn=0.0), 3, NET.latent)
    rival = torch.optim.AdamW(adversary.parameters(), lr=1e-3)
    x = pictures(2)
    mean, posterior = vae(x)
    broken = x.clone()
    broken[0, 0, 0, 0] = torch.nan
    adversarial_step(adversary, rival, vae, broken, mean, posterior, (mean - x).square().mean(), 0.0, torch.Generator())
    assert all(torch.isfinite(p).all() for p in adversary.parameters())


def test_a_wider_head_and_finer_levels_draw_the_same_picture_at_first(data: PreparedData, tmp_path: Path) -> None:
    narrow = replace(CONFIG, feature_weight=0.0, adversary=AdversaryConfig())
    fit(narrow, data, tmp_path / "narrow", stop_nimg=64)
    wide = replace(narrow, net=replace(NET, head_channels=6, pixel_blocks=2, detail_widths=(8,)), lr=0.0, weight_decay=0.0)
    fit(wide, data, tmp_path / "wide", stop_nimg=64, start=tmp_path / "narrow")
    before, after = load_run(tmp_path / "narrow").net, load_run(tmp_path / "wide").net
    z = torch.randn(3, NET.latent, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(before.decode(z), after.decode(z), atol=1e-5, rtol=0)
    assert {
        k for k in grow_weights(after.state_dict(), before.state_dict()) if "detail" in k
    } == set()  # and what was added can be left behind
    # Its new channels are unheard, but not deaf: they hear of the picture's error, and so can learn.
    after.train().requires_grad_(True)
    after.decode(z).square().mean().backward()
    assert after.decoder.smooth.weight.grad[:, -1].abs().sum() > 0
    assert after.decoder.pixels[0].conv2.weight.grad.abs().sum() > 0
    assert after.decoder.detail.out.weight.grad.abs().sum() > 0


def test_more_latent_dimensions_leave_the_picture_as_it_is_at_first(data: PreparedData, tmp_path: Path) -> None:
    few = replace(CONFIG, feature_weight=0.0, adversary=AdversaryConfig())
    fit(few, data, tmp_path / "few", stop_nimg=64)
    many = replace(few, net=replace(NET, latent=9), lr=0.0, weight_decay=0.0)
    fit(many, data, tmp_path / "many", stop_nimg=64, start=tmp_path / "few")
    before, after = load_run(tmp_path / "few").net, load_run(tmp_path / "many").net
    x = pictures()
    a, b = before.encode(x), after.encode(x)
    torch.testing.assert_close(a.mean, b.mean[:, :6], atol=1e-5, rtol=0)
    torch.testing.assert_close(a.logvar, b.logvar[:, :6], atol=1e-5, rtol=0)
    torch.testing.assert_close(before.decode(a.mean), after.decode(b.mean), atol=1e-5, rtol=0)
    # The new ones say from the start what the decoder leaves out, and surely, or the rate would prune them before it listens.
    x = to_float(np.array(data.images[data.indices("train")]))
    a, b = before.encode(x), after.encode(x)
    missing = F.avg_pool2d(x - before.decode(a.mean), 2).flatten(1)
    missing = missing - missing.mean(0)
    first = missing @ torch.linalg.svd(missing, full_matrices=False)[2][0]
    assert torch.corrcoef(torch.stack([b.mean[:, 6], first]))[0, 1].abs() > 0.5
    torch.testing.assert_close(b.mean[:, 6:].std(0), torch.ones(3), atol=0.1, rtol=0)
    torch.testing.assert_close(b.logvar[:, 6:], torch.full_like(b.logvar[:, 6:], -3.0))


def test_more_latent_dimensions_than_training_faces_are_refused(data: PreparedData, tmp_path: Path) -> None:
    few = replace(CONFIG, feature_weight=0.0, adversary=AdversaryConfig())
    fit(few, data, tmp_path / "few", stop_nimg=64)
    many = replace(few, net=replace(NET, latent=NET.latent + len(data.indices("train"))))
    with pytest.raises(ValueError, match="new latent dimensions need more training faces than that"):
        fit(many, data, tmp_path / "many", start=tmp_path / "few")


def test_a_feature_loss_without_a_classifier_is_refused(data: PreparedData, tmp_path: Path) -> None:
    for config in (CONFIG, replace(CONFIG, feature_weight=0.0, adversary=replace(RIVAL, sees="features"))):
        with pytest.raises(ValueError, match="no classifier was given"):
            fit(config, data, tmp_path)


def test_spikes_are_left_out_until_they_are_usual() -> None:
    watch = SpikeWatch(10.0)
    assert all(watch.accepts(torch.tensor(1.0)) for _ in range(60))
    assert not watch.accepts(torch.tensor(float("nan")))
    assert not watch.accepts(torch.tensor(50.0))
    assert watch.accepts(torch.tensor(1.0))
    refused = [watch.accepts(torch.tensor(30.0)) for _ in range(20)].index(True)
    assert 1 <= refused < 10  # fewer than stop a run


def test_free_nats_take_the_price_from_unused_dimensions_only() -> None:
    mean = torch.tensor([[0.0, 2.0], [0.1, -2.0]], requires_grad=True)
    logvar = torch.zeros(2, 2)
    rate = free_rate(DiagonalGaussian(mean, logvar), 0.5)
    assert rate.item() == pytest.approx(0.5 + 2.0)
    rate.backward()
    assert mean.grad[:, 0].abs().sum() == 0 and (mean.grad[:, 1] != 0).all()


def test_a_shared_variance_is_the_mean_squared_error() -> None:
    likelihood = GaussianLikelihood(16, rate=1.0, shared=True)
    x, y = pictures(), pictures(seed=1)
    likelihood.update(x, y)
    torch.testing.assert_close(likelihood.variance, (x - y).square().mean().expand(16, 16))


def test_a_run_may_look_through_efficientnet(monkeypatch: pytest.MonkeyPatch, data: PreparedData, tmp_path: Path) -> None:
    """Its features are frozen, belong to no state, and no classifier has to be named."""

    class Seen(torch.nn.Module):
        feature_channels = (4, 8)

        def __init__(self) -> None:
            super().__init__()
            self.levels = torch.nn.ModuleList([torch.nn.Conv2d(3, 4, 3, 2, 1), torch.nn.Conv2d(4, 8, 3, 2, 1)])

        def features(self, x: torch.Tensor, levels: int, share: float = 1.0) -> list[torch.Tensor]:
            found = [self.levels[0](x)]
            return [*found, self.levels[1](found[0])][: levels + 1]

    monkeypatch.setattr(train_state, "EfficientFeatures", Seen)
    sees = replace(RIVAL, sees="features", levels=1, drawn=0.0, alone_nimg=0, ramp_nimg=0)
    config = replace(TINY_RUN, total_nimg=64, tick_nimg=32, looks_through="efficient", feature_weight=0.1, feature_levels=1, adversary=sees)
    assert not config.wants_guide and replace(config, looks_through="guide").wants_guide
    state = fit(config, data, tmp_path / "run")
    kept = load_file(state)
    assert any("discriminator.heads" in name for name in kept) and not any("discriminator.levels" in name for name in kept)
