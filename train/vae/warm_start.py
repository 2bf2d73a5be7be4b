"""Warm start: a new run from the weights of another run, also of a smaller net."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from facevae.checkpoint.checkpoint import Checkpoint
from facevae.files import write_atomic, write_json
from facevae.nets.residual import ResidualVAE
from facevae.nets.vae import VAE
from facevae.photo import images
from train.data.batches import PictureSource
from train.vae.losses import GaussianLikelihood
from train.vae.resume import images_before, read_state

HISTORY = "before.jsonl"
NEW_LOGVAR = -3.0  # of the posterior of a latent dimension that is added
LEARN_FROM = 12_000  # training faces that the new dimensions are fitted to
RIDGE = 300.0
AT_THE_PIXELS = ("encoder.stem.", "decoder.norm.", "decoder.to_pixels.", "decoder.smooth.")


def read_stats(run: Path) -> list[dict[str, float]]:
    """The ticks of a run and of those that it began with, the oldest first, each with all images that its weights had seen."""
    lines = (run / "stats.jsonl").read_text().splitlines()
    own = [json.loads(line) for line in lines]
    before = [json.loads(line) for line in (run / HISTORY).read_text().splitlines()] if (run / HISTORY).is_file() else []
    return before + [row | {"nimg": row["nimg"] + images_before(run)} for row in own]


def begin_with(start: Path, net: VAE, ema: VAE, likelihood: GaussianLikelihood, run: Path, data: PictureSource) -> None:
    """Put the averaged weights and the variance of another run, or of a checkpoint folder, into a new run, and note it there.

    A residual net may have finer levels, a wider head or more latent dimensions than the older one had: those begin
    with the new run's own weights.
    """
    if (start / "state.safetensors").is_file():
        parts, _, nimg = read_state(start / "state.safetensors")
        weights, variance = parts["ema"], parts["likelihood"]["variance"]
        nimg += images_before(start)
        write_atomic(run / HISTORY, lambda path: path.write_text("".join(json.dumps(row) + "\n" for row in read_stats(start))))
    else:
        checkpoint = Checkpoint.from_pretrained(start)
        weights, variance, nimg = checkpoint.net.state_dict(), checkpoint.variance, checkpoint.evaluation["training"]["nimg"]
    wanted, latent = net.state_dict(), 0
    if isinstance(net, ResidualVAE):
        latent = weights["decoder.stem.weight"].shape[1]
        weights = grow_weights(weights, wanted)
    for module in (net, ema):
        try:
            module.load_state_dict(weights, strict=True)
        except RuntimeError as error:
            raise ValueError(f"{start} has a net of another shape than this config ({' '.join(str(error).split())[:200]})") from None
    if isinstance(net, ResidualVAE) and latent < net.config.latent:
        encode_what_is_missing(net, data, latent)
        ema.load_state_dict(net.state_dict())
    if likelihood.rate:
        likelihood.variance.copy_(variance)
    write_json(run / "start.json", {"from": start.name, "nimg": nimg})


def grow_weights(weights: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a residual net under the names and in the shapes that they have in one with finer levels, or a wider head.

    An encoder grows at its front, a decoder at its end (Karras et al., Progressive Growing of GANs, 2018), so layers are counted
    from the other side; stem and head touch the pixels and are then made anew. With detail levels, more channels in the head, or more
    latent dimensions, a net draws the same pictures at first: the new ones begin unheard. Detail levels that the new net lacks are
    left behind, which gives back the net that they were added to. Weights that fit nowhere
    keep their names, and are named by whoever loads them.
    """
    shift = count_levels("encoder", wanted) - count_levels("encoder", weights)
    drawn = count_levels("decoder", weights)
    # What growing adds, and nothing else: a weight that is missing elsewhere is missed by whoever loads these.
    added = ("decoder.pixels.", "decoder.detail.")
    if not any(k.startswith("decoder.detail.") for k in wanted):
        weights = {k: v for k, v in weights.items() if not k.startswith("decoder.detail.")}
    kept = {k: v for k, v in wanted.items() if is_new(k, shift, drawn) or (k.startswith(added) and k not in weights)}
    old, new = weights["decoder.stem.weight"].shape[1], wanted["decoder.stem.weight"].shape[1]
    if old < new:
        wider = {k: wanted[k].clone() for k in ("encoder.out.weight", "encoder.out.bias", "decoder.stem.weight")}
        for part in ("weight", "bias"):
            mean, logvar = weights[f"encoder.out.{part}"].chunk(2)
            wider[f"encoder.out.{part}"][:old], wider[f"encoder.out.{part}"][new : new + old] = mean, logvar
            # Certain at first: a new dimension whose noise drowns its mean is given up before the decoder has learned to listen.
            wider[f"encoder.out.{part}"][new + old :] = 0 if part == "weight" else NEW_LOGVAR
        wider["decoder.stem.weight"].zero_()[:, :old] = weights["decoder.stem.weight"]
        weights = {**weights, **wider}
    if not shift and weights["decoder.smooth.weight"].shape[1] < wanted["decoder.smooth.weight"].shape[1]:
        rows, channels = len(weights["decoder.to_pixels.weight"]), weights["decoder.smooth.weight"].shape[1]
        wider = {k: wanted[k].clone() for k in ("decoder.to_pixels.weight", "decoder.to_pixels.bias", "decoder.smooth.weight")}
        for part in ("weight", "bias"):
            wider[f"decoder.to_pixels.{part}"][:rows] = weights[f"decoder.to_pixels.{part}"]
        wider["decoder.smooth.weight"].zero_()[:, :channels] = weights["decoder.smooth.weight"]
        weights = {**weights, **wider}
    for name, value in weights.items():
        if name.startswith("encoder.levels."):
            index, rest = name.removeprefix("encoder.levels.").split(".", 1)
            name = f"encoder.levels.{int(index) + shift}.{rest}"
        elif shift and name.startswith(AT_THE_PIXELS):
            continue
        kept[name] = value
    return kept


@torch.inference_mode()
def encode_what_is_missing(net: ResidualVAE, data: PictureSource, old: int) -> None:
    """Let each latent dimension after the first `old` begin as the best linear guess, from what the encoder sees, at one principal
    component of what the decoder leaves out, with a standard deviation of 1; the decoder does not listen to it yet.

    From random rows the new dimensions are given up: the rate costs them more than the decoder has learned to do with them.
    `ValueError` where there are fewer training faces than new dimensions.
    """
    encoder, device = net.encoder, next(net.parameters()).device
    faces = data.pictures("train", LEARN_FROM)
    if len(faces) <= net.config.latent - old:
        raise ValueError(
            f"{net.config.latent - old} new latent dimensions need more training faces than that, {data.name} has {len(faces)}"
        )
    seen, missing = [], []
    for part in np.array_split(faces, -(-len(faces) // 64)):
        x = images.to_float(part).to(device)
        with torch.autocast(device.type, torch.bfloat16):
            features = encoder.features(x)
            mean = net.decode(encoder.out(features).chunk(2, dim=1)[0])
        seen.append(features.float())
        missing.append(F.avg_pool2d(x - mean.float(), 2).flatten(1))
    f, r = torch.cat(seen), torch.cat(missing)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        components = torch.svd_lowrank(r - r.mean(0), q=net.config.latent - old, niter=2)[2]
    wanted = (r - r.mean(0)) @ components
    wanted /= wanted.std(0)
    centre, spread = f.mean(0), f.std(0) + 1e-6
    g = (f - centre) / spread
    weight = torch.linalg.solve(g.T @ g + RIDGE * torch.eye(g.shape[1], device=device), g.T @ wanted)  # (features, new)
    weight /= (g @ weight).std(0) * spread[:, None]
    rows = slice(old, net.config.latent)
    encoder.out.weight[rows] = weight.T
    encoder.out.bias[rows] = -(centre @ weight)


def is_new(name: str, shift: int, drawn: int) -> bool:
    """Whether a weight of the larger net belongs to what growing by `shift` layers adds; the smaller decoder has `drawn` layers."""
    if shift and name.startswith(AT_THE_PIXELS):
        return True
    if not name.startswith(("encoder.levels.", "decoder.levels.")):
        return False
    part, _, index, _ = name.split(".", 3)
    return int(index) < shift if part == "encoder" else int(index) >= drawn


def count_levels(part: str, weights: Mapping[str, Tensor]) -> int:
    """Layers of an encoder or decoder up to the last that has weights."""
    return 1 + max(int(name.split(".")[2]) for name in weights if name.startswith(f"{part}.levels."))
