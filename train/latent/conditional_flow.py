"""Train the latent flow, a prior that knows labels: conditional flow matching on encodings."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float16, Float32
from torch import Tensor
from tqdm import tqdm

from facevae.checkpoint.manifest import tensors_from
from facevae.files import write_atomic, write_tensors
from facevae.latent.conditional_flow import ConditionalFlow
from facevae.latent.priors import GaussianMixture
from facevae.nets.classifier import AttributeClassifier
from facevae.nets.vae import VAE
from facevae.nets.velocity import VelocityConfig, VelocityNet, query_of
from facevae.photo import images
from train.data.batches import Batches
from train.data.prepared import PreparedData, save_array
from train.latent.prior import PriorConfig, fit_mixture
from train.networks.loop import begin, fit_net, seeded_net
from train.vae.resume import config_as_json, read_state
from train.vae.schedules import check_clocks

BATCH = 64
OWN_SIGMA = 1.0
"""A picture's encoding, made again, is off by less than so many standard deviations of its posterior."""
SURE = 0.001
"""The guide is never told to be surer than this: a label's logit is finite, and few faces decide how wide it spreads."""
LABELS = PriorConfig(components=(1, 4, 8, 16), tolerance_nats=0.02)


@dataclass(frozen=True)
class FlowTrainConfig:
    """Everything that decides the weights of a latent flow, but for data and nets. All clocks count encodings seen (nimg)."""

    width: int = 512
    hidden: int = 768
    blocks: int = 4
    condition: Literal["guide", "labels", "both"] = "both"
    """What it is told of a face: the guide's calibrated probabilities, the data's own labels, or one of the two by chance."""
    one_unknown: float = 0.3
    """Share of single labels that it is not told ..."""
    all_unknown: float = 0.1
    """... and of faces of which it is told none."""
    posterior: float = 1.0
    """Draws of the posterior are trained on, its standard deviation times this."""
    time_scale: float = 1.2
    """t is the sigmoid of so many standard normal values."""
    seed: int = 0
    total_nimg: int = 12_800_000
    batch_size: int = 512
    lr: float = 1e-3
    lr_final_share: float = 0.01
    lr_ramp_nimg: int = 128_000
    weight_decay: float = 0.05
    ema_halflife_nimg: int = 500_000
    tick_nimg: int = 256_000
    precision: Literal["bf16", "no"] = "bf16"

    def __post_init__(self) -> None:
        check_clocks(self.tick_nimg, self.total_nimg, self.batch_size)


@dataclass(frozen=True)
class Encodings:
    """What a flow is trained on, each (n, 2, ...): of every picture as it is, and mirrored."""

    mean: Float16[np.ndarray, "n 2 d"]
    std: Float16[np.ndarray, "n 2 d"]
    """Of the posterior."""
    probabilities: Float16[np.ndarray, "n 2 a"]
    """The guide's."""


def cached_encodings(folder: Path, net: VAE, guide: AttributeClassifier, data: PreparedData) -> Encodings:
    """Encodings of all pictures and what the guide sees in them; made once, then memory-mapped from the folder."""
    paths = {name: folder / f"{name}.npy" for name in ("mean", "std", "probabilities")}
    if not all(path.is_file() for path in paths.values()):
        n = len(data.images)
        found: dict[str, np.ndarray] = {
            name: np.empty((n, 2, size), np.float16)
            for name, size in zip(paths, (net.config.latent, net.config.latent, len(guide.config.attributes)), strict=True)
        }
        for start in tqdm(range(0, n, BATCH), desc="encode", unit="batch", mininterval=20):
            x = images.to_float(np.array(data.images[start : start + BATCH]))
            for side, pictures in enumerate((x, x.flip(-1))):
                for name, row in encoded(net, guide, pictures).items():
                    found[name][start : start + BATCH, side] = row
        for name, path in paths.items():
            write_atomic(path, lambda temporary, name=name: save_array(temporary, found[name]))
    loaded = Encodings(**{name: np.load(path) for name, path in paths.items()})
    if len(loaded.mean) != len(data.images):
        raise ValueError(f"{folder} holds {len(loaded.mean)} encodings, the data {len(data.images)}: choose another --run folder")
    first = encoded(net, guide, images.to_float(np.array(data.images[:1])))
    away = np.abs(loaded.mean[:1, 0].astype(np.float32) - first["mean"]) / first["std"]
    if away.max() > OWN_SIGMA:
        raise ValueError(f"{folder} holds encodings of another VAE: choose another --run folder, or remove it")
    return loaded


def encoded(net: VAE, guide: AttributeClassifier, pictures: Float[Tensor, "b c h w"]) -> dict[str, Float16[np.ndarray, "b _"]]:
    """The fields of `Encodings`, of some pictures. In bf16: it errs by a twentieth of the posterior's spread, in a third of the time."""
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        posterior = net.encode(pictures)
        rows = posterior.mean, (0.5 * posterior.logvar).exp(), guide(pictures).sigmoid()
    return {name: row.half().numpy() for name, row in zip(("mean", "std", "probabilities"), rows, strict=True)}


class FlowBatches:
    """Batches of points between noise and encodings; each a pure function of (seed, nimg)."""

    def __init__(
        self, config: FlowTrainConfig, data: PreparedData, encodings: Encodings, flow: ConditionalFlow, labels: np.ndarray
    ) -> None:
        self.config, self.encodings, self.flow, self.labels = config, encodings, flow, labels
        self.batches = Batches(data, "train", config.seed)

    def __call__(self, nimg: int) -> tuple[Float[Tensor, "b q"], Float[Tensor, "b d"]]:
        """Queries of a `VelocityNet`, and the velocities that lead from their noise to their encodings."""
        config, index = self.config, self.batches.indices(nimg, self.config.batch_size)
        return query_and_answer(config, self.encodings, self.flow, self.labels, index, np.random.default_rng((config.seed, 7, nimg)))


def query_and_answer(
    config: FlowTrainConfig,
    encodings: Encodings,
    flow: ConditionalFlow,
    labels: Float32[np.ndarray, "k n 2 a"],
    index: np.ndarray,
    rng: np.random.Generator,
    hide: bool = True,
) -> tuple[Float[Tensor, "b q"], Float[Tensor, "b d"]]:
    """One point for each of the encodings at `index`, on its way from random noise, and its velocity."""
    count, d = len(index), flow.config.latent
    side = rng.integers(2, size=count)
    z = encodings.mean[index, side] + config.posterior * encodings.std[index, side] * rng.standard_normal((count, d), np.float32)
    u, noise = flow.whiten(torch.from_numpy(z)), torch.from_numpy(rng.standard_normal((count, d), np.float32))
    t = torch.from_numpy(config.time_scale * rng.standard_normal(count, np.float32)).sigmoid()
    known = labels[rng.integers(len(labels), size=count), index, side]
    if hide:
        told = (rng.random(known.shape) >= config.one_unknown) & (rng.random((count, 1)) >= config.all_unknown)
        known = known * told
    x = (1 - t[:, None]) * noise + t[:, None] * u
    return query_of(x, t, torch.from_numpy(known)), u - noise


def fit_conditional_flow(
    config: FlowTrainConfig, net: VAE, guide: AttributeClassifier, data: PreparedData, run: Path, stop_nimg: int | None = None
) -> Path:
    """Train, or go on training, the latent flow in folder `run`; gives the path of its last state.

    Pictures are encoded once; the encodings stay in the folder, with `config.json`, `stats.jsonl` and what labels are drawn from. The
    same call resumes, bit-equal on the CPU. `stop_nimg` ends early.
    """
    encodings = cached_encodings(run, net, guide, data)
    flow = new_flow(config, encodings, data, guide.config.attributes)
    write_tensors(run / "whitening.safetensors", {"mean": flow.mean, "cholesky": flow.cholesky})
    if not (run / "labels.safetensors").is_file():
        write_tensors(run / "labels.safetensors", vars(fit_labels(encodings, data)))
    training = begin(config, flow.net, run, config_as_json(config), {"data": str(data.folder)})
    labels = conditions(config, encodings, data, guide.config.attributes)
    batches, valid = FlowBatches(config, data, encodings, flow, labels), data.indices("valid")

    def loss_of(nimg: int, found: Float[Tensor, "b d"], truth: Float[Tensor, "b d"]) -> Float[Tensor, ""]:
        return F.mse_loss(found.float(), truth)

    def measure(net: VelocityNet) -> dict[str, float]:
        return squared_errors(config, net, encodings, flow, labels, valid)

    fit_net(config, training, batches, loss_of, measure, ("valid", "valid_without_labels"), stop_nimg)
    return training.state_path


def fit_labels(encodings: Encodings, data: PreparedData) -> GaussianMixture:
    """Which labels go together in the guide's eyes: a mixture over its logits, chosen by the valid faces."""
    train, valid = (encodings.probabilities[data.indices(split)].astype(np.float32) for split in ("train", "valid"))
    logits = (np.log(p / (1 - p)).reshape(-1, p.shape[2]) for p in (train.clip(SURE, 1 - SURE), valid.clip(SURE, 1 - SURE)))
    return fit_mixture(*logits, LABELS)[0]


def conditions(
    config: FlowTrainConfig, encodings: Encodings, data: PreparedData, attributes: tuple[str, ...]
) -> Float32[np.ndarray, "k n 2 a"]:
    """What the flow is told of each picture and its mirror image, from -1 to 1; of `k` kinds, any may be told."""
    labels = data.labels[:, [data.attributes.index(name) for name in attributes]].astype(np.float32)
    kinds = {"guide": encodings.probabilities.astype(np.float32), "labels": np.repeat(labels[:, None], 2, axis=1)}
    return np.stack([2 * kinds[name] - 1 for name in (kinds if config.condition == "both" else [config.condition])])


def new_flow(config: FlowTrainConfig, encodings: Encodings, data: PreparedData, attributes: tuple[str, ...]) -> ConditionalFlow:
    """A flow that is the Gaussian of the train encodings so far."""
    d = encodings.mean.shape[2]
    shape = VelocityConfig(d, len(attributes), config.width, config.hidden, config.blocks)
    flow = seeded_net(config.seed, lambda: ConditionalFlow(shape))
    train = data.indices("train")
    z = encodings.mean[train].reshape(-1, d).astype(np.float64)
    noise = (encodings.std[train].reshape(-1, d).astype(np.float64) ** 2).mean(0)
    flow.mean.copy_(torch.from_numpy(z.mean(0)))
    flow.cholesky.copy_(torch.linalg.cholesky(torch.from_numpy(np.cov(z.T) + config.posterior**2 * np.diag(noise))))
    return flow


@torch.inference_mode()
def squared_errors(
    config: FlowTrainConfig, net: VelocityNet, encodings: Encodings, flow: ConditionalFlow, labels: np.ndarray, index: np.ndarray
) -> dict[str, float]:
    """Mean squared error of the velocity on these encodings, with all labels and with none; the same noise and times at each call."""
    query, truth = query_and_answer(config, encodings, flow, labels, np.tile(index, 4), np.random.default_rng(5), hide=False)
    x, t, known = query.split([flow.config.latent, 1, flow.config.labels], dim=1)
    found = {"valid": known, "valid_without_labels": torch.zeros_like(known)}
    return {name: float(F.mse_loss(net(query_of(x, t[:, 0], told)), truth)) for name, told in found.items()}


def load_conditional_flow(run: Path) -> ConditionalFlow:
    """The averaged weights of a run, frozen, in eval mode; `ValueError` where the folder holds none."""
    if not (run / "state.safetensors").is_file():
        raise ValueError(f"{run} holds no latent flow: make one with: python -m train flow")
    parts, _, _ = read_state(run / "state.safetensors")
    paths = [run / f"{name}.safetensors" for name in ("whitening", "labels")]
    # A run of before labels were drawn has no file of them, and draws meaningless ones until `fit_conditional_flow` is called again.
    whitening, labels = (tensors_from(path.read_bytes(), path) if path.is_file() else {} for path in paths)
    ema = parts["ema"]
    flow = ConditionalFlow(
        VelocityConfig(
            latent=ema["inlet.weight"].shape[1],
            labels=ema["labels.weight"].shape[1],
            width=ema["inlet.weight"].shape[0],
            hidden=ema["blocks.0.expand.weight"].shape[0],
            blocks=1 + max(int(key.split(".")[1]) for key in ema if key.startswith("blocks.")),
        )
    )
    flow.net.load_state_dict(ema, strict=True)
    flow.load_state_dict(whitening, strict=False)
    if labels:
        flow.set_labels(GaussianMixture(**labels))
    return flow.requires_grad_(False).eval()
