"""Ablation: one change at a time at equal images seen, measured by the protocol on valid.

The continued runs of docs/ablation.json began with the embedded checkpoint of commit c7d48bc, which has format 2. To repeat them, check
out commit 91c0097, which still reads it.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8

from facevae.checkpoint.checkpoint import Checkpoint
from facevae.editor import Editor
from facevae.files import write_json
from facevae.nets.classifier import AttributeClassifier
from facevae.nets.residual import ResidualConfig
from facevae.nets.vae import VAE
from facevae.photo import images
from train.data.prepared import PreparedData
from train.measure.encodings import load_run
from train.measure.features import decode, encode, sharpness
from train.measure.markdown import table
from train.measure.protocol import Protocol, draw, fit_gaussian, measure_protocol, spread
from train.networks.classifier import judge_from
from train.publish.card import write_between
from train.publish.figures import ASTRONAUT
from train.vae.adversary import AdversaryConfig
from train.vae.config import TrainConfig
from train.vae.loop import fit
from train.vae.resume import images_before
from train.vae.sample_sheets import save_png, tile
from train.vae.schedules import RateSchedule

SHARP_FACES = 256
MARKS = ("<!-- ablation: written by python -m train ablation -->", "<!-- end of ablation -->")


@dataclass(frozen=True)
class Variant:
    """One change of the base it belongs to."""

    says: str
    """The change, in the words of the table."""
    change: dict[str, Any] = field(default_factory=dict)
    """Fields of the base's config that take other values."""
    grow: Callable[[ResidualConfig], ResidualConfig] | None = None
    """The net that it is given, from the one that it begins with."""


def finer(net: ResidualConfig) -> ResidualConfig:
    """One level more at 64 × 64, cheap as its widths are small: a head of 4 × 4 px patches cannot draw an edge where it wants."""
    return replace(
        net, patch=2, widths=(32, 48, 96, 192, 256), encoder_blocks=(0, 0, 1, 1, 1), decoder_blocks=(1, 1, 1, 1, 1), head_channels=8
    )


def wider_head(net: ResidualConfig) -> ResidualConfig:
    """As cheap: the head stays, and a small block at full resolution sees across its patches."""
    return replace(net, head_channels=8, pixel_blocks=1)


def detailed(net: ResidualConfig) -> ResidualConfig:
    """Two finer levels whose picture is added to that of the head."""
    return replace(net, detail_widths=(32, 16))


SHARP = AdversaryConfig(weight=0.5, alone_nimg=3_200, ramp_nimg=6_400)
SEEING = replace(SHARP, sees="features", lr=1e-3)

# From random weights: what kind of net, likelihood and rate. The first is the base.
SCRATCH: dict[str, Variant] = {
    "base": Variant("base: σ map, β 4, 256 latents, one block a level, ±4 px"),
    "plain": Variant("plain β-VAE: sum of squares (σ² 0.5), β 1", {"likelihood": "fixed", "variance": 0.5, "beta": 1.0}),
    "shared": Variant("one optimal σ for all pixels (σ-VAE)", {"likelihood": "shared"}),
    "beta-1": Variant("β 1", {"beta": 1.0}),
    "beta-2": Variant("β 2", {"beta": 2.0}),
    "beta-8": Variant("β 8", {"beta": 8.0}),
    "free": Variant("free bits: 0.5 nats a dimension", {"free_nats": 0.5}),
    "latent-512": Variant("512 latents", grow=lambda net: replace(net, latent=512)),
    "deep": Variant(
        "two blocks at the two coarse levels", grow=lambda net: replace(net, encoder_blocks=(0, 1, 2, 2), decoder_blocks=(1, 1, 2, 2))
    ),
    "turn": Variant("±3° turns", {"turn_deg": 3.0}),
}

# From the weights of a trained net, with a small rate of learning: what sharpens. The first is the base.
CONTINUED: dict[str, Variant] = {
    "control": Variant("control: the same losses, continued"),
    "continued-beta-2": Variant("β 2", {"beta": 2.0}),
    "continued-focal": Variant("focal frequency loss 100", {"focal_weight": 100.0}),
    "continued-feature": Variant("feature loss 0.1", {"feature_weight": 0.1}),
    "continued-adversary": Variant("patch adversary 0.5", {"adversary": SHARP}),
    "continued-both": Variant("feature loss 0.1 and patch adversary 0.5", {"feature_weight": 0.1, "adversary": SHARP}),
    "more-latents": Variant("256 latents more", grow=lambda net: replace(net, latent=net.latent + 256)),
    "finer": Variant("a finer level added: stem and head of 2 px instead of 4", grow=finer),
    "head": Variant("a wider head and a small block at full resolution", grow=wider_head),
    "head-feature": Variant("… and feature loss 0.1", {"feature_weight": 0.1}, wider_head),
    "head-adversary": Variant("… and patch adversary 0.5", {"adversary": SHARP}, wider_head),
    "detail": Variant("detail levels at 64 and 128 px", grow=detailed),
    "detail-feature": Variant("… and feature loss 0.1", {"feature_weight": 0.1}, detailed),
    "detail-adversary": Variant("… and patch adversary 0.5", {"adversary": SHARP}, detailed),
    "detail-seeing": Variant("… and an adversary 0.5 that sees through the guide", {"adversary": SEEING}, detailed),
}


@dataclass(frozen=True)
class AblationConfig:
    """How long the runs are, and what is measured."""

    scratch_nimg: int = 25_600
    continued_nimg: int = 16_000
    faces: int = 1_000
    """Of the valid partition, and samples of each kind."""
    seed: int = 0


def config_of(name: str, ablation: AblationConfig, net: ResidualConfig = ResidualConfig()) -> TrainConfig:
    """What a variant trains with; `net` is that of the weights which a continued one begins with."""
    variant = (SCRATCH | CONTINUED)[name]
    if name in SCRATCH:
        net = ResidualConfig()
    common = {"net": variant.grow(net) if variant.grow else net, "seed": ablation.seed, "batch_size": 64, "valid_nimg": 512}
    if name in SCRATCH:
        nimg = ablation.scratch_nimg
        schedule = RateSchedule(ramp_nimg=min(20_000, nimg // 4))
        base = TrainConfig(total_nimg=nimg, tick_nimg=nimg // 2, lr_ramp_nimg=min(6_400, nimg // 10), beta_schedule=schedule, **common)
        return replace(base, **variant.change)
    nimg = ablation.continued_nimg
    base = TrainConfig(
        total_nimg=nimg,
        tick_nimg=nimg // 2,
        lr=3e-4,
        lr_ramp_nimg=min(1_600, nimg // 10),
        ema_halflife_nimg=min(2_000, nimg // 10),
        beta_schedule=RateSchedule("constant"),
        **common,
    )
    return replace(base, **variant.change)


def run_ablation(
    names: tuple[str, ...],
    out: Path,
    data: PreparedData,
    guide: AttributeClassifier,
    start: Path,
    judge: Path | None,
    config: AblationConfig,
) -> dict[str, dict[str, Any]]:
    """Train and measure the named variants in folders of `out`; writes `ablation.json` with all that are done so far.

    What is done is not done again. `start` is the run or checkpoint that the continued variants begin with. `ValueError` for a
    name that there is not, and where `out` holds runs of another config.
    """
    if unknown := [n for n in names if n not in SCRATCH | CONTINUED]:
        raise ValueError(f"there is no variant {', '.join(unknown)}; known are {', '.join(SCRATCH | CONTINUED)}")
    path = out / "ablation.json"
    found: dict[str, dict[str, Any]] = json.loads(path.read_text()) if path.is_file() else {}
    net_judge, digest = judge_from(judge)
    protocol = Protocol(split="valid", faces=config.faces)
    began = net_of(start) if any(name in CONTINUED for name in names) else ResidualConfig()
    for name in names:
        run = out / name
        wanted = config_of(name, config, began)
        fit(wanted, data, run, guide=guide if wanted.wants_guide else None, start=start if name in CONTINUED else None)
        if name in found and found[name]["judge"] == digest:
            continue
        trained = load_run(run)
        net = trained.net
        section = measure_protocol(net, trained.variance, fit_gaussian(net, data), net_judge, digest, data, protocol)
        speeds = [json.loads(line)["img_per_sec"] for line in (run / "stats.jsonl").read_text().splitlines()]
        photos = np.array(data.images[data.indices("valid")[:SHARP_FACES]])
        found[name] = section | {
            "nimg": wanted.total_nimg,
            "nimg_before": images_before(run),
            "sharpness": round(sharpness(decode(net, encode(net, photos)[0])) / sharpness(photos), 4),
            "img_per_sec": round(max(speeds), 1),
        }
        write_json(path, found)
    return found


def net_of(start: Path) -> ResidualConfig:
    """The shape of the net in a run or a checkpoint folder; `ValueError` where it is not a residual one."""
    net = load_run(start).net if (start / "state.safetensors").is_file() else Checkpoint.from_pretrained(start).net
    if not isinstance(net.config, ResidualConfig):
        raise ValueError(f"{start} does not hold a residual net, which is what the ablation goes on from")
    return net.config


def ablation_table(found: dict[str, dict[str, Any]]) -> str:
    """Both halves as Markdown, in the order of `SCRATCH` and `CONTINUED`."""
    head = [
        "change",
        "PSNR, dB",
        "rate, nats",
        "MS-SSIM",
        "sharpness",
        "Fréchet, rebuilt",
        "… drawn, fitted T = 1",
        "… N(0, I)",
        "active",
        "img/s",
    ]
    text = ""
    for variants in (SCRATCH, CONTINUED):
        rows = [[variants[n].says, *cells(found[n])] for n in variants if n in found]
        if rows:
            nimg, before = next((found[n]["nimg"], found[n]["nimg_before"]) for n in variants if n in found)
            title = f"Continued from weights that had seen {before:,} images" if before else "From random weights"
            text += f"\n{title}, {nimg:,} images each:\n\n{table(head, rows)}"
    return text


def cells(row: dict[str, Any]) -> list[str]:
    """The figures of one variant."""
    likeness, distances = row["reconstruction"], row["distances"]
    frechet = [f"{distances[k]['frechet']['mean']:.3g}" for k in ("reconstructions", "samples T=1", "N(0, I) T=1")]
    return [
        f"{likeness['psnr_db']:.2f}",
        f"{likeness['rate_nats']:.0f}",
        "–" if likeness["ms_ssim"] is None else f"{likeness['ms_ssim']:.3f}",  # too small a picture for three scales
        f"{100 * row['sharpness']:.0f} %",
        *frechet,
        f"{likeness['active_units']} / {likeness['latent']}",
        "–" if row["img_per_sec"] is None else f"{row['img_per_sec']:.0f}",
    ]


def note(found: dict[str, dict[str, Any]]) -> str:
    """What the columns mean, and what the floor is."""
    row = next(iter(found.values()))
    floor = row["distances"]["real faces, the floor"]["frechet"]
    return (
        f"Measured by protocol {row['version']} on {row['n']:,} faces of the {row['split']} partition, judge {row['judge']}; Fréchet "
        f"distances in judge features between subsets of {row['subset_n']} (photos against other photos: {spread(floor)}). "
        f"Sharpness: energy of the Laplacian of the reconstructions, as a share of the photos'. Drawn faces come from one Gaussian "
        f"fitted to the encodings. Speed: the faster half of a run on two CPU cores, where it had them to itself.\n"
    )


def strip(net: VAE, data: PreparedData, face: UInt8[np.ndarray, "s s 3"], samples: int = 6) -> UInt8[np.ndarray, "h w 3"]:
    """The public-domain face rebuilt, and faces drawn from the Gaussian fitted to the encodings: no picture of the data."""
    with torch.inference_mode():
        rebuilt = images.to_uint8(net.decode(net.encode(images.to_float(face[None])).mode))
    drawn = decode(net, draw(fit_gaussian(net, data), net.config.latent, samples, 0.8))
    return tile(np.concatenate([face[None], rebuilt, drawn]), columns=samples + 2)


def draw_strips(out: Path, data: PreparedData, names: tuple[str, ...], path: Path) -> None:
    """One row for each variant: the photo, its reconstruction, six drawn faces of fixed seeds."""
    editor = Editor()
    face = editor.open_photo(ASTRONAUT).crop
    rows = [strip(load_run(out / name).net, data, face) for name in names if (out / name / "state.safetensors").is_file()]
    gap = np.full((4, rows[0].shape[1], 3), 255, np.uint8)
    save_png(path, np.concatenate([part for row in rows for part in (row, gap)][:-1]))


def publish(document: Path, found: dict[str, dict[str, Any]]) -> None:
    """Put the tables between the marks of a document."""
    write_between(document, MARKS, note(found) + ablation_table(found))
