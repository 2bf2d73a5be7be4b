"""Training curves and posterior collapse of the report "residual"."""

import math
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from train.measure import features
from train.report.page import ReportPage, Verdict
from train.report.plots import draw_lines, panels, stat
from train.report.runs import EPOCHS
from train.report.study import Study, StudyRun, epoch_of
from train.report.verdicts import verdict
from train.vae.config import TrainConfig

RISE = 0.01
"""A reconstruction error that ends this share above its least value has risen."""
COLLAPSED_NATS = 1.0
"""A posterior of a smaller rate is collapsed: a picture tells its z next to nothing."""
COLLAPSED_SHARE = 0.01
"""Or one that has fewer of its dimensions active."""


def squared_error(distortion: float, config: TrainConfig) -> float:
    """The sum of squared errors of an image, out of its distortion in nats under a fixed variance v.

    distortion = (SSE / v + D · (log v + log 2π)) / 2 with D values in an image; at v = 1/2 SSE is the distortion but for a constant.
    """
    constant = math.prod(config.net.shape) * (math.log(config.variance) + math.log(2 * math.pi))
    return config.variance * (2 * distortion - constant)


def turn(epochs: list[float], error: list[float], rate: list[float]) -> dict[str, Any]:
    """Where a curve of reconstruction errors is lowest, by what share it ends above that, and what the rate does after."""
    low = int(np.argmin(error))
    return {
        "epoch": epochs[low],
        "lowest": error[low],
        "last": error[-1],
        "rise": error[-1] / error[low] - 1,
        "rate_at_lowest": rate[low],
        "rate_last": rate[-1],
        "rate_keeps_falling": low < len(rate) - 1 and all(b < a for a, b in pairwise(rate[low:])),
    }


def verdict_of_turns(turns: list[dict[str, Any]]) -> Verdict:
    """Found: in all curves the error is lowest at epoch 2 to 4 and rises after while the rate keeps falling.

    Partly: it rises while the rate ends lower in one curve, at whatever epoch.
    """
    risen = [t["rise"] > RISE and t["rate_last"] < t["rate_at_lowest"] for t in turns]
    as_claimed = [r and 2 <= t["epoch"] <= 4 and t["rate_keeps_falling"] for r, t in zip(risen, turns, strict=True)]
    return "found" if all(as_claimed) else "partly" if any(risen) else "not found"


def curves(page: ReportPage, main: StudyRun, means: StudyRun) -> None:
    """Reconstruction and KL over epochs, and the weight that pulls between them: the loss read with sums, and with means."""
    config = main.config
    page.section(
        "Training curves",
        "Reconstruction is the sum of squared errors of an image, KL the sum over the dimensions, both in nats per image. Train and "
        "valid are not the same measurement twice: **train** is a mean over the tick, of a net that moves meanwhile, through a *drawn* "
        "z of the posterior, so it also pays for the posterior's width; **valid** is one measurement at the tick's end of the "
        f"*averaged* net (half-life {config.ema_halflife_nimg:,} images) through the posterior's *mean*, on {config.valid_nimg} held-out "
        "faces. A gap between the two is therefore no generalisation gap. The weight of the KL follows a sigmoid over "
        f"{config.beta_schedule.ramp_nimg / config.total_nimg * EPOCHS:.2g} epochs, half of its final value in the middle of "
        "them: as long as it is small the net is an autoencoder that may spend nats freely, and what it is charged for them rises from "
        "epoch to epoch. The loss of one epoch is not that of the next, so a reconstruction error that rises while the KL falls is that "
        "trade and need not be overfitting. The report does not say over what its loss was summed or averaged: the upper row reads it "
        "with sums, the lower one (a shorter run) with torch's default means; see the next section.",
    )
    figure, axes = panels(3, 2)
    turns, rows, numbers = {}, [], {}
    for place, (reading, run) in enumerate((("sums", main), ("means", means))):
        epochs, error, rate, weights = draw_curves(axes[3 * place : 3 * place + 3], reading, run)
        turns[reading] = [turn(epochs, error[side], rate[side]) for side in error]
        for side, t in zip(error, turns[reading], strict=True):
            there = weights[epochs.index(t["epoch"])]
            name = f"{reading}, {side}"
            rows.append([name, t["epoch"], t["lowest"], t["last"], f"{t['rise']:+.1%}", t["rate_at_lowest"], t["rate_last"], there])
        numbers[reading] = {"epochs": epochs, "squared_error": error, "rate": rate, "weight": weights, "turns": turns[reading]}
    page.figure("training-curves", figure, "Reconstruction error, KL and the weight of the KL; above with sums, below with means.")
    page.table(["", "lowest error at epoch", "lowest", "at the end", "rise", "KL there", "KL at the end", "β · w there"], rows)
    page.claim(
        "Reconstruction falls for three epochs, then rises while KL keeps falling",
        "; ".join(f"{r[0]}: lowest at epoch {r[1]:g}, {r[4]} at the end, KL {r[5]:.1f} → {r[6]:.1f} nats" for r in rows),
        verdict_of_readings([verdict_of_turns(t) for t in turns.values()]),
    )
    page.text(
        f"Rule: under one reading it is found where both curves are lowest at epoch 2 to 4, end more than {RISE:.0%} above that, and the "
        "KL falls at every tick after, partly where one curve rises so while its KL ends lower, at whatever epoch. All in all: found "
        "where it is under both readings, partly where it is at least partly under one."
    )
    page.number("curves", numbers)


def draw_curves(
    axes: list[Axes], reading: str, run: StudyRun
) -> tuple[list[float], dict[str, list[float]], dict[str, list[float]], list[float]]:
    """Three panels of one run; gives its epochs, errors and rates of train and valid, and weights of the KL."""
    config, stats, epochs = run.config, run.stats, epoch_of(run.stats, run.config)
    error = {side: [squared_error(row[f"{p}distortion"], config) for row in stats] for side, p in (("train", ""), ("valid", "valid_"))}
    rate = {side: stat(stats, f"{p}rate")[1] for side, p in (("train", ""), ("valid", "valid_"))}
    weights = [config.beta_schedule.weight(row["nimg"], config.beta) for row in stats]
    draw_lines(axes[0], {side: (epochs, error[side]) for side in error}, "epoch", "squared error per image", f"Reconstruction, {reading}")
    draw_lines(axes[1], {side: (epochs, rate[side]) for side in rate}, "epoch", "nats per image", f"KL, {reading}")
    ramp = np.linspace(0, config.total_nimg, 200)
    weight = [config.beta_schedule.weight(int(n), config.beta) for n in ramp]
    line = (list(ramp * EPOCHS / config.total_nimg), weight)
    draw_lines(axes[2], {"β · w(t)": line}, "epoch", "weight of the KL", f"Annealing, {reading}")
    return epochs, error, rate, weights


def verdict_of_readings(verdicts: list[Verdict]) -> Verdict:
    """Found under all readings, at least partly under one, or under none."""
    return "found" if set(verdicts) == {"found"} else "partly" if {"found", "partly"} & set(verdicts) else "not found"


def collapsed(stats: list[dict[str, Any]], latent: int) -> bool:
    """True where the posterior says next to nothing of the picture and is not about to: its rate does not grow in the second half."""
    last = stats[-1]
    little = last["valid_rate"] < COLLAPSED_NATS or last["active_units"] < COLLAPSED_SHARE * latent
    return little and last["valid_rate"] <= halfway(stats)


def halfway(stats: list[dict[str, Any]]) -> float:
    """The rate at the middle of a run, nats."""
    return next(row for row in stats if 2 * row["nimg"] >= stats[-1]["nimg"])["valid_rate"]


def collapse(page: ReportPage, study: Study, runs: dict[str, StudyRun]) -> None:
    """Active units and rate over images seen: KL at full weight from the start, and annealed, under three readings of the loss."""
    main = runs["main"]
    latent, values = main.config.net.latent, math.prod(main.config.net.shape)
    page.section(
        "Posterior collapse",
        f"The report does not say over what its MSE and KL were summed. Read with **sums**, β = {main.config.beta:g} is what it says. "
        f"Read with torch's default **means** over the {values:,} values of a picture and the {latent} dimensions of z, SSE / D + β · KL "
        f"/ d is SSE + (β · D / d) · KL: the KL weighs {values / latent:.3g} times as much. **Mixed**, with a mean over the values but the "
        f"usual sum over the dimensions, it weighs {values:,} times as much. Full weight means β = 1 from the first step, "
        f"with batches of 32; the cure is β = {main.config.beta:g}, annealed, with batches of 16. Batches of 32 also mean half as many "
        "steps for the same images. A unit is active where its posterior mean has a variance above 0.01 over held-out faces. Collapsed: "
        f"less than {COLLAPSED_NATS:g} nat of rate, or less than {COLLAPSED_SHARE:.0%} of the units active, "
        "at the end, and no more rate than halfway: one that is small but grows belongs to a net that has hardly begun.",
    )
    figure, axes = panels(2, 2)
    for ax, key, title, unit in (
        (axes[0], "active_units", "Active units", f"of {latent}"),
        (axes[1], "valid_rate", "Rate", "nats per image"),
    ):
        draw_lines(ax, {name: stat(run.stats, key) for name, run in runs.items()}, "images seen", unit, title)
    axes[1].set_yscale("symlog", linthresh=1)
    axes[1].set_ylim(bottom=0)
    errors = {n: (stat(r.stats, "nimg")[0], [squared_error(s["valid_distortion"], r.config) for s in r.stats]) for n, r in runs.items()}
    draw_lines(axes[2], errors, "images seen", "squared error per image", "Reconstruction through the mean")
    faces = study.held_out()[:200]
    spent = {}
    for name, run in runs.items():
        kl = features.kl_of_dimensions(*features.encode(run.net, study.pictures(run, faces)))
        spent[name] = kl.sort(descending=True).values.tolist()
    draw_lines(
        axes[3], {n: (list(range(1, latent + 1)), kl) for n, kl in spent.items()}, "dimension, by its KL", "nats", "KL of each dimension"
    )
    axes[3].set_yscale("symlog", linthresh=1e-3)
    axes[3].set_ylim(bottom=0)
    page.figure(
        "collapse", figure, "Active units, rate and reconstruction (valid) over images seen; KL of each dimension at the end (test faces)."
    )
    brief_nimg = min(run.config.total_nimg for run in runs.values())
    shown = [(f"main, to {brief_nimg:,}", main, [row for row in main.stats if row["nimg"] <= brief_nimg])]
    shown += [(name, run, run.stats) for name, run in runs.items()]
    rows = []
    for name, run, stats in shown:
        row, settings = stats[-1], [run.config.beta, run.config.beta_schedule.shape, run.config.batch_size, stats[-1]["nimg"]]
        error = squared_error(row["valid_distortion"], run.config)
        fell = "yes" if collapsed(stats, latent) else "no"
        rows.append([name, *settings, halfway(stats), row["valid_rate"], row["active_units"], error, fell])
    page.table(
        ["run", "final β", "weight", "batch", "images", "rate halfway, nats", "rate", "active units", "squared error", "collapsed"], rows
    )
    page.number("collapse", {"end": {n: r.stats[-1] for n, r in runs.items()}, "kl_by_dimension": spent, "table": rows})
    claim_collapse(page, {name: run.stats for name, run in runs.items()}, latent)


def claim_collapse(page: ReportPage, stats: dict[str, list[dict[str, Any]]], latent: int) -> None:
    """Collapse and cure, each under all readings."""
    readings = {
        "sums": ("full-weight", "main"),
        "means": ("means-full-weight", "means-annealed"),
        "mixed": ("mixed-full-weight", "mixed-annealed"),
    }
    fell = {reading: collapsed(stats[bad], latent) for reading, (bad, _) in readings.items()}
    saved = {reading: not collapsed(stats[good], latent) for reading, (_, good) in readings.items()}

    def in_units(row: dict[str, Any]) -> str:
        return f"{row['valid_rate']:.2f} nats, {row['active_units']} of {latent} units"

    page.claim(
        "KL at full weight from the start, with a larger batch: the posterior collapses",
        "; ".join(f"{reading}: {in_units(stats[bad][-1])}" for reading, (bad, _) in readings.items()),
        verdict(*fell.values()),
    )
    cures = [saved[reading] for reading in readings if fell[reading]]
    page.claim(
        "A small weight, annealed, with batches of 16 is the cure",
        "; ".join(
            f"{reading}: {in_units(stats[good][-1])}{'' if fell[reading] else ', but nothing to cure'}"
            for reading, (_, good) in readings.items()
        ),
        verdict(*cures) if cures else "not testable",
    )
    page.text(
        "Rules: collapse is found where it shows under all readings, partly where under some. The cure is judged under the readings "
        "that collapse: found where the annealed run of each of them does not. Each run is judged at its own end, where the weight is "
        "full; the main run goes on for longer than the others, so the table shows it after as many images too, with its weight "
        "still on the way up."
    )
