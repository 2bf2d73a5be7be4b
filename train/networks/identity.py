"""Train, verify, save and load the identity embedding: do two photos show one person?

No training and no guidance listens to it: that is why it can be trusted as a measure.
"""

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from sklearn.metrics import roc_auc_score, roc_curve
from torch import Tensor, nn

from facevae.checkpoint.manifest import read_bytes, read_listed, tensors_from
from facevae.checkpoint.serialization import fill, half_where_exact
from facevae.files import ASSETS, write_json, write_tensors
from facevae.nets.architectures import config_from
from facevae.nets.classifier import PIXEL_MEAN, PIXEL_STD, resize
from facevae.nets.judge import Judge, vgg_levels
from facevae.photo import images
from train.data.augment import Roughening, outputs_of, photos_at, roughen
from train.data.prepared import PreparedData
from train.networks.classifier import judge_from
from train.networks.loop import begin, fit_net, seeded_net
from train.vae.resume import config_as_json, read_state
from train.vae.schedules import check_clocks, linear

EMBEDDED_IDENTITY = ASSETS / "identity"
WEIGHTS, DESCRIPTION = "identity.safetensors", "identity.json"
PERCENTILES = (5, 50, 95)
MAX_PAIRS = 100_000
FIGURES = {"auroc", "equal_error", "accepted_at_5"} | {f"{kind}_{p}" for kind in ("same", "different") for p in PERCENTILES}


@dataclass(frozen=True)
class IdentityNetConfig:
    """What an `IdentityNet` looks like: the size it sees a picture at, the window it looks through, its channels and features."""

    size: int = 88
    window: int = 64
    """Side in px of the middle of the picture that is looked at: a face without most of its hair and background."""
    widths: tuple[int, ...] = (32, 64, 128, 256, 384)
    features: int = 256

    def __post_init__(self) -> None:
        if not 2 ** (len(self.widths) - 1) <= self.window <= self.size:
            raise ValueError(f"a window of {self.window} px does not fit {len(self.widths)} levels and pictures of {self.size} px")


class IdentityNet(nn.Module):
    """Pictures in [0, 1] -> embeddings of length 1; the cosine of two says how surely they show one person.

    The trunk is the judge's, its last level wider. Each channel is then summed over the window by weights of its own, since eyes and
    mouth matter in places that alignment fixes (the global depthwise convolution of Chen et al., MobileFaceNets, 2018, section 3.1).
    """

    def __init__(self, config: IdentityNetConfig) -> None:
        super().__init__()
        self.config = config
        self.levels, last = vgg_levels(config.widths), config.widths[-1]
        side = config.window // 2 ** (len(config.widths) - 1)
        self.places = nn.Conv2d(last, last, side, groups=last, bias=False)
        nn.init.constant_(self.places.weight, side**-2)
        self.norm = nn.BatchNorm1d(last)
        self.head = nn.Linear(last, config.features, bias=False)
        self.centre = nn.BatchNorm1d(config.features, affine=False)

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b f"]:
        """Embeddings of pictures of any size, float32."""
        border, window = (self.config.size - self.config.window) // 2, self.config.window
        x = resize(x, self.config.size)[:, :, border : border + window, border : border + window]
        h = self.places(self.levels((x - PIXEL_MEAN) / PIXEL_STD)).flatten(1)
        return F.normalize(self.centre(self.head(self.norm(h.float())).float()))


@dataclass(frozen=True)
class IdentityConfig:
    """Everything that decides the weights of an identity run, but for the data. All clocks count images seen (nimg)."""

    net: IdentityNetConfig = IdentityNetConfig()
    start: Literal["judge", "none"] = "judge"
    """What the trunk starts from: the embedded judge's weights where they have the same shape, or random ones.

    After 24,576 of CelebA's photos the AUROC on valid was 0.901 (judge, temperatures 0.08 and 0.15) and 0.822 (none, 0.1).
    """
    seed: int = 2
    total_nimg: int = 307_200
    """Images seen in the whole run."""
    batch_size: int = 256
    margin: float = 0.1
    """What the cosine of a pair of one person must be above those with all others by, see `pair_loss`."""
    temperature: float = 0.1
    margin_ramp_nimg: int = 16_000
    lr: float = 1.5e-3
    lr_final_share: float = 0.005
    """The cosine ends at this share of lr."""
    lr_ramp_nimg: int = 6_400
    weight_decay: float = 0.05
    ema_halflife_nimg: int = 6_000
    soft: float = 0.2
    """Share of the pictures that lose detail, half of them by blur, half by downsampling."""
    erase: float = 0.3
    """Share of the pictures in which a rectangle is filled with grey."""
    grey: float = 0.1
    """Share of the pictures without colours."""
    tick_nimg: int = 38_400
    """Between two ticks (statistics, state on disk) lie this many images."""
    precision: Literal["bf16", "no"] = "bf16"

    def __post_init__(self) -> None:
        check_clocks(self.tick_nimg, self.total_nimg, self.batch_size)


class PersonBatches:
    """Batches of roughened photos and the number of the person on each; each a pure function of (seed, nimg).

    Every epoch shows each photo of the train split once, those of a person two by two: a photo without a second one is there to be
    told from the others.
    """

    def __init__(self, config: IdentityConfig, data: PreparedData, photos: UInt8[np.ndarray, "n s s 3"]) -> None:
        self.config, self.photos, self.members = config, photos, data.indices("train")
        identity = data.identity[self.members]
        names, self.who = np.unique(identity, return_inverse=True)
        if (identity < 0).any() or not 2 <= len(names) < len(identity):
            raise ValueError(f"{data.folder} does not say who is on its train photos: CelebA's identity_CelebA.txt is needed")
        self.shares = Roughening(config.soft, config.erase, config.grey)
        self._epoch, self._order = -1, np.arange(0)

    def order(self, epoch: int) -> Int[np.ndarray, " m"]:
        """Places in `members`, shuffled, two photos of one person side by side."""
        rng = np.random.default_rng((self.config.seed, 1, epoch))
        order = rng.permutation(len(self.members))
        order = order[np.argsort(self.who[order], kind="stable")]  # by person, each one's photos shuffled
        who = self.who[order]
        rank = np.arange(len(who)) - np.searchsorted(who, who)  # 0, 1, 2, … among a person's photos
        pair = np.cumsum(rank % 2 == 0) - 1
        return order[np.argsort(rng.permutation(pair[-1] + 1)[pair], kind="stable")]

    def places(self, nimg: int) -> Int[np.ndarray, " b"]:
        """Places in `members` of the images number nimg … nimg + batch_size - 1 of the run."""
        picked = []
        for i in range(nimg, nimg + self.config.batch_size):
            epoch, place = divmod(i, len(self.members))
            if epoch != self._epoch:
                self._epoch, self._order = epoch, self.order(epoch)
            picked.append(self._order[place])
        return np.array(picked)

    def __call__(self, nimg: int) -> tuple[Float[Tensor, "b 3 s s"], Int[Tensor, " b"]]:
        """Pictures in [0, 1] and who is on them."""
        places = self.places(nimg)
        seed = np.random.SeedSequence((self.config.seed, 5, nimg)).generate_state(1)[0]
        x = images.to_float(self.photos[self.members[places]])
        return roughen(x, torch.Generator().manual_seed(int(seed)), self.shares), torch.from_numpy(self.who[places])


def pair_loss(embeddings: Float[Tensor, "b f"], who: Int[Tensor, " b"], margin: float, temperature: float) -> Float[Tensor, ""]:
    """-log of the probability that a photo's partner is picked, by cosine, from among it and the batch's photos of all other people.

    In nats, averaged over the partners of a photo and then over the photos that have one. Source: Sohn, Multi-class N-pair Loss (2016),
    eq. 6, with the temperature and the several partners of Khosla et al., Supervised Contrastive Learning (2020), eq. 2, and the margin
    of Wang et al., CosFace (2018), eq. 4. A vector for each person, as CosFace has it (s = 28, m = 0.2), verified worse on valid, AUROC
    0.888 after 64,000 images against 0.913 after 49,152: most people have one to four photos, so that little ever moves theirs.
    """
    same = who[:, None] == who[None]
    partner = same & ~torch.eye(len(who), dtype=torch.bool, device=who.device)
    logits = (embeddings @ embeddings.T - margin * partner) / temperature  # (b, b)
    others = logits.masked_fill(same, -math.inf).logsumexp(1, keepdim=True)
    count = partner.sum(1)
    each = (F.softplus(others - logits) * partner).sum(1) / count.clamp(min=1)
    return each.sum() / (count > 0).sum().clamp(min=1)


def fit_identity(config: IdentityConfig, data: PreparedData, run: Path, stop_nimg: int | None = None) -> Path:
    """Train, or go on training, the embedding in folder `run`; gives the path of its last state.

    The folder also holds `config.json`, `stats.jsonl` and the pictures at the net's size; the same call resumes, bit-equal on the CPU.
    `stop_nimg` ends early, as a kill after that tick would. `ValueError` where data, run and config do not fit each other.
    """
    photos = photos_at(config.net.size, data, run)
    batches = PersonBatches(config, data, photos)
    net = seeded_net(config.seed, lambda: IdentityNet(config.net))
    new = not (run / "state.safetensors").is_file()
    started = take_judge_weights(net) if config.start == "judge" and new else None
    training = begin(config, net, run, config_as_json(config), {"data": str(data.folder), "judge": started})

    def loss_of(nimg: int, embeddings: Float[Tensor, "b f"], who: Int[Tensor, " b"]) -> Float[Tensor, ""]:
        return pair_loss(embeddings, who, linear(nimg, config.margin, config.margin_ramp_nimg), config.temperature)

    def measure(net: IdentityNet) -> dict[str, float]:
        return verification(net, data, "valid", photos)

    fit_net(config, training, batches, loss_of, measure, ("auroc", "equal_error"), stop_nimg)
    return training.state_path


def take_judge_weights(net: IdentityNet) -> str:
    """Put the embedded judge's weights into all of the trunk that has their shapes; gives the judge's digest."""
    judge, digest = judge_from()
    if not isinstance(judge, Judge):
        raise ValueError("the embedded judge is no VGG, so that no trunk can start from it: set start to none")
    found, own = judge.levels.state_dict(), net.levels.state_dict()
    net.levels.load_state_dict({k: found[k] if k in found and found[k].shape == v.shape else v for k, v in own.items()}, strict=True)
    return digest


def verification(
    net: IdentityNet, data: PreparedData, split: str, pictures: UInt8[np.ndarray, "n s s 3"] | None = None
) -> dict[str, float]:
    """How well cosines tell pairs of photos of one person from pairs of two, on a split of `data`; a pure function of its arguments.

    `same_5`, `same_50`, `same_95` are percentiles of the cosines of all pairs of one person (at most 100,000, drawn at random),
    `different_5`, … those of 100,000 random pairs of two people; `auroc`; `equal_error`, where as many pairs of one kind as of the
    other are taken for the other kind, and `equal_error_cosine`, where that is; `accepted_at_5`, the share of the pairs of one
    person that lie above `different_95`; `pairs` and `people`, how many were measured. `pictures` stand in for the data's images,
    say the same ones at the net's size. `ValueError` where a split has no two photos of one person, or one person only.
    """
    index = data.indices(split)
    embeddings = outputs_of(net, (data.images if pictures is None else pictures)[index]).double().numpy()
    same, different = pairs_of(data.identity[index], np.random.default_rng(0), f"{data.folder}, {split} split")
    cosines = [(embeddings[a] * embeddings[b]).sum(1) for a, b in (same, different)]
    truth, said = np.repeat([1, 0], [len(c) for c in cosines]), np.concatenate(cosines)
    false_accepts, accepts, thresholds = roc_curve(truth, said, drop_intermediate=False)
    crossing = int(np.abs(false_accepts - (1 - accepts)).argmin())
    figures = {
        f"{kind}_{p}": float(np.percentile(c, p)) for kind, c in zip(("same", "different"), cosines, strict=True) for p in PERCENTILES
    }
    return figures | {
        "auroc": float(roc_auc_score(truth, said)),
        "equal_error": float((false_accepts[crossing] + 1 - accepts[crossing]) / 2),
        "equal_error_cosine": float(thresholds[crossing]),
        "accepted_at_5": float((cosines[0] > figures["different_95"]).mean()),
        "pairs": len(cosines[0]),
        "people": len(np.unique(data.identity[index])),
    }


def pairs_of(
    identity: Int[np.ndarray, " m"], rng: np.random.Generator, where: str
) -> tuple[tuple[Int[np.ndarray, " k"], Int[np.ndarray, " k"]], tuple[Int[np.ndarray, " l"], Int[np.ndarray, " l"]]]:
    """Places of the two photos of each pair: those of one person, all of them up to MAX_PAIRS, and as many of two people as MAX_PAIRS."""
    order = np.argsort(identity, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(identity[order])) + 1)
    if len(groups) < 2 or max(map(len, groups)) < 2 or (identity < 0).any():
        raise ValueError(f"{where}: no two people, or no two photos of one, are known there")
    same = np.array([(a, b) for group in groups for i, a in enumerate(group) for b in group[i + 1 :]])
    if len(same) > MAX_PAIRS:
        same = same[np.sort(rng.choice(len(same), MAX_PAIRS, replace=False))]
    a, b = rng.integers(0, len(identity), (2, 2 * MAX_PAIRS))
    apart = np.flatnonzero(identity[a] != identity[b])[:MAX_PAIRS]
    return (same[:, 0], same[:, 1]), (a[apart], b[apart])


def load_trained_identity(run: Path) -> IdentityNet:
    """The EMA weights of a run as `save_identity` rounds them, on the CPU, frozen, in eval mode; `ValueError` where it is none."""
    path = run / "state.safetensors"
    parts, saved, _ = read_state(path)
    if "net" not in saved or not isinstance(saved["net"], dict):
        raise ValueError(f"{path} is not the state of an identity run")
    net = IdentityNet(config_from(IdentityNetConfig, saved["net"], f"{path}: net"))
    rounded = {k: v.float() if v.is_floating_point() else v for k, v in half_where_exact(parts["ema"]).items()}
    return fill(net, rounded, path)


def save_identity(folder: Path, net: IdentityNet, pairs: dict[str, float]) -> str:
    """Write `identity.safetensors` (float16) and `identity.json`, which holds `verification`'s figures; gives the digest."""
    write_tensors(folder / WEIGHTS, half_where_exact(net.state_dict()))
    digest = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    write_json(folder / DESCRIPTION, {"net": asdict(net.config), "files": {WEIGHTS: digest}, "pairs": pairs})
    return digest[:12]


def identity_from(folder: Path | None = None) -> tuple[IdentityNet, str, dict[str, float]]:
    """The embedded embedding, or a saved one, frozen and in eval mode; the first 12 digits of its weights' SHA-256; the figures of
    `verification` that it was saved with. `ValueError` in one sentence names the file that is missing, changed or unreadable.
    """
    folder = folder or EMBEDDED_IDENTITY
    raw, path = read_bytes(folder / DESCRIPTION, "identity folder"), folder / DESCRIPTION
    try:
        values = json.loads(raw)
        described, listed, pairs = dict(values["net"]), dict(values["files"]), {k: float(v) for k, v in values["pairs"].items()}
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        raise ValueError(f"{path} does not describe an identity net") from None
    if missing := sorted(FIGURES - {k for k, v in pairs.items() if math.isfinite(v)}):
        raise ValueError(f"{path}: pairs lacks a finite {', '.join(missing)}")
    weights = read_listed(folder, WEIGHTS, listed, "identity")
    net = IdentityNet(config_from(IdentityNetConfig, described, f"{path}: net"))
    return fill(net, tensors_from(weights, folder / WEIGHTS), folder / WEIGHTS), listed[WEIGHTS][:12], pairs
