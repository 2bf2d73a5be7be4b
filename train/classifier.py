"""Train and score the attribute classifier: photos and the VAE's reconstructions of them, roughened in many ways."""

import copy
import hashlib
import json
import math
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, UInt8
from safetensors.torch import load_file
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn
from torchvision.models import ResNet18_Weights
from tqdm import tqdm

from facevae.checkpoint import Checkpoint, fill, read_bytes, tensors_from
from facevae.files import write_atomic, write_json, write_tensors
from facevae.nets.architectures import build_net, config_from, net_config
from facevae.nets.classifier import AttributeClassifier, ClassifierConfig, resize
from facevae.nets.judge import Judge, JudgeConfig
from facevae.photo import images
from train.data import Batches, PreparedData, prefetch, save_array
from train.judge import Scorer
from train.loop import MAX_SKIPPED, drop_later_stats
from train.schedules import cosine
from train.spikes import SpikeWatch
from train.state import config_as_json, load_state, read_state, save_state

EMBEDDED_JUDGE = Path(__file__).parent.parent / "assets" / "judge"
NETS: dict[str, tuple[type, type]] = {"resnet": (ClassifierConfig, AttributeClassifier), "vgg": (JudgeConfig, Judge)}
Reconstruct = Callable[[Tensor], Tensor]
SCORES = ("accuracy", "majority", "balanced", "auroc", "brier", "calibration")


@dataclass(frozen=True)
class ClassifierTrainConfig:
    """Everything that decides the weights of a classifier run, but for the data. All clocks count images seen (nimg)."""

    net: Literal["resnet", "vgg"] = "resnet"
    """"resnet" guides edits, "vgg" judges them: see facevae/nets/judge.py."""
    size: int = 128
    layers: tuple[int, int, int, int] = (2, 2, 2, 2)
    """Blocks at each level of "resnet"; (2, 2, 2, 2) is ResNet-18."""
    widths: tuple[int, ...] = (32, 64, 128, 256, 256)
    """Channels at each level of "vgg"."""
    weights: Literal["none", "imagenet"] = "none"
    """What "resnet" starts from: random weights, or torchvision's for ImageNet, which are downloaded."""
    seed: int = 0
    total_nimg: int = 288_000
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
    mixup: float = 0.2
    """α of the Beta distribution that two pictures, and their labels, are mixed by (Zhang et al., mixup, 2018); 0 mixes none."""
    soft: float = 0.33
    """Share of the pictures that lose detail, half of them by blur, half by downsampling."""
    erase: float = 0.0
    """Share of the pictures in which a rectangle is filled with grey."""
    grey: float = 0.0
    """Share of the pictures without colours."""
    tick_nimg: int = 16_000
    """Between two ticks (statistics, state on disk) lie this many images."""
    precision: Literal["bf16", "no"] = "bf16"
    valid_nimg: int = 1_000
    """Held-out images scored at each tick."""

    def __post_init__(self) -> None:
        if self.tick_nimg % self.batch_size or self.total_nimg % self.batch_size:
            raise ValueError(
                f"tick_nimg {self.tick_nimg} and total_nimg {self.total_nimg} must be multiples of batch_size {self.batch_size}"
            )


# Two that know nothing of each other: what one overlooks, the other may see.
CLASSIFIER_PRESETS: dict[str, ClassifierTrainConfig] = {
    "guide": ClassifierTrainConfig(),
    "judge": ClassifierTrainConfig(
        net="vgg", size=96, seed=1, total_nimg=192_000, lr=1.5e-3, reconstructed=0, mixup=0, soft=0.15, erase=0.5, grey=0.1
    ),
}


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
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        net = build_classifier(config_as_json(config) | {"attributes": data.attributes})
    # Resuming needs no download: the state holds the weights.
    if config.weights == "imagenet" and not (run / "state.safetensors").is_file():
        take_imagenet_weights(net)
    net.to(device, memory_format=torch.channels_last)
    ema = copy.deepcopy(net).requires_grad_(False).eval()
    optimizer = torch.optim.AdamW(net.parameters(), lr=config.lr, weight_decay=config.weight_decay, fused=True)

    # Resume where the folder holds a state.
    state_path = run / "state.safetensors"
    described = config_as_json(config) | {"attributes": data.attributes}
    watch, skipped = SpikeWatch(1e9), 0
    modules = {"net": net, "ema": ema, "watch": watch}
    nimg = load_state(state_path, modules, {"net": optimizer}, described) if state_path.is_file() else 0
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
        optimizer.zero_grad()
        loss.backward()
        # On some CPUs a bf16 convolution of a few pixels gives a NaN now and then: such a step is left out, not a whole run.
        if watch.accepts(torch.nn.utils.get_total_norm([p.grad for p in net.parameters() if p.grad is not None])):
            optimizer.step()
            skipped = 0
        else:
            skipped += 1
            if skipped == MAX_SKIPPED:
                raise FloatingPointError(f"{MAX_SKIPPED} steps in a row had no usable gradient; {state_path} holds the last good state")
        nimg += config.batch_size

        # Average the weights and the BatchNorm statistics; young runs forget faster.
        halflife = min(config.ema_halflife_nimg, max(nimg / 10, 1))
        average(ema, net, 1 - 0.5 ** (config.batch_size / halflife))
        loss_sum += loss.detach().cpu().nan_to_num()
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
            save_state(state_path, modules, {"net": optimizer}, described, nimg)
            loss_sum, tick_start, tick_nimg = torch.zeros(()), time.monotonic(), nimg
    source.close()
    bar.close()
    if nimg == config.total_nimg:
        calibrate(ema, photos[data.indices("valid")], data.labels[data.indices("valid")], run / "temperatures.safetensors")
    return state_path


def build_classifier(described: dict) -> Scorer:
    """An untrained net, as the config of a run describes it."""
    attributes, size = tuple(described["attributes"]), described["size"]
    if described.get("net", "resnet") == "vgg":
        return Judge(JudgeConfig(attributes, size, tuple(described["widths"])))
    return AttributeClassifier(ClassifierConfig(attributes, size, tuple(described["layers"])))


def take_imagenet_weights(net: nn.Module) -> None:
    """Put torchvision's ImageNet weights of ResNet-18 into all but the stem and the head, which have other shapes.

    `ValueError` where the net is no ResNet-18 or the weights cannot be downloaded.
    """
    if not isinstance(net, AttributeClassifier) or net.config.layers != (2, 2, 2, 2):
        raise ValueError('weights "imagenet" are those of ResNet-18: they need net "resnet" with layers 2 2 2 2')
    try:
        found = ResNet18_Weights.IMAGENET1K_V1.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except (OSError, RuntimeError) as error:
        raise ValueError(f'the ImageNet weights cannot be downloaded ({error}); with weights "none" training starts from scratch') from None
    kept = {k: v for k, v in net.resnet.state_dict().items() if k.startswith(("conv1.", "fc."))}
    net.resnet.load_state_dict(found | kept, strict=True)


@torch.inference_mode()
def calibrate(net: Scorer, pictures: UInt8[np.ndarray, "m h w 3"], labels: UInt8[np.ndarray, "m a"], path: Path) -> None:
    """Write the temperature of each attribute to `path`: logits divided by it give honest probabilities on these pictures.

    Each is the one that makes the labels likeliest (Guo et al., On Calibration of Modern Neural Networks, 2017, section 4.2), found by
    bisecting its derivative in 1 / T. Decisions at probability 0.5 stay as they are.
    """
    logits, truth = logits_of(net, pictures).double(), torch.from_numpy(labels).double()  # (m, a)
    low, high = torch.full((logits.shape[1],), 0.1, dtype=torch.float64), torch.full((logits.shape[1],), 10.0, dtype=torch.float64)
    for _ in range(60):
        inverse = (low * high).sqrt()
        rising = (logits * ((logits * inverse).sigmoid() - truth)).mean(0) > 0  # of the mean cross-entropy, convex in 1 / T
        low, high = torch.where(rising, low, inverse), torch.where(rising, inverse, high)
    write_tensors(path, {"temperatures": (1 / inverse).float()})


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
        x, labels = roughen(x, generator, self.config), torch.from_numpy(self.labels[index]).float()
        if self.config.mixup:
            share = np.random.default_rng(int(seed)).beta(self.config.mixup, self.config.mixup, len(index))
            share, other = torch.from_numpy(share).float(), torch.randperm(len(index), generator=generator)
            x, labels = x.lerp(x[other], share[:, None, None, None]), labels.lerp(labels[other], share[:, None])
        return x, labels


def roughen(
    x: Float[Tensor, "b c s s"], generator: torch.Generator, config: ClassifierTrainConfig = ClassifierTrainConfig()
) -> Float[Tensor, "b c s s"]:
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

    # Softness: some lose detail, by downsampling to between 30 % and 80 % of their size, or by a Gaussian of up to 2 % of it.
    chance, amount = uniform(0, 1), uniform(0, 1)[0]
    small, blurred = chance < config.soft / 2, (chance >= config.soft / 2) & (chance < config.soft)
    if small.any():
        side = max(1, round(s * (0.3 + 0.5 * float(amount))))
        down = F.interpolate(x[small], (side, side), mode="bilinear", align_corners=False, antialias=True)
        x[small] = F.interpolate(down, (s, s), mode="bilinear", align_corners=False)
    if blurred.any():
        x[blurred] = blur(x[blurred], s * (0.004 + 0.016 * float(amount)))

    # Colour: contrast, brightness, and a small cast; or none at all.
    x = (x - 0.5) * uniform(0.8, 1.2, 1, 1, 1) + 0.5 + uniform(-0.1, 0.1, 1, 1, 1) + uniform(-0.03, 0.03, 3, 1, 1)
    if config.grey:
        x = torch.where(uniform(0, 1, 1, 1, 1) < config.grey, x.mean(1, keepdim=True), x)
    if config.erase:
        centre, half = uniform(0, 1, 2, 1), uniform(0.05, 0.2, 2, 1)
        place = (torch.arange(s) + 0.5) / s
        inside = (place - centre).abs() < half  # (b, 2, s): rows and columns of the rectangle
        hidden = (uniform(0, 1, 1, 1) < config.erase) & inside[:, 0, :, None] & inside[:, 1, None, :]
        x = torch.where(hidden[:, None], 0.5, x)
    return x.clamp_(0, 1).contiguous(memory_format=torch.channels_last)


def blur(x: Float[Tensor, "b c h w"], sigma_px: float) -> Float[Tensor, "b c h w"]:
    """A Gaussian blur, borders repeated."""
    radius = math.ceil(3 * sigma_px)
    kernel = torch.exp(-0.5 * (torch.arange(-radius, radius + 1) / sigma_px) ** 2)
    kernel = (kernel / kernel.sum()).expand(x.shape[1], 1, 1, -1)
    x = F.conv2d(F.pad(x, (radius, radius, 0, 0), mode="replicate"), kernel, groups=x.shape[1])
    return F.conv2d(F.pad(x, (0, 0, radius, radius), mode="replicate"), kernel.mT, groups=x.shape[1])


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


def vae_reconstruct(vae: Path) -> Reconstruct:
    """x -> G(posterior mean of x), with the EMA weights that a VAE run holds at this moment, or those of a checkpoint folder; bf16."""
    if (vae / "state.safetensors").is_file():
        parts, config, _ = read_state(vae / "state.safetensors")
        net = build_net(net_config(config["net"], str(vae)))
        net.load_state_dict(parts["ema"], strict=True)
    else:
        net = Checkpoint.from_pretrained(vae).net
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    net.to(device, memory_format=torch.channels_last).requires_grad_(False).eval()

    def reconstruct(x: Tensor) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16):
            return net.decode(net.encode(x).mode)

    return reconstruct


def score_classifier(
    net: Scorer, data: PreparedData, split: str, pictures: UInt8[np.ndarray, "m h w 3"] | None = None
) -> dict[str, dict[str, float | None]]:
    """Scores of each attribute, and their "mean", on the pictures of a split.

    `pictures` stand in for the split's own ones, in its order, say their reconstructions. Each row has
    `accuracy` at probability 0.5, `majority` (accuracy of always giving the commoner answer), `balanced`
    (mean of the accuracies among those with and without) and `auroc`; the last two are None where a split
    has one answer only, and such rows stay out of their means. `brier` is the mean squared error of the
    probability, `calibration` its expected calibration error, see `calibration_error`.
    """
    index = data.indices(split)
    return score_pictures(net, data.images[index] if pictures is None else pictures, data.labels[index], data.attributes)


@torch.inference_mode()
def score_pictures(
    net: Scorer, pictures: UInt8[np.ndarray, "m h w 3"], labels: UInt8[np.ndarray, "m a"], attributes: list[str]
) -> dict[str, dict[str, float | None]]:
    """`score_classifier` on pictures and labels at hand."""
    if list(net.config.attributes) != list(attributes):
        raise ValueError(f"the classifier answers for {', '.join(net.config.attributes)}, the data has {', '.join(attributes)}")
    if len(pictures) != len(labels):
        raise ValueError(f"{len(pictures)} pictures do not fit {len(labels)} rows of labels")
    logits = logits_of(net, pictures).numpy()  # (m, a)
    table: dict[str, dict[str, float | None]] = {}
    for column, name in enumerate(attributes):
        truth, said = labels[:, column].astype(bool), logits[:, column] > 0
        probability = 1 / (1 + np.exp(-logits[:, column].astype(np.float64)))
        right, mixed = said == truth, 0 < truth.sum() < len(truth)
        table[name] = {
            "accuracy": float(right.mean()),
            "majority": float(max(truth.mean(), 1 - truth.mean())),
            "balanced": float((right[truth].mean() + right[~truth].mean()) / 2) if mixed else None,
            "auroc": float(roc_auc_score(truth, logits[:, column])) if mixed else None,
            "brier": float(((probability - truth) ** 2).mean()),
            "calibration": calibration_error(probability, truth),
        }
    columns = {k: [row[k] for row in table.values() if row[k] is not None] for k in SCORES}
    return table | {"mean": {k: float(np.mean(v)) if v else None for k, v in columns.items()}}


def calibration_error(probability: Float[np.ndarray, " m"], truth: Bool[np.ndarray, " m"], bins: int = 10) -> float:
    """Mean |share that is true − mean probability| over bins of equal width, weighted by what falls into each (Guo et al., 2017, eq. 3)."""
    place = np.minimum((probability * bins).astype(int), bins - 1)
    return float(np.abs(np.bincount(place, truth, bins) - np.bincount(place, probability, bins)).sum() / len(truth))


@torch.inference_mode()
def logits_of(net: Scorer, pictures: UInt8[np.ndarray, "m h w 3"]) -> Float[Tensor, "m a"]:
    """What a classifier says of many pictures."""
    device = next(net.parameters()).device
    parts = np.array_split(pictures, -(-len(pictures) // 128))
    return torch.cat([net(images.to_float(np.array(p)).to(device)).cpu() for p in parts])


@torch.no_grad()
def average(ema: nn.Module, net: nn.Module, weight: float) -> None:
    """Move the averages towards the net by `weight`: parameters and BatchNorm statistics alike; counters are copied."""
    for slow, fast in zip(ema.state_dict().values(), net.state_dict().values(), strict=True):
        if slow.is_floating_point():
            slow.lerp_(fast, weight)
        else:
            slow.copy_(fast)


def load_trained(run: Path) -> Scorer:
    """The EMA weights of a classifier run, on the CPU, frozen, in eval mode, calibrated where the run came to its end."""
    parts, saved, _ = read_state(run / "state.safetensors")
    net = build_classifier(saved)
    net.load_state_dict(parts["ema"], strict=True)
    if (run / "temperatures.safetensors").is_file():
        # The head takes the temperatures in, so that nobody who loads the net has to know of them.
        temperatures = load_file(run / "temperatures.safetensors")["temperatures"]
        with torch.no_grad():
            net.head.weight.div_(temperatures[:, None])
            net.head.bias.div_(temperatures)
    return net.requires_grad_(False).eval()


def save_classifier(folder: Path, net: Scorer) -> None:
    """Write `config.json` and `classifier.safetensors` (float16): what it takes to measure, or to guide, with it again."""
    write_tensors(folder / "classifier.safetensors", {k: v.half() if v.is_floating_point() else v for k, v in net.state_dict().items()})
    name = next(name for name, (_, kind) in NETS.items() if isinstance(net, kind))
    write_json(folder / "config.json", {"net": name, **asdict(net.config)})


def load_classifier(folder: Path) -> tuple[Scorer, str]:
    """A saved classifier, frozen, in eval mode, and the first 12 digits of its weights' SHA-256; `ValueError` names what is wrong."""
    path, described = folder / "classifier.safetensors", folder / "config.json"
    raw = read_bytes(path, "classifier folder")
    try:
        values = json.loads(read_bytes(described, "classifier folder"))
        config_class, net_class = NETS[values.pop("net")]
    except (ValueError, KeyError, AttributeError, TypeError):
        raise ValueError(f"{described} does not describe a classifier") from None
    net = net_class(config_from(config_class, values, str(described)))
    return fill(net, tensors_from(raw, path), path), hashlib.sha256(raw).hexdigest()[:12]


def judge_from(folder: Path | None = None) -> tuple[Scorer, str]:
    """The embedded judge, a saved one, or that of a classifier run; and the first 12 digits of the SHA-256 of its file."""
    folder = folder or EMBEDDED_JUDGE
    state = folder / "state.safetensors"
    if not state.is_file():
        return load_classifier(folder)
    return load_trained(folder), hashlib.sha256(state.read_bytes()).hexdigest()[:12]


def guide_from(folder: Path) -> AttributeClassifier:
    """The classifier of a run, of a checkpoint, or a saved one; `ValueError` where it is a judge, which nothing may be trained by."""
    if (folder / "state.safetensors").is_file():
        net = load_trained(folder)
    elif (folder / "model.safetensors").is_file():
        net = Checkpoint.from_pretrained(folder).classifier
    else:
        net, _ = load_classifier(folder)
    if not isinstance(net, AttributeClassifier):
        raise ValueError(f"{folder} is a judge: nothing may be trained or guided by it")
    return net
