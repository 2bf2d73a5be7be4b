"""Inversion with the tiny model: what it must find, what it must leave alone, and where it must work."""

import threading
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from facevae.checkpoint.checkpoint import Checkpoint
from facevae.latent.inversion import InversionConfig, InversionStep, refine
from facevae.photo.compositing import soft_mask

FREE = InversionConfig(steps=60, feature=0.0, prior=0.0, plateau=0.0)


def planted(checkpoint: Checkpoint) -> tuple[Tensor, Tensor, Tensor]:
    """A picture of the decoder, the latent it came from, and a start beside that latent."""
    z = checkpoint.prior.from_seed(3)
    with torch.no_grad():
        crop = checkpoint.net.decode(z[None]).clamp(0, 1)
    return crop, z, z + 0.5 * checkpoint.prior.from_seed(4)


def walk(checkpoint: Checkpoint, config: InversionConfig = InversionConfig(), crop: Tensor | None = None) -> Iterator[InversionStep]:
    found, _, start = planted(checkpoint)
    d = len(start)
    return refine(
        decode=checkpoint.net.decode,
        features=checkpoint.classifier.features,
        crop=found if crop is None else crop,
        mask=torch.from_numpy(soft_mask(16))[None, None],
        z0=start,
        spread=torch.full((d,), 0.3),
        cholesky=torch.linalg.cholesky(checkpoint.prior.covariance),
        config=config,
    )


def rough(checkpoint: Checkpoint) -> Tensor:
    """A crop that no latent can give."""
    noise = torch.rand((1, 3, 16, 16), generator=torch.Generator().manual_seed(5))
    return (planted(checkpoint)[0] + 0.4 * (noise - 0.5)).clamp(0, 1)


def test_planted_latent_is_found(tiny_checkpoint: Checkpoint) -> None:
    _, z, start = planted(tiny_checkpoint)
    last = list(walk(tiny_checkpoint, FREE))[-1]
    assert (last.latent - z).norm() < 0.1 * (start - z).norm()
    assert last.psnr_db > 50


def test_first_step_is_the_start_and_psnr_never_falls(tiny_checkpoint: Checkpoint) -> None:
    steps = list(walk(tiny_checkpoint, InversionConfig(feature=0.5), crop=rough(tiny_checkpoint)))
    assert torch.equal(steps[0].latent, planted(tiny_checkpoint)[2]) and not steps[0].done
    values = [s.psnr_db for s in steps]
    assert values == sorted(values) and values[-1] > values[0]
    assert [s.index for s in steps] == list(range(len(steps)))
    assert [s.done for s in steps] == [False] * (len(steps) - 1) + [True]


def test_psnr_and_picture_are_those_of_the_latent(tiny_checkpoint: Checkpoint) -> None:
    crop = rough(tiny_checkpoint)
    for step in walk(tiny_checkpoint, crop=crop):
        with torch.no_grad():
            picture = tiny_checkpoint.net.decode(step.latent[None])
        torch.testing.assert_close(step.picture, picture, atol=1e-5, rtol=0)
        assert step.psnr_db == pytest.approx(float(-10 * (crop - picture.clamp(0, 1)).square().mean().log10()), abs=1e-3)


def test_heavier_prior_stays_nearer(tiny_checkpoint: Checkpoint) -> None:
    start = planted(tiny_checkpoint)[2]
    lengths = [
        (
            list(walk(tiny_checkpoint, InversionConfig(steps=60, feature=0.0, prior=p, plateau=0.0), rough(tiny_checkpoint)))[-1].latent
            - start
        ).norm()
        for p in (0.0, 1.0, 100.0)
    ]
    assert lengths[0] > lengths[1] > lengths[2] > 0


def test_features_come_nearer_where_they_count(tiny_checkpoint: Checkpoint) -> None:
    crop = rough(tiny_checkpoint)

    def distance(step: InversionStep) -> float:
        with torch.no_grad():
            pairs = zip(*(tiny_checkpoint.classifier.features(p) for p in (step.picture, crop)), strict=True)
            return sum(float((a - b).square().mean()) for a, b in pairs)

    without, with_features = (
        list(walk(tiny_checkpoint, InversionConfig(steps=60, prior=0.0, plateau=0.0, feature=f), crop))[-1] for f in (0.0, 0.3)
    )
    assert distance(with_features) < distance(without)


def test_mask_decides_what_counts(tiny_checkpoint: Checkpoint) -> None:
    mask = torch.from_numpy(soft_mask(16))[None, None]
    crop = rough(tiny_checkpoint)

    def error(step: InversionStep) -> float:
        return float((mask * (step.picture - crop).square()).mean())

    face, all_of_it = (
        list(walk(tiny_checkpoint, InversionConfig(steps=60, feature=0.0, prior=0.0, plateau=0.0, background=b), crop))[-1]
        for b in (0.0, 1.0)
    )
    assert error(face) < error(all_of_it)


def test_stops_early_on_a_plateau(tiny_checkpoint: Checkpoint) -> None:
    patient, hasty = (list(walk(tiny_checkpoint, InversionConfig(steps=60, plateau=p), rough(tiny_checkpoint))) for p in (0.0, 0.05))
    assert len(hasty) < len(patient) and hasty[-1].done


def test_start_that_cannot_be_bettered_is_kept(tiny_checkpoint: Checkpoint) -> None:
    """Nothing to gain, and no division by an error of 0."""
    crop, z, _ = planted(tiny_checkpoint)
    eye = torch.eye(len(z))
    mask = torch.ones(1, 1, 16, 16)
    last = list(refine(tiny_checkpoint.net.decode, tiny_checkpoint.classifier.features, crop, mask, z, eye[0] + 1, eye))[-1]
    assert last.done and torch.isfinite(last.latent).all()
    torch.testing.assert_close(last.latent, z, atol=1e-3, rtol=0)


def test_zero_steps_give_the_start(tiny_checkpoint: Checkpoint) -> None:
    (only,) = walk(tiny_checkpoint, InversionConfig(steps=0))
    assert only.done and only.index == 0


@pytest.mark.parametrize("values", [{"steps": 61}, {"steps": -1}, {"prior": -1.0}, {"patience": 0}])
def test_unusable_config_is_refused(values: dict) -> None:
    with pytest.raises(ValueError):
        InversionConfig(**values)


def test_deterministic_and_weights_stay(tiny_checkpoint: Checkpoint) -> None:
    modules = (tiny_checkpoint.net, tiny_checkpoint.classifier)
    before = [{k: v.clone() for k, v in m.state_dict().items()} for m in modules]
    seeds = torch.get_rng_state()
    first, again = (list(walk(tiny_checkpoint, crop=rough(tiny_checkpoint))) for _ in range(2))
    # Not to the bit: on some CPUs a convolution's sums depend on where in memory its input lies.
    assert len(first) == len(again)
    assert all((a.picture - b.picture).abs().max() < 1 / 255 for a, b in zip(first, again, strict=True))
    for module, old in zip(modules, before, strict=True):
        assert all(torch.equal(old[k], v) for k, v in module.state_dict().items())
        assert all(p.grad is None for p in module.parameters())
    assert torch.equal(seeds, torch.get_rng_state())


def test_same_under_inference_mode_and_in_a_thread(tiny_checkpoint: Checkpoint) -> None:
    plain = [s.psnr_db for s in walk(tiny_checkpoint)]
    found: list[list[float]] = []

    def run() -> None:
        with torch.inference_mode():
            values = []
            for step in walk(tiny_checkpoint):
                assert torch.is_inference_mode_enabled() and not torch.is_grad_enabled()  # the caller's modes, between two steps
                values.append(step.psnr_db)
            found.append(values)

    run()
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    # A thread of another size sums in another order, and a search repeats that at every step: a hundredth of a dB.
    assert found == [pytest.approx(plain, abs=0.01), pytest.approx(plain, abs=0.01)]


def test_closing_leaves_the_callers_modes(tiny_checkpoint: Checkpoint) -> None:
    for stop_after in range(3):
        with torch.no_grad():
            search = walk(tiny_checkpoint)
            for _ in range(stop_after):
                next(search)
            search.close()
            assert not torch.is_grad_enabled() and not torch.is_inference_mode_enabled()
            assert next(search, None) is None
    assert torch.is_grad_enabled()


def test_features_are_those_the_classifier_judges_by(tiny_checkpoint: Checkpoint) -> None:
    net, x = tiny_checkpoint.classifier, rough(tiny_checkpoint)
    with torch.no_grad():
        maps = net.features(x, levels=4)
        torch.testing.assert_close(net.resnet.fc(maps[-1].mean(dim=(2, 3))), net(x))
        assert len(maps) == 5 and all(torch.equal(a, b) for a, b in zip(net.features(x, levels=1), maps[:2], strict=True))
