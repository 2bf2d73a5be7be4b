"""Train and score the attribute classifier: photos and the VAE's reconstructions of them, roughened in many ways."""

import copy
import json
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn
from tqdm import tqdm

from facevae.files import write_atomic, write_json
from facevae.nets.architectures import build_net, net_config
from facevae.nets.classifier import AttributeClassifier, ClassifierConfig, resize
from facevae.photo import images
from train.data import Batches, PreparedData, prefetch, save_array
from train.loop import drop_later_stats
from train.schedules import cosine
from train.state import config_as_json, load_state, read_state, save_state

Reconstruct = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class ClassifierTrainConfig:
    """Everything that decides the weights of a classifier run, but for the data. All clocks count images seen (nimg)."""

    size: int = 64
    layers: tuple[int, int, int, int] = (2, 2, 2, 2)
    seed: int = 0
    total_nimg: int = 240_000
    """Images seen in the whole run."""
    batch_size: int = 128
    lr: float = 2e-3
    lr_final_share: float = 0.005
    """The cosine ends at this share of lr."""
    lr_ramp_nimg: int = 12_800
    weight_decay: float = 0.05
    label_smoothing: float = 0.05
    ema_halflife_nimg: int = 4_000
    reconstructed: float = 0.35
    """Share of the pictures that pass the VAE, a third of these blended with their photo; 0 needs no VAE."""
    tick_nimg: int = 12_800
    """Between two ticks (statistics, state on disk) lie this many images."""
    precision: Literal["bf16", "no"] = "bf16"
    valid_nimg: int = 1_000
    """Held-out images scored at each tick."""

    def __post_init__(self) -> None:
        if self.tick_nimg % self.batch_size or self.total_nimg % self.batch_size:
            raise ValueError(
                f"tick_nimg {self.tick_nimg} and total_nimg {self.total_nimg} must be multiples of batch_size {self.batch_size}"
            )


def fit_classifier(
    config: ClassifierTrainConfig, data: PreparedData, run: Path, reconstruct: Reconstruct | None = None, stop_nimg: int | None = None
) -> Path:
    """Train, or go on training, the classifier in folder `run`; gives the path of its last state.

    `reconstruct` maps a batch in [0, 1] to the VAE's pictures of it (see `vae_reconstruct`); it is asked
    once for each picture of `data` and its answers stay in the run's folder, so that a resumed run sees
    the same ones however far the VAE has come since. The folder also holds `config.json`, `stats.jsonl`
    and `state.safetensors`; the same call resumes, bit-equal on the CPU. `stop_nimg` ends early, as a
    kill after that tick would. `ValueError` where data, run and config do not fit each other.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    net_config = ClassifierConfig(tuple(data.attributes), config.size, config.layers)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        net = AttributeClassifier(net_config).to(device, memory_format=torch.channels_last)
    ema = copy.deepcopy(net).requires_grad_(False).eval()
    optimizer = torch.optim.AdamW(net.parameters(), lr=config.lr, weight_decay=config.weight_decay, fused=True)

    # Resume where the folder holds a state.
    state_path = run / "state.safetensors"
    described = config_as_json(config) | {"attributes": data.attributes}
    modules = {"net": net, "ema": ema}
    nimg = load_state(state_path, modules, optimizer, described) if state_path.is_file() else 0
    write_json(run / "config.json", described | {"data": str(data.folder)})
    drop_later_stats(run / "stats.jsonl", nimg)

    # Everything happens at the net's size, so the pictures are made small once.
    photos = data.images if data.size == config.size else cached_pictures(run / f"photos-{config.size}.npy", data, config.size)
    decoded = photos
    if config.reconstructed:
        path = run / f"reconstructions-{config.size}.npy"
        if reconstruct is None and not path.is_file():
            raise ValueError(f"reconstructed is {config.reconstructed}, but no VAE was given: name its run, or set reconstructed to 0")
        decoded = cached_pictures(path, data, config.size, reconstruct)
    source = prefetch(Mixture(config, data, photos, decoded), nimg, config.batch_size)
    valid = data.indices("valid")[: config.valid_nimg]

    total = min(config.total_nimg, stop_nimg or config.total_nimg)
    bar = tqdm(total=config.total_nimg, initial=nimg, unit="img", unit_scale=True, mininterval=0.5 if sys.stderr.isatty() else 20)
    loss_sum, tick_start, tick_nimg = torch.zeros(()), time.monotonic(), nimg
    net.train()
    while nimg < total:
        # One step.
        x, labels = (t.to(device) for t in next(source))
        for group in optimizer.param_groups:
            group["lr"] = cosine(nimg, config.total_nimg, config.lr, config.lr_final_share, config.lr_ramp_nimg)
        with torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bf16"):
            logits = net(x)
        loss = F.binary_cross_entropy_with_logits(logits, labels.lerp(torch.full_like(labels, 0.5), config.label_smoothing))
        if not torch.isfinite(loss):
            raise FloatingPointError(f"the loss is not finite at {nimg} images; {state_path} holds the last good state")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        nimg += config.batch_size

        # Average the weights and the BatchNorm statistics; young runs forget faster.
        halflife = min(config.ema_halflife_nimg, max(nimg / 10, 1))
        average(ema, net, 1 - 0.5 ** (config.batch_size / halflife))
        loss_sum += loss.detach().cpu()
        bar.update(config.batch_size)

        # Tick: measure, write.
        if nimg % config.tick_nimg == 0 or nimg == total:
            stats = {
                "nimg": nimg,
                "loss": loss_sum.item() * config.batch_size / (nimg - tick_nimg),
                "lr": optimizer.param_groups[0]["lr"],
                "img_per_sec": (nimg - tick_nimg) / (time.monotonic() - tick_start),
            }
            means = {"valid": score_pictures(ema, photos[valid], data.labels[valid], data.attributes)["mean"]}
            if config.reconstructed:
                means["reconstructed"] = score_pictures(ema, decoded[valid], data.labels[valid], data.attributes)["mean"]
            stats |= {f"{name}_{k}": v for name, mean in means.items() for k, v in mean.items()}
            bar.set_postfix_str(f"accuracy {stats['valid_accuracy']:.4f} (majority {stats['valid_majority']:.4f})", refresh=False)
            with (run / "stats.jsonl").open("a") as file:
                file.write(json.dumps(stats) + "\n")
            save_state(state_path, modules, optimizer, described, nimg)
            loss_sum, tick_start, tick_nimg = torch.zeros(()), time.monotonic(), nimg
    source.close()
    bar.close()
    return state_path


class Mixture:
    """Batches of photos, reconstructions and blends of both, roughened; each a pure function of (seed, nimg)."""

    def __init__(self, config: ClassifierTrainConfig, data: PreparedData, photos: np.ndarray, decoded: np.ndarray) -> None:
        self.config, self.labels, self.photos, self.decoded = config, data.labels, photos, decoded
        self.batches = Batches(data, "train", config.seed)

    def __call__(self, nimg: int) -> tuple[Float[Tensor, "b c s s"], Float[Tensor, "b a"]]:
        """Pictures in [0, 1] and labels of 0 and 1."""
        index = self.batches.indices(nimg, self.config.batch_size)
        seed = np.random.SeedSequence((self.config.seed, 4, nimg)).generate_state(1)[0]
        generator = torch.Generator().manual_seed(int(seed))
        x = images.to_float(self.photos[index])
        if self.config.reconstructed:
            u, v = torch.rand((2, len(index), 1, 1, 1), generator=generator)
            weight = torch.where(u < self.config.reconstructed, torch.where(u < self.config.reconstructed / 3, v, 1.0), 0.0)
            x = x.lerp(images.to_float(self.decoded[index]), weight)
        return roughen(x, generator), torch.from_numpy(self.labels[index]).float()


def roughen(x: Float[Tensor, "b c s s"], generator: torch.Generator) -> Float[Tensor, "b c s s"]:
    """Flip, turn, shift and scale, soften, and shift colours, each picture by its own random amounts.

    A user's photo is aligned less well than CelebA and may be soft, dark or yellow; none of that
    changes an attribute.
    """
    b, _, s, _ = x.shape

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand((b, *shape), generator=generator)

    # Geometry: ±6°, ±6 % size, ±3 % shift; the grid spans [-1, 1].
    angle, zoom = uniform(-6, 6) * math.pi / 180, uniform(0.94, 1.06)
    mirror = torch.where(uniform(0, 1) < 0.5, -1.0, 1.0)
    cos, sin = zoom * torch.cos(angle), zoom * torch.sin(angle)
    shift = uniform(-0.06, 0.06, 2)
    theta = torch.stack([mirror * cos, -mirror * sin, shift[:, 0], sin, cos, shift[:, 1]], dim=1).view(b, 2, 3)
    x = F.grid_sample(x, F.affine_grid(theta, list(x.shape), align_corners=False), padding_mode="border", align_corners=False)

    # Softness: a third of the pictures lose detail, by downsampling to between 30 % and 80 % of their size.
    soft = uniform(0, 1) < 0.33
    if soft.any():
        small = max(1, round(s * float(uniform(0.3, 0.8)[0])))
        down = F.interpolate(x[soft], (small, small), mode="bilinear", align_corners=False, antialias=True)
        x[soft] = F.interpolate(down, (s, s), mode="bilinear", align_corners=False)

    # Colour: contrast, brightness, and a small cast.
    x = (x - 0.5) * uniform(0.8, 1.2, 1, 1, 1) + 0.5 + uniform(-0.1, 0.1, 1, 1, 1) + uniform(-0.03, 0.03, 3, 1, 1)
    return x.clamp_(0, 1).contiguous(memory_format=torch.channels_last)


def cached_pictures(path: Path, data: PreparedData, size: int, change: Reconstruct | None = None) -> UInt8[np.ndarray, "n s s 3"]:
    """All pictures of `data` at `size` px, passed through `change` before; made once, then memory-mapped from `path`."""
    if not path.is_file():
        small = np.empty((len(data.images), size, size, 3), np.uint8)
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        with torch.inference_mode(), tqdm(total=len(small), unit="img", desc=path.stem, mininterval=20) as bar:
            for start in range(0, len(small), 64):
                x = images.to_float(np.array(data.images[start : start + 64])).to(device)
                small[start : start + 64] = images.to_uint8(resize(x if change is None else change(x), size))
                bar.update(len(x))
        write_atomic(path, lambda temporary: save_array(temporary, small))
    pictures = np.load(path, mmap_mode="r")
    if pictures.shape != (len(data.images), size, size, 3):
        raise ValueError(
            f"{path} holds {pictures.shape} pictures, the data {(len(data.images), size, size, 3)}: choose another --run folder"
        )
    return pictures


def vae_reconstruct(vae_run: Path) -> Reconstruct:
    """x -> G(posterior mean of x), with the EMA weights that a VAE run holds at this moment; bf16."""
    parts, config, _ = read_state(vae_run / "state.safetensors")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    net = build_net(net_config(config["net"], str(vae_run)))
    net.load_state_dict(parts["ema"], strict=True)
    net.to(device, memory_format=torch.channels_last).requires_grad_(False).eval()

    def reconstruct(x: Tensor) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16):
            return net.decode(net.encode(x).mode)

    return reconstruct


def score_classifier(
    net: AttributeClassifier, data: PreparedData, split: str, pictures: UInt8[np.ndarray, "m h w 3"] | None = None
) -> dict[str, dict[str, float | None]]:
    """Scores of each attribute, and their "mean", on the pictures of a split.

    `pictures` stand in for the split's own ones, in its order, say their reconstructions. Each row has
    `accuracy` at probability 0.5, `majority` (accuracy of always giving the commoner answer), `balanced`
    (mean of the accuracies among those with and without) and `auroc`; the last two are None where a split
    has one answer only, and such rows stay out of their means.
    """
    index = data.indices(split)
    return score_pictures(net, data.images[index] if pictures is None else pictures, data.labels[index], data.attributes)


@torch.inference_mode()
def score_pictures(
    net: AttributeClassifier, pictures: UInt8[np.ndarray, "m h w 3"], labels: UInt8[np.ndarray, "m a"], attributes: list[str]
) -> dict[str, dict[str, float | None]]:
    """`score_classifier` on pictures and labels at hand."""
    if list(net.config.attributes) != list(attributes):
        raise ValueError(f"the classifier answers for {', '.join(net.config.attributes)}, the data has {', '.join(attributes)}")
    if len(pictures) != len(labels):
        raise ValueError(f"{len(pictures)} pictures do not fit {len(labels)} rows of labels")
    device = next(net.parameters()).device
    parts = np.array_split(pictures, -(-len(pictures) // 128))
    logits = torch.cat([net(images.to_float(np.array(p)).to(device)).cpu() for p in parts]).numpy()  # (m, a)
    table: dict[str, dict[str, float | None]] = {}
    for column, name in enumerate(attributes):
        truth, said = labels[:, column].astype(bool), logits[:, column] > 0
        right, mixed = said == truth, 0 < truth.sum() < len(truth)
        table[name] = {
            "accuracy": float(right.mean()),
            "majority": float(max(truth.mean(), 1 - truth.mean())),
            "balanced": float((right[truth].mean() + right[~truth].mean()) / 2) if mixed else None,
            "auroc": float(roc_auc_score(truth, logits[:, column])) if mixed else None,
        }
    columns = {k: [row[k] for row in table.values() if row[k] is not None] for k in ("accuracy", "majority", "balanced", "auroc")}
    return table | {"mean": {k: float(np.mean(v)) if v else None for k, v in columns.items()}}


@torch.no_grad()
def average(ema: nn.Module, net: nn.Module, weight: float) -> None:
    """Move the averages towards the net by `weight`: parameters and BatchNorm statistics alike; counters are copied."""
    for slow, fast in zip(ema.state_dict().values(), net.state_dict().values(), strict=True):
        if slow.is_floating_point():
            slow.lerp_(fast, weight)
        else:
            slow.copy_(fast)


def load_trained(run: Path) -> AttributeClassifier:
    """The EMA weights of a classifier run, on the CPU, frozen, in eval mode."""
    parts, saved, _ = read_state(run / "state.safetensors")
    net = AttributeClassifier(ClassifierConfig(tuple(saved["attributes"]), saved["size"], tuple(saved["layers"])))
    net.load_state_dict(parts["ema"], strict=True)
    return net.requires_grad_(False).eval()
