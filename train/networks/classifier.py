"""Train, save and load the attribute classifier (guide) and the judge."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from safetensors.torch import load_file
from torch import Tensor, nn

from facevae.checkpoint.checkpoint import Checkpoint
from facevae.checkpoint.manifest import read_bytes, tensors_from
from facevae.checkpoint.serialization import fill, half_where_exact
from facevae.files import ASSETS, write_json, write_tensors
from facevae.nets.architectures import build_net, config_from, net_config
from facevae.nets.classifier import AttributeClassifier, ClassifierConfig
from facevae.nets.judge import Judge, JudgeConfig
from facevae.photo import images
from train.data.augment import Reconstruct, Roughening, cached_pictures, outputs_of, photos_at, roughen
from train.data.batches import Batches
from train.data.prepared import PreparedData
from train.networks.loop import begin, fit_net, seeded_net
from train.networks.scores import Scorer, score_pictures
from train.vae.resume import config_as_json, read_state
from train.vae.schedules import check_clocks

EMBEDDED_JUDGE = ASSETS / "judge"
NETS: dict[str, tuple[type, type]] = {"resnet": (ClassifierConfig, AttributeClassifier), "vgg": (JudgeConfig, Judge)}


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
        check_clocks(self.tick_nimg, self.total_nimg, self.batch_size)


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
    described = config_as_json(config) | {"attributes": data.attributes}
    net = seeded_net(config.seed, lambda: build_classifier(described))
    # Resuming needs no download: the state holds the weights.
    if config.weights == "imagenet" and not (run / "state.safetensors").is_file():
        take_imagenet_weights(net)
    training = begin(config, net, run, described, {"data": str(data.folder)})

    photos = decoded = photos_at(config.size, data, run)
    if config.reconstructed:
        path = run / f"reconstructions-{config.size}.npy"
        if reconstruct is None and not path.is_file():
            raise ValueError(f"reconstructed is {config.reconstructed}, but no VAE was given: name its run, or set reconstructed to 0")
        decoded = cached_pictures(path, data, config.size, reconstruct)
    valid = data.indices("valid")
    few = valid[: config.valid_nimg]

    def loss_of(nimg: int, logits: Float[Tensor, "b a"], labels: Float[Tensor, "b a"]) -> Float[Tensor, ""]:
        return F.binary_cross_entropy_with_logits(logits, labels.lerp(torch.full_like(labels, 0.5), config.label_smoothing))

    def measure(net: Scorer) -> dict[str, float | None]:
        kinds = {"valid": photos} | ({"reconstructed": decoded} if config.reconstructed else {})
        means = {name: score_pictures(net, kind[few], data.labels[few], data.attributes)["mean"] for name, kind in kinds.items()}
        return {f"{name}_{k}": v for name, mean in means.items() for k, v in mean.items()}

    fit_net(
        config, training, MixedBatches(config, data, photos, decoded), loss_of, measure, ("valid_accuracy", "valid_majority"), stop_nimg
    )
    if training.nimg == config.total_nimg:
        calibrate(training.ema, photos[valid], data.labels[valid], run / "temperatures.safetensors")
    return training.state_path


def build_classifier(described: dict) -> Scorer:
    """An untrained net, as the config of a run describes it."""
    attributes, size = tuple(described["attributes"]), described["size"]
    if described["net"] == "vgg":
        return Judge(JudgeConfig(attributes, size, tuple(described["widths"])))
    return AttributeClassifier(ClassifierConfig(attributes, size, tuple(described["layers"])))


def take_imagenet_weights(net: nn.Module) -> None:
    """Put torchvision's ImageNet weights of ResNet-18 into all but the stem and the head, which have other shapes.

    `ValueError` where the net is no ResNet-18 or the weights cannot be downloaded.
    """
    if not isinstance(net, AttributeClassifier) or net.config.layers != (2, 2, 2, 2):
        raise ValueError('weights "imagenet" are those of ResNet-18: they need net "resnet" with layers 2 2 2 2')
    from torchvision.models import ResNet18_Weights  # takes a second and more

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
    logits, truth = outputs_of(net, pictures).double(), torch.from_numpy(labels).double()  # (m, a)
    low, high = torch.full((logits.shape[1],), 0.1, dtype=torch.float64), torch.full((logits.shape[1],), 10.0, dtype=torch.float64)
    for _ in range(60):
        inverse = (low * high).sqrt()
        rising = (logits * ((logits * inverse).sigmoid() - truth)).mean(0) > 0  # of the mean cross-entropy, convex in 1 / T
        low, high = torch.where(rising, low, inverse), torch.where(rising, inverse, high)
    write_tensors(path, {"temperatures": (1 / inverse).float()})


class MixedBatches:
    """Batches of photos, reconstructions and blends of both, roughened; each a pure function of (seed, nimg)."""

    def __init__(self, config: ClassifierTrainConfig, data: PreparedData, photos: np.ndarray, decoded: np.ndarray) -> None:
        self.config, self.labels, self.photos, self.decoded = config, data.labels, photos, decoded
        self.shares = Roughening(config.soft, config.erase, config.grey)
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
        x, labels = roughen(x, generator, self.shares), torch.from_numpy(self.labels[index]).float()
        if self.config.mixup:
            share = np.random.default_rng(int(seed)).beta(self.config.mixup, self.config.mixup, len(index))
            share, other = torch.from_numpy(share).float(), torch.randperm(len(index), generator=generator)
            x, labels = x.lerp(x[other], share[:, None, None, None]), labels.lerp(labels[other], share[:, None])
        return x, labels


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
    write_tensors(folder / "classifier.safetensors", half_where_exact(net.state_dict()))
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
