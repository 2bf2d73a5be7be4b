"""Report "residual": a VAE of residual blocks, posterior collapse, amplification, guidance."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float, UInt8
from matplotlib.figure import Figure
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from facevae.nets.architectures import build_net
from facevae.nets.postactivation import PostActivationConfig
from train.measure import features
from train.networks.scores import score_pictures
from train.report.amplification import amplification
from train.report.label_guidance import label_guidance
from train.report.page import ReportPage
from train.report.plots import panels, picture_sheet
from train.report.residual_training import collapse, curves
from train.report.study import Study, StudyRun
from train.report.verdicts import verdict

INTRODUCTION = (
    "A student's report trained a residual VAE on CelebA with MSE + β · w(t) · KL, met posterior collapse and cured it, and edited "
    "faces by amplifying single latent dimensions and by following a classifier's gradient. Here the same net is trained on the sum of "
    "squared errors per image and the KL summed over dimensions; what the report's β means with other reductions is said where it "
    "matters. The “guide” is the classifier that edits, the “judge” another one, of another seed, that only scores."
)
TEMPERATURES = (0.2, 0.5, 1.0, 2.0)
FACES_DRAWN = 128
"""Faces drawn at each temperature, to measure; the first FACES_SHOWN of them are shown."""
FACES_SHOWN = 10
PAIRS, STEPS = 16, 10
SMOOTH = 2.0
"""A way is smooth where its largest step is smaller than this many mean steps."""
CLAIMED_ACCURACY, NEAR = 0.91, 0.01
BREAKS = 0.05
"""Faces fall apart where face confidence falls by more than this."""


def report(study: Study) -> ReportPage:
    """Train the four runs, measure, and write the page."""
    runs = study.train()
    main = runs["main"]
    net, reported = main.config.net, 64
    page = study.page("Report “residual”: amplification and label guidance", INTRODUCTION)
    if net.width != reported:
        gflop = training_gflop(replace(net, width=reported))
        page.text(
            f"The report's net has {reported} base channels and costs {gflop:.0f} GFLOP an image in training; this budget trains one of "
            f"{net.width} base channels at {net.size} px with {net.latent} latent dimensions."
        )
    if same_weights(study.classifier, study.judge):
        page.text("Judge and guide are one and the same net here: what the judge says of edits below is no second opinion.")
    curves(page, main, runs["means-annealed"])
    collapse(page, study, runs)
    temperatures(page, study, main)
    interpolations(page, study, main)
    classifier(page, study)
    amplification(page, study, main)
    label_guidance(page, study, main)
    page.write()
    return page


def same_weights(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    """True where two nets are the same one."""
    left, right = a.state_dict(), b.state_dict()
    return left.keys() == right.keys() and all(v.shape == right[k].shape and torch.equal(v, right[k]) for k, v in left.items())


def training_gflop(config: PostActivationConfig) -> float:
    """Floating-point operations of one image forward and back, in 10⁹, as torch counts them."""
    with torch.random.fork_rng(devices=[]):  # new weights are drawn, and thrown away
        net = build_net(config)
    with FlopCounterMode(display=False) as counter:
        mean, posterior = net(torch.zeros(1, *config.shape))
        (mean.sum() + posterior.kl().sum()).backward()
    return counter.get_total_flops() / 1e9


def temperatures(page: ReportPage, study: Study, run: StudyRun) -> None:
    """The same noise at four temperatures."""
    noise = features.noises(FACES_DRAWN, run.config.net.latent)
    photos = study.pictures(run, study.held_out())
    rebuilt = features.decode(run.net, features.encode(run.net, photos)[0])
    page.section(
        "Temperature",
        "z = T · noise, the same noise in each row. Diversity is the mean distance between two faces in the judge's features, of "
        f"{len(noise)} faces. Face confidence is the mean probability of “there is a face” by the editor's alignment net, which has "
        f"learned "
        "on windows with and without one.",
    )
    rows, table = [], []
    for temperature in TEMPERATURES:
        pictures = features.decode(run.net, temperature * noise)
        rows.append(pictures[:FACES_SHOWN])
        table.append([temperature, *scores_of_faces(study, pictures)])
    table += [[n, *scores_of_faces(study, p[: len(noise)])] for n, p in (("held-out photos", photos), ("their reconstructions", rebuilt))]
    page.figure(
        "temperatures", picture_sheet(rows, [f"T {t:g}" for t in TEMPERATURES]), "Faces drawn at four temperatures, the same noise."
    )
    page.table(["T", "diversity", "face confidence", "sharpness"], table)
    columns = list(zip(*table[: len(TEMPERATURES)], strict=True))
    grows = all(b > a for a, b in pairwise(columns[1]))
    breaks = columns[2][-1] < columns[2][-2] - BREAKS
    diversity, confidence = (", ".join(f"{v:.2f}" for v in values) for values in columns[1:3])
    page.claim(
        "Low temperatures give faces that are alike, high ones diverse and then incoherent faces",
        f"at T {', '.join(f'{t:g}' for t in TEMPERATURES)}: diversity {diversity}; face confidence {confidence} (photos "
        f"{table[-2][2]:.2f})",
        verdict(grows, breaks),
    )
    page.text(
        f"Rule: found where diversity grows at each step of T and face confidence falls by more than {BREAKS:g} from T 1 to T 2; partly "
        "where one does."
    )
    keys = ("temperature", "diversity", "face_confidence", "sharpness")
    page.number("temperatures", [dict(zip(keys, row, strict=True)) for row in table])


def scores_of_faces(study: Study, pictures: UInt8[np.ndarray, "n h w c"]) -> tuple[float, float, float]:
    """Diversity in judge features, face confidence, sharpness."""
    found = features.features(study.judge, pictures)
    return features.diversity(found), features.face_confidence(study.aligner, pictures), features.sharpness(pictures)


def interpolations(page: ReportPage, study: Study, run: StudyRun) -> None:
    """Straight lines between drawn faces, to see; between held-out faces, to measure."""

    def way(a: Float[Tensor, " d"], b: Float[Tensor, " d"]) -> UInt8[np.ndarray, "n h w c"]:
        return features.interpolate(run.net, a, b, STEPS + 1)

    ends = features.noises(8, run.config.net.latent, start=200)
    page.section("Interpolations", f"Straight lines in z, {STEPS + 1} pictures each.")
    names = [f"pair {i + 1}" for i in range(4)]
    page.figure(
        "interpolations", picture_sheet([way(*ends[2 * i : 2 * i + 2]) for i in range(4)], names), "Between faces drawn from N(0, I)."
    )
    mean, _ = features.encode(run.net, study.pictures(run, study.held_out()[: 2 * PAIRS]))
    strips = [way(a, b) for a, b in zip(mean[0::2], mean[1::2], strict=False)]
    steps = np.array([features.step_changes(strip) for strip in strips])  # (pairs, steps)
    whole = np.array([features.step_changes(strip[[0, -1]])[0] for strip in strips])
    halfway = np.array([features.step_changes(np.stack([s[STEPS // 2], (s[0].astype(float) + s[-1]) / 2]))[0] for s in strips])
    uneven = steps.max(axis=1) / steps.mean(axis=1).clip(1e-9)
    page.figure(
        "interpolations-held-out",
        picture_sheet(strips[:6], [f"pair {i + 1}" for i in range(len(strips[:6]))]),
        "Between held-out faces.",
        private=True,
    )
    page.table(
        [
            "held-out pairs",
            "mean step",
            "largest step",
            "end to end",
            "largest / mean step, mean over pairs",
            "the same, worst pair",
            "halfway from a cross-fade",
        ],
        [
            [
                len(strips),
                float(steps.mean()),
                float(steps.max()),
                float(whole.mean()),
                float(uneven.mean()),
                float(uneven.max()),
                float(halfway.mean()),
            ]
        ],
    )
    page.text(
        f"Changes are root mean squares in grey levels. A jump would make one step as large as the whole way: {STEPS} mean steps. A "
        "cross-fade of the two end pictures is perfectly even; how far the picture halfway lies from it tells how much more than fading "
        "happens."
    )
    page.claim(
        "Interpolations are smooth",
        f"largest step {uneven.mean():.2f} times the mean step on average over {len(strips)} held-out pairs, {uneven.max():.2f} at worst",
        verdict(uneven.max() < SMOOTH, uneven.mean() < SMOOTH),
    )
    page.text(f"Rule: found where no pair has a step of {SMOOTH:g} mean steps, partly where they have none on average.")
    page.number("interpolations", {"steps": steps.mean(axis=0).tolist(), "end_to_end": float(whole.mean()), "uneven": uneven.tolist()})


def classifier(page: ReportPage, study: Study) -> None:
    """The guide's answers on held-out photos against what always saying the commoner answer gives."""
    names = study.data.attributes
    page.section("The ResNet-18")
    if not names:
        page.text("This folder has no labels: the classifier cannot be scored on it.")
        page.claim(f"ResNet-18 with 40 attributes: accuracy {CLAIMED_ACCURACY:g}", "no labels", "not testable")
        return
    index = study.held_out()
    scores = score_pictures(study.classifier, np.array(study.data.images[index]), study.data.labels[index], names)
    mean = scores["mean"]
    ordered = sorted(names, key=lambda n: scores[n]["accuracy"] - scores[n]["majority"], reverse=True)
    better = sum(scores[n]["accuracy"] > scores[n]["majority"] for n in names)
    page.text(
        f"The guide on {len(index)} held-out photos, {len(names)} attributes. Most attributes are rare: always giving the commoner "
        f"answer is right in {mean['majority']:.1%} already, so accuracy is read beside that, and beside the balanced accuracy (mean of "
        f"the accuracies among faces with and without). It is better than the commoner answer for {better} of {len(names)} attributes."
    )
    page.table(["mean over attributes", *mean], [["guide", *mean.values()]])
    page.figure(
        "classifier",
        accuracy_plot(scores, ordered),
        "Accuracy of the guide, of the commoner answer, and balanced accuracy; by what is gained.",
    )
    page.claim(
        f"ResNet-18 with 40 attributes: accuracy {CLAIMED_ACCURACY:g}",
        f"{mean['accuracy']:.3f} on {len(index)} test faces, {len(names)} attributes (commoner answer {mean['majority']:.3f}"
        + ("" if mean["balanced"] is None else f", balanced {mean['balanced']:.3f}")
        + ")",
        "found" if mean["accuracy"] > CLAIMED_ACCURACY - NEAR else "partly" if mean["accuracy"] > mean["majority"] else "not found",
    )
    page.text(f"Rule: found above {CLAIMED_ACCURACY - NEAR:g}, partly where it at least beats the commoner answer.")
    page.number("classifier", scores)


def accuracy_plot(scores: dict[str, dict[str, float | None]], ordered: list[str]) -> Figure:
    """Three dots for each attribute."""
    figure, (ax,) = panels(1, size_in=(6.4, 0.8 + 0.17 * len(ordered)))
    places = np.arange(len(ordered))
    ax.hlines(places, [scores[n]["majority"] for n in ordered], [scores[n]["accuracy"] for n in ordered], color="0.7", linewidth=1.2)
    for key, label, colour in (
        ("majority", "commoner answer", "0.55"),
        ("balanced", "balanced", "#D55E00"),
        ("accuracy", "guide", "#0072B2"),
    ):
        ax.plot(
            [np.nan if scores[n][key] is None else scores[n][key] for n in ordered], places, "o", markersize=4, label=label, color=colour
        )
    ax.set_yticks(places, ordered, fontsize=7)
    ax.set(xlabel="accuracy", ylim=(len(ordered) - 0.4, -0.6))
    ax.legend(fontsize=8, frameon=False, ncols=3, loc="lower center", bbox_to_anchor=(0.4, 1.0))
    return figure
