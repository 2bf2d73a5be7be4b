"""Report "disentangling": low against high β, centroid vectors, the β schedule."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, UInt8
from PIL import Image
from torch import Tensor

from facevae.latent.directions import centroid, need_both
from train.measure.disentanglement import BINS, mig, sap
from train.measure.features import decode, encode, interpolate, kl_of_dimensions, logits, noises, psnr, sharpness, step_changes
from train.report.page import ReportPage, in_words
from train.report.plots import draw_lines, panels, rows_of, stat
from train.report.schedules_plot import draw_schedules
from train.report.study import Study, StudyRun, epoch_of
from train.report.verdicts import verdict
from train.vae.loop import active_units

STRENGTHS = (-3.0, -1.5, 0.0, 1.5, 3.0)
PROBE_SIGMA = 2.0
LEAST_CHANGE = 0.1  # in standard deviations of the logit: what moves Male by less has no leakage per change
FIXED = 10  # pictures drawn after every epoch
STRIP = 9
INTRODUCTION = """\
A VAE of five strided convolutions with 128 features each, with the loss α · reconstruction + β · KL.
Read with sums here: α = 1 on the sum of squared errors over pixels in [0, 1], β on the KL summed over dimensions.
"Low" is β = 1, "high" β = 40, the size of a step of the report's own schedule. "Scheduled" is that schedule: 0.1, and 40 more after every
two epochs. In the report the callback's value changed but the model's did not; here the value that enters the loss is the schedule's
(a test reads it there), so this is the run that its author could not show."""


def report(study: Study) -> ReportPage:
    """Train all runs, measure each, compare, write the page."""
    page = study.page("Report “disentangling”: α, β and centroid vectors", INTRODUCTION)
    runs = study.train()
    held_out = study.held_out()
    found = {name: measure(study, run, held_out) for name, run in runs.items()}
    page.number("runs", found)
    write_claims(page, study, runs, found)

    page.section("Low and high β")
    keys = [k for k in next(iter(found.values())) if not isinstance(found["low-beta"][k], dict)]
    page.table(["run", *(k.replace("_", " ") for k in keys)], [[n, *(found[n][k] for k in keys)] for n in runs])
    page.text(
        "Sharpness is the mean squared Laplacian of the grey picture, times 1000 (photos: "
        f"{in_words(sharpness(study.pictures(runs['low-beta'], held_out)))}). MIG (Chen et al., 2018) and SAP (Kumar et al., 2018) want "
        f"known factors; the data's labels "
        "are stand-ins, correlated and noisy, so only the comparison means something. Leakage: the decoded faces move by 2 σ along the "
        "centroid vector of Male; the mean change of "
        "all other attributes' logits (of the judge) over the change of Male's own, each in its standard deviation over photos."
    )
    figure, axes = panels(3)
    for ax, key, label in zip(axes, ("distortion", "rate", "total"), ("reconstruction", "KL", "total"), strict=True):
        lines = {name: (epoch_of(run.stats, run.config), means_of(run)[key]) for name, run in runs.items()}
        draw_lines(ax, lines, "epoch", f"{label}, running mean, nats", log_y=key == "rate")
    page.figure("curves", figure, "The three running means: reconstruction (without the likelihood's constant), KL, and their weighted sum")

    page.section("Morphing", "Straight lines between two latents, at low β (upper rows) and at high β (lower rows).")
    draw_morphs(page, study, runs)
    draw_schedule(page, runs["scheduled"])
    if "Male" in study.data.attributes:
        draw_centroids(page, study, runs)
    page.section("Ten pictures after every epoch", "The same ten draws from N(0, I) after each epoch, first epoch on top.")
    for name, run in runs.items():
        strips = epoch_strips(run)
        page.figure(f"epochs-{name}", np.concatenate(strips), f"{name}: one row for each epoch")
        page.animation(f"epochs-{name}", strips, f"{name}: the same as an animation", scale=2)
    page.write()
    return page


def measure(study: Study, run: StudyRun, held_out: np.ndarray) -> dict[str, Any]:
    """Reconstruction, sharpness, and how far the labels lie on single dimensions and clean directions."""
    shown = study.pictures(run, held_out)
    mean, logvar = encode(run.net, shown)
    back = decode(run.net, mean)
    values: dict[str, Any] = {
        "psnr_db": psnr(shown, back),
        "rate_nats": float(kl_of_dimensions(mean, logvar).sum()),
        "active_units": active_units(mean),
        "sharpness_of_reconstructions": sharpness(back),
        "sharpness_of_samples": sharpness(decode(run.net, noises(len(shown), mean.shape[1]))),
        "morph_step": float(step_changes(interpolate(run.net, mean[0], mean[1], STRIP)).mean()),
    }
    if not study.data.attributes:
        return values
    factors = study.data.labels[held_out]
    mixed = (factors.min(0) == 0) & (factors.max(0) == 1)
    bins = min(BINS, len(held_out) // 2)
    scores = {"mig": mig, "sap": sap}
    values |= {key: score(mean.numpy(), factors[:, mixed].astype(float), bins).score for key, score in scores.items()}
    if "Male" in study.data.attributes:
        step = male_step(study, run)
        own, leak = effect(study, run, mean, step, shown)
        edited = np.concatenate([decode(run.net, mean + sign * PROBE_SIGMA * step) for sign in (-1, 1)])
        values |= {
            "male_change": own,
            "leakage": leak,
            "leakage_over_change": leak / own if own > LEAST_CHANGE else None,
            "sharpness_of_edits": sharpness(edited),
        }
    return values


def male_step(study: Study, run: StudyRun) -> Float[Tensor, " d"]:
    """The centroid vector of Male among train faces, one σ long."""
    index = study.for_directions()
    labels: Bool[np.ndarray, " n"] = study.labels(index, "Male")
    need_both("Male", labels)
    return torch.from_numpy(centroid(encode(run.net, study.pictures(run, index))[0].numpy(), labels)).float()


def effect(
    study: Study, run: StudyRun, z: Float[Tensor, "n d"], step: Float[Tensor, " d"], photos: UInt8[np.ndarray, "n h w c"]
) -> tuple[float, float]:
    """Change of Male's logit, and mean |change| of the others', from −2 σ to +2 σ; in standard deviations over photos."""
    column = study.data.attributes.index("Male")
    spread = logits(study.judge, photos).std(0) + 1e-6
    low, high = (logits(study.judge, decode(run.net, z + sign * PROBE_SIGMA * step)) for sign in (-1, 1))
    change: Float32[np.ndarray, "n a"] = (high - low) / spread
    return float(change[:, column].mean()), float(np.abs(np.delete(change, column, axis=1)).mean())


def write_claims(page: ReportPage, study: Study, runs: dict[str, StudyRun], found: dict[str, dict[str, Any]]) -> None:
    """Claimed and found; each verdict follows from the figures by the rule in its sentence."""
    low, high = found["low-beta"], found["high-beta"]
    page.claim(
        "low β gives sharper faces and better reconstruction",
        f"PSNR {low['psnr_db']:.2f} against {high['psnr_db']:.2f} dB, sharpness of reconstructions "
        f"{in_words(low['sharpness_of_reconstructions'])} against "
        f"{in_words(high['sharpness_of_reconstructions'])}. Found where both are higher at low β.",
        verdict(low["psnr_db"] > high["psnr_db"], low["sharpness_of_reconstructions"] > high["sharpness_of_reconstructions"]),
    )
    claimed = "high β gives better disentangled but blurrier edits"
    if "leakage_over_change" in low:
        values = {
            "MIG": ("mig", True),
            "SAP": ("sap", True),
            "leakage of Male over its change": ("leakage_over_change", False),
            "sharpness of edits": ("sharpness_of_edits", False),
        }
        said = ", ".join(f"{label} {in_words(low[key])} against {in_words(high[key])}" for label, (key, _) in values.items())
        known = {key: None not in (low[key], high[key]) for key, _ in values.values()}
        page.claim(
            claimed,
            f"low against high β: {said}. Found where MIG and SAP are higher, leakage is lower and edits are softer at high β.",
            verdict(*(known[key] and (high[key] > low[key]) == more for key, more in values.values())),
        )
    else:
        page.claim(claimed, "the data have no label Male", "not testable")
    run = runs["scheduled"]
    entered = [row["beta"] for row in run.stats]
    wanted = [run.config.beta_schedule.weight(row["nimg"] - run.config.batch_size, run.config.beta) for row in run.stats]
    rates = [row["valid_rate"] for row in run.stats]
    page.claim(
        "β grows by 40 every two epochs (in the report it did not reach the loss)",
        f"β in the loss at the end of each epoch: {', '.join(f'{b:g}' for b in entered)}; rate on valid faces "
        f"{', '.join(in_words(r) for r in rates)} nats. "
        "Found where β follows the schedule and the rate ends below its first value.",
        verdict(entered == wanted, rates[-1] < rates[0]),
    )
    page.number("scheduled_beta", entered)


def means_of(run: StudyRun) -> dict[str, list[float]]:
    """The report's three running means, without the constant of the likelihood."""
    channels, height, width = run.config.net.shape
    constant = 0.5 * channels * height * width * np.log(2 * np.pi * run.config.variance)
    distortion = [row["distortion"] - constant for row in run.stats]
    rate = [row["rate"] for row in run.stats]
    return {
        "distortion": distortion,
        "rate": rate,
        "total": [d + row["beta"] * r for d, r, row in zip(distortion, rate, run.stats, strict=True)],
    }


def draw_morphs(page: ReportPage, study: Study, runs: dict[str, StudyRun]) -> None:
    """Between drawn faces in public, between encoded photos in private; two of each at both β."""
    drawn, encoded = [], []
    for run in (runs["low-beta"], runs["high-beta"]):
        z, (mean, _) = noises(4, run.config.net.latent), encode(run.net, study.pictures(run, study.held_out()[:4]))
        drawn += [interpolate(run.net, z[i], z[i + 1], STRIP) for i in (0, 2)]
        encoded += [interpolate(run.net, mean[i], mean[i + 1], STRIP) for i in (0, 2)]
    page.figure("morphs", rows_of(drawn), "Between two drawn faces")
    page.figure("morphs-photos", rows_of(encoded), "Between two encoded photos", private=True)


def draw_centroids(page: ReportPage, study: Study, runs: dict[str, StudyRun]) -> None:
    """Male subtracted and added, on drawn faces in public and on encoded photos in private."""
    page.section("The centroid vector of Male", f"Steps of {', '.join(f'{s:g}' for s in STRENGTHS)} σ.")
    for name in ("low-beta", "high-beta"):
        run = runs[name]
        step = male_step(study, run)
        starts = {
            "": noises(3, run.config.net.latent, start=20),
            "-photos": encode(run.net, study.pictures(run, study.held_out()[:3]))[0],
        }
        for ending, z in starts.items():
            rows = [decode(run.net, torch.stack([one + s * step for s in STRENGTHS])) for one in z]
            page.figure(
                f"male-{name}{ending}", rows_of(rows), f"{name}: Male from {STRENGTHS[0]:g} to {STRENGTHS[-1]:g} σ", private=bool(ending)
            )


def draw_schedule(page: ReportPage, run: StudyRun) -> None:
    """β as it entered the loss, and what it did to the rate and the active units."""
    page.section("The schedule that took effect", "All schedules that the trainer knows; the step is the report's. Below, the run itself.")
    page.figure("schedules", draw_schedules(run.config.beta, run.config.total_nimg), "Weight of the KL over images seen, by schedule")
    at = epoch_of(run.stats, run.config)
    figure, axes = panels(3)
    draw_lines(axes[0], {"β": (at, [row["beta"] for row in run.stats])}, "epoch", "β in the loss")
    draw_lines(axes[1], {"rate": (at, stat(run.stats, "valid_rate")[1])}, "epoch", "rate on valid faces, nats")
    draw_lines(axes[2], {"units": (at, stat(run.stats, "active_units")[1])}, "epoch", "active units")
    page.figure("schedule", figure, "β, rate and active units at the end of each epoch")


def epoch_strips(run: StudyRun) -> list[UInt8[np.ndarray, "h w c"]]:
    """The first ten samples of each tick's sheet (train.vae.sample_sheets.draw_sheets), cut out and put in a row."""
    _, height, width = run.config.net.shape
    strips = []
    for path in sorted((run.folder / "sheets").glob("samples-*.png")):
        sheet = np.asarray(Image.open(path).convert("RGB"))
        corners = [(i // 8 * (height + 2), i % 8 * (width + 2)) for i in range(FIXED)]
        cells = [sheet[top : top + height, left : left + width] for top, left in corners]
        strips.append(rows_of([np.stack(cells)]))
    return strips
