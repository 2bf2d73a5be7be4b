"""Feature amplification: the latent dimension of each attribute, and what moving it does."""

from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from facevae.nets.vae import VAE
from train.measure import features
from train.report.page import ReportPage, Verdict
from train.report.plots import draw_heat, panels, picture_sheet
from train.report.study import Study, StudyRun

ATTRIBUTES = (
    "Attractive",
    "Bangs",
    "Big_Nose",
    "Black_Hair",
    "Blond_Hair",
    "Gray_Hair",
    "Heavy_Makeup",
    "High_Cheekbones",
    "Male",
    "Mouth_Slightly_Open",
    "Oval_Face",
    "Pale_Skin",
    "Smiling",
    "Wearing_Lipstick",
    "Wearing_Necklace",
    "Wearing_Necktie",
    "Young",
)
RELATED = (("Smiling", "High_Cheekbones", "Mouth_Slightly_Open"), ("Male", "Heavy_Makeup", "Wearing_Lipstick"))
ALPHAS = (-6.0, -4.0, -2.0, 0.0, 2.0, 4.0, 6.0)
"""In standard deviations of the dimension's posterior means."""
FACES = 32
"""Held-out faces that are moved."""
STRONGEST = 24
"""Dimensions of the heat map."""
WORKS, CLEAR = 0.8, 2.0
"""A move works where the judge's logit rises at one end and falls at the other by CLEAR standard errors; WORKS is the wanted share."""


def pearson(z: Float[np.ndarray, "n d"], scores: Float[np.ndarray, "n a"]) -> Float[np.ndarray, "a d"]:
    """Pearson's correlation of each score with each z_j; 0 where one of them does not vary."""
    away = [v.astype(np.float64) - v.mean(axis=0, dtype=np.float64) for v in (scores, z)]
    length = [np.sqrt((v**2).sum(axis=0)) for v in away]
    units = [v / np.where(norm > 1e-9, norm, np.inf) for v, norm in zip(away, length, strict=True)]
    return units[0].T @ units[1]


def chance_limit(faces: int, dimensions: int) -> float:
    """The |r| that the strongest of so many dimensions passes by chance alone in about 5 % of all cases.

    √n · r is nearly N(0, 1) for n independent faces; the level is shared among the dimensions (Bonferroni).
    """
    return NormalDist().inv_cdf(1 - 0.025 / dimensions) / faces**0.5


@dataclass(frozen=True)
class Link:
    """An attribute and the dimension that goes with it most; `sign` is the way along the dimension that raises the attribute."""

    attribute: str
    dimension: int
    r: float
    repeated: bool
    """The same dimension is on top in both halves of the faces."""

    @property
    def sign(self) -> int:
        """+1 or -1."""
        return 1 if self.r >= 0 else -1


def top_links(z: Float[np.ndarray, "n d"], scores: Float[np.ndarray, "n a"], names: list[str]) -> list[Link]:
    """For each attribute the dimension with the largest |r|."""
    r, half = pearson(z, scores), len(z) // 2
    tops = [np.abs(pearson(*part)).argmax(axis=1) for part in ((z[:half], scores[:half]), (z[half:], scores[half:]))]
    best = np.abs(r).argmax(axis=1)
    return [Link(n, int(j), float(r[i, j]), bool(tops[0][i] == tops[1][i] == j)) for i, (n, j) in enumerate(zip(names, best, strict=True))]


def shared(links: list[Link]) -> list[dict[str, Any]]:
    """For each related group: its members that are there, the dimension of each, and how many sit on the commonest one."""
    dimension = {link.attribute: link.dimension for link in links}
    found = []
    for group in RELATED:
        members = {name: dimension[name] for name in group if name in dimension}
        together = max((list(members.values()).count(j) for j in members.values()), default=0)
        found.append({"group": group, "dimensions": members, "together": together, "complete": len(members) == len(group)})
    return found


def verdict_of_groups(groups: list[dict[str, Any]]) -> Verdict:
    """Found: all groups that are there sit on one dimension each; partly: in some group at least two attributes do."""
    testable = [g for g in groups if len(g["dimensions"]) > 1]
    if not testable:
        return "not testable"
    if all(g["together"] == len(g["dimensions"]) for g in testable):
        return "found"
    return "partly" if any(g["together"] > 1 for g in testable) else "not found"


def amplified(
    z: Float[Tensor, "n d"], dimension: int, spread: Float[np.ndarray, " d"], sign: int, alphas: tuple[float, ...] = ALPHAS
) -> Float[Tensor, "k n d"]:
    """z with z_j += α · spread_j for each α."""
    moved = z.repeat(len(alphas), 1, 1)
    moved[:, :, dimension] += sign * float(spread[dimension]) * torch.tensor(alphas, dtype=z.dtype)[:, None]
    return moved


def judged(study: Study, net: VAE, z: Float[Tensor, "k n d"]) -> Float[np.ndarray, "k n a"]:
    """The judge's logits of the pictures of stacked latents."""
    seen = features.logits(study.judge, features.decode(net, z.flatten(0, 1)))
    return seen.reshape(*z.shape[:2], -1)


def amplification(page: ReportPage, study: Study, run: StudyRun) -> None:
    """The section of the page."""
    known = list(study.classifier.config.attributes)
    names, missing = [n for n in ATTRIBUTES if n in known], [n for n in ATTRIBUTES if n not in known]
    columns = np.array([known.index(n) for n in names])
    index = study.for_directions()
    pictures = study.pictures(run, index)
    mean, _ = features.encode(run.net, pictures)
    z, scores = mean.numpy(), features.probabilities(study.classifier, pictures)[:, columns]
    spread, limit = z.std(axis=0), chance_limit(len(z), z.shape[1])
    links = top_links(z, scores, names)
    page.section(
        "Feature amplification",
        f"Pearson's r of each of the {z.shape[1]} latent dimensions (posterior means of {len(z):,} train faces) with the guide's "
        "probability of each attribute on the same photos; then z_j += α for the strongest dimension, α in standard deviations of its "
        f"posterior means. By chance alone the strongest of {z.shape[1]} dimensions would pass |r| = {limit:.3f} in one case of twenty."
        + (f" Not among these labels, left out: {', '.join(missing)}." if missing else ""),
    )
    effect = measure_effects(study, run, links, spread)
    table_of_links(page, links, effect, spread, limit)
    claim_groups(page, links, scores, names)
    claim_effect(page, links, effect)
    figures(page, study, run, links, pearson(z, scores), effect, spread)
    page.number(
        "amplification", {"links": [vars(k) for k in links], "chance_limit": limit, "alphas": ALPHAS, "effect": effect, "faces": FACES}
    )


def measure_effects(study: Study, run: StudyRun, links: list[Link], spread: Float[np.ndarray, " d"]) -> dict[str, dict[str, Any]]:
    """What the judge says of held-out reconstructions along α: for each attribute logit changes, labels changed, and what else changes.

    A logit change is given in standard deviations of that logit over the held-out photos.
    """
    names = list(study.judge.config.attributes)
    z, _ = features.encode(run.net, study.pictures(run, study.held_out()[:FACES]))
    scale = features.logits(study.judge, study.pictures(run, study.held_out())).std(axis=0) + 1e-6
    zero, found, seen = ALPHAS.index(0.0), {}, {}
    for link in links:
        if link.dimension not in seen:
            seen[link.dimension] = judged(study, run.net, amplified(z, link.dimension, spread, 1))
        # α and the dimension's sign: both ways are measured, so the other sign is the same table upside down.
        logits = seen[link.dimension][:: link.sign]
        change = (logits - logits[zero]) / scale  # (k, n, a)
        own, column = names.index(link.attribute), change.mean(axis=1)[-1]
        has = logits[:, :, own] > 0
        lack, have = ~has[zero], has[zero]
        found[link.attribute] = {
            "change": change[:, :, own].mean(axis=1).tolist(),
            "standard_error": (change[:, :, own].std(axis=1) / np.sqrt(len(z))).tolist(),
            "share_with": has.mean(axis=1).tolist(),
            "labels_changed": [float((row != has[zero]).mean()) for row in has],
            "lack": int(lack.sum()),
            "gained": float(has[-1][lack].mean()) if lack.any() else None,
            "have": int(have.sum()),
            "lost": float((~has[0])[have].mean()) if have.any() else None,
            "most_changed": names[int(np.abs(column).argmax())],
            "most_change": float(column[np.abs(column).argmax()]),
        }
    return found


def table_of_links(
    page: ReportPage, links: list[Link], effect: dict[str, dict[str, Any]], spread: Float[np.ndarray, " d"], limit: float
) -> None:
    """Attribute, dimension, r, and what the judge sees at both ends."""

    def share(value: float | None, count: int) -> str | None:
        return None if value is None else f"{value:.0%} of {count}"

    rows = []
    for k in links:
        e = effect[k.attribute]
        r = f"{k.r:+.3f}" + ("" if abs(k.r) > limit else " (chance)")
        other = "itself" if e["most_changed"] == k.attribute else f"{e['most_changed']} ({e['most_change']:+.2f})"
        ends = [f"{e['change'][0]:+.2f}", f"{e['change'][-1]:+.2f}", share(e["lost"], e["have"]), share(e["gained"], e["lack"])]
        rows.append([k.attribute, f"z{k.dimension}", r, "yes" if k.repeated else "no", float(spread[k.dimension]), *ends, other])
    low, high = f"{ALPHAS[0]:+g}σ", f"{ALPHAS[-1]:+g}σ"
    page.table(
        [
            "attribute",
            "top dimension",
            "r",
            "top in both halves",
            "σ",
            f"judge {low}",
            f"judge {high}",
            f"lost {low}",
            f"gained {high}",
            f"changes most {high}",
        ],
        rows,
    )
    page.text(
        "σ is the standard deviation of the dimension's posterior means; (chance) marks an r within the limit above. Judge: mean change "
        "of its logit on the decoded faces, in standard deviations of that logit over held-out photos; positive α is the way that "
        "raises the attribute by r. Lost and gained: share of the faces with (without) the attribute, to the judge, before the move "
        f"that have changed sides at its end. {FACES} held-out faces at most. “Changes most” is the attribute whose logit, in its own "
        "standard deviations, moves furthest."
    )


def claim_groups(page: ReportPage, links: list[Link], scores: Float[np.ndarray, "n a"], names: list[str]) -> None:
    """Do related attributes share a dimension; and how related are they in the guide's own answers."""
    groups, answers = shared(links), pearson(scores, scores)
    parts = []
    for g in groups:
        members = list(g["dimensions"])
        pairs = [answers[names.index(a), names.index(b)] for i, a in enumerate(members) for b in members[i + 1 :]]
        parts.append(", ".join(f"{n} z{j}" for n, j in g["dimensions"].items()) or f"none of {', '.join(g['group'])} here")
        if pairs:
            page.text(
                f"The guide's own probabilities of {', '.join(members)} go together, pair by pair, with |r| from "
                f"{np.abs(pairs).min():.2f} to {np.abs(pairs).max():.2f}: the higher this is, the less a shared dimension tells about "
                "the net."
            )
    held = len({k.dimension for k in links})
    page.claim(
        "Related attributes share a dimension: Smiling, High_Cheekbones, Mouth_Slightly_Open; Male, Heavy_Makeup, Wearing_Lipstick",
        "; ".join(parts) + f". {len(links)} attributes use {held} dimensions",
        verdict_of_groups(groups),
    )
    page.text("Rule: found where all of each group have the same top dimension, partly where at least two of a group do.")


def claim_effect(page: ReportPage, links: list[Link], effect: dict[str, dict[str, Any]]) -> None:
    """Does moving the dimension move the attribute, to the judge."""
    if not links:
        page.claim("Amplifying an attribute's top dimension changes the attribute", "none of the attributes is here", "not testable")
        return

    def rises(e: dict[str, Any], end: int, way: int) -> bool:
        return way * e["change"][end] > CLEAR * e["standard_error"][end]

    works = [rises(effect[k.attribute], -1, 1) and rises(effect[k.attribute], 0, -1) for k in links]
    first = [effect[k.attribute]["most_changed"] == k.attribute for k in links]
    share = sum(works) / len(works)
    up = [e["gained"] for e in effect.values() if e["gained"] is not None]
    page.claim(
        "Amplifying an attribute's top dimension changes the attribute",
        f"the judge's logit follows both ways for {sum(works)} of {len(links)} attributes; {'–' if not up else f'{np.mean(up):.0%}'} of "
        f"the faces without it gain it at {ALPHAS[-1]:g}σ, mean over attributes; it is what changes most for {sum(first)}",
        "found" if min(share, sum(first) / len(links)) >= WORKS else "partly" if share >= 0.5 else "not found",
    )
    page.text(
        f"Rule: an attribute follows where its logit rises at {ALPHAS[-1]:+g}σ and falls at {ALPHAS[0]:+g}σ, each by more than {CLEAR:g} "
        f"standard errors over the faces. Found where at least {WORKS:.0%} of the attributes follow and are what changes most, partly "
        f"where "
        "half of them at least follow. (The report shows such pictures and puts no number on them.)"
    )


def figures(
    page: ReportPage,
    study: Study,
    run: StudyRun,
    links: list[Link],
    r: Float[np.ndarray, "a d"],
    effect: dict[str, dict[str, Any]],
    spread: Float[np.ndarray, " d"],
) -> None:
    """Correlations, the judge's view along α, and drawn faces."""
    if not links:
        return
    names = [k.attribute for k in links]
    shown = strongest(r, STRONGEST)
    figure, (ax,) = panels(1, size_in=(8.6, 1.2 + 0.24 * len(names)))
    draw_heat(figure, ax, r[:, shown], names, [f"z{j}" for j in shown])
    for i, k in enumerate(links):
        ax.plot(int(np.flatnonzero(shown == k.dimension)[0]), i, "o", color="black", markersize=3)
    page.figure(
        "correlations",
        figure,
        f"r of attribute and dimension, the {len(shown)} strongest dimensions; a dot marks each attribute's top one.",
    )

    figure, (left, right) = panels(2, size_in=(4.8, 1.0 + 0.24 * len(names)))
    alphas = [f"{a:+g}" if a else "0" for a in ALPHAS]
    draw_heat(figure, left, np.array([effect[n]["change"] for n in names]), names, alphas)
    share = np.array([effect[n]["share_with"] for n in names])
    draw_heat(figure, right, share - share[:, [ALPHAS.index(0.0)]], names, alphas, limit=1)
    left.set(title="change of the judge's logit, σ", xlabel="α, σ of the dimension")
    right.set(title="change of the share with the attribute", xlabel="α, σ of the dimension")
    page.figure("amplification-judged", figure, "What the judge says of held-out faces along α.")

    pair = features.noises(2, run.config.net.latent, start=300)
    rows = []
    for k in links:
        moved = amplified(pair, k.dimension, spread, k.sign)  # (k, 2, d)
        rows.append(features.decode(run.net, moved.transpose(0, 1).flatten(0, 1)))
    labels = [f"{k.attribute} z{k.dimension}" for k in links]
    page.figure(
        "amplification",
        picture_sheet(rows, labels, alphas * 2, scale=1),
        "Two faces drawn from N(0, I), each attribute's top dimension moved by α (σ).",
    )
    z, _ = features.encode(run.net, study.pictures(run, study.held_out()[:1]))
    rows = [features.decode(run.net, amplified(z, k.dimension, spread, k.sign)[:, 0]) for k in links]
    page.figure("amplification-held-out", picture_sheet(rows, labels, alphas), "The same for a held-out face.", private=True)


def strongest(r: Float[np.ndarray, "a d"], count: int) -> Int[np.ndarray, " k"]:
    """Each attribute's top dimension, then those with the largest |r|, up to `count` (more where the tops are more); in rising order."""
    tops = np.unique(np.abs(r).argmax(axis=1))
    others = [j for j in np.abs(r).max(axis=0).argsort()[::-1] if j not in tops]
    return np.sort(np.concatenate([tops, others[: max(0, count - len(tops))]]).astype(int))
