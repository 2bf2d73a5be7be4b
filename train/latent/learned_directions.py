"""Directions learned by gradient through decoder and guide, with a penalty on other labels."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32, Int
from torch import Tensor
from tqdm import tqdm

from facevae.attributes import HAIR_COLOURS
from facevae.checkpoint.manifest import tensors_from
from facevae.files import write_tensors
from facevae.nets.classifier import AttributeClassifier
from facevae.nets.vae import VAE
from facevae.photo import images
from facevae.photo.compositing import soft_mask
from train.data.prepared import PreparedData


@dataclass(frozen=True)
class LearnedConfig:
    """How steps are learned. `keep` names one estimator for each weight."""

    steps: int = 160
    batch_size: int = 12
    rate: float = 0.1
    """Adam's step, as a share of the step's own length."""
    strongest: float = 8.0
    """Strengths are drawn from 1 to this, in σ."""
    having: float = 0.25
    """Share of the faces that have the attribute, which it is taken away from."""
    keep: dict[str, float] = field(default_factory=lambda: {"learned": 0.03, "sparing": 0.2})
    """Weight of the summed squared change of the other logits (in σ, weighted by 1 - |correlation|), by the estimator's name."""
    spread_faces: int = 512
    """Faces that the logits' standard deviations are measured on."""
    seed: int = 0


@dataclass(frozen=True)
class LearningSet:
    """What steps are learned from: nets, faces of the train split with their encodings and labels, and their metric."""

    net: VAE
    guide: AttributeClassifier
    data: PreparedData
    index: Int[np.ndarray, " n"]
    z: Float32[np.ndarray, "n d"]
    cholesky: Float[Tensor, "d d"]
    """L with L Lᵀ the covariance of the encodings."""

    def labels(self, name: str) -> Tensor:
        """Which of the faces carry a label, (n,)."""
        return torch.from_numpy(self.data.label(name)[self.index])

    @torch.no_grad()
    def spread(self, faces: int) -> Float[Tensor, " a"]:
        """Standard deviation of the guide's logits over photos."""
        parts = np.array_split(self.index[:faces], -(-min(faces, len(self.index)) // 32))
        return torch.cat([self.guide(images.to_float(self.data.images[part])) for part in parts]).std(0)

    def correlation(self) -> Float[Tensor, "a a"]:
        """Correlation of the guide's attributes' labels; 0 where a label is the same for all."""
        columns = np.stack([self.data.label(name)[self.index] for name in self.guide.config.attributes])
        with np.errstate(invalid="ignore", divide="ignore"):
            return torch.from_numpy(np.nan_to_num(np.corrcoef(columns.astype(np.float64)))).float()


def learn_step(
    learning: LearningSet, name: str, keep: float, start: Float32[np.ndarray, " d"], spread: Tensor, config: LearnedConfig
) -> Tensor:
    """The step (d,), of Mahalanobis length 1, that moves label `name` of photos best at strengths up to `strongest`.

    Stochastic gradient descent through crop + mask · (G(z + step) - G(z)) and the guide, on random faces and strengths:
    binary cross-entropy to the other value of the label, plus `keep` times the squared change of all other logits. A hair
    colour wants its three rivals gone too, and is only ever added. The direction is one for all faces, so that it cannot
    fool the guide picture by picture as a search in one picture can.
    """
    attributes = list(learning.guide.config.attributes)
    column = attributes.index(name)
    rivals = [attributes.index(a) for a in HAIR_COLOURS if a != name and a in attributes] if name in HAIR_COLOURS else []
    weight = 1 - learning.correlation()[column].abs()
    weight[[column, *rivals]] = 0
    generator = torch.Generator().manual_seed(config.seed)
    labels, z = learning.labels(name).bool(), torch.from_numpy(learning.z)
    have, lack = labels.nonzero()[:, 0], (~labels).nonzero()[:, 0]
    removed = 0 if rivals else round(config.having * config.batch_size)
    u = torch.linalg.solve_triangular(learning.cholesky, torch.from_numpy(start).float()[:, None], upper=False)[:, 0]
    u = (u / u.norm()).requires_grad_(True)
    rate = config.rate / len(u) ** 0.5
    optimizer = torch.optim.Adam([u], lr=rate, betas=(0.8, 0.95))
    mask = torch.from_numpy(soft_mask(learning.data.size))[None, None]
    for step in range(config.steps):
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1.0, 2 * (config.steps - step) / config.steps)
        picks = [
            pool[torch.randint(len(pool), (n,), generator=generator)] for pool, n in ((have, removed), (lack, config.batch_size - removed))
        ]
        rows, sign = torch.cat(picks), torch.tensor([-1.0] * removed + [1.0] * (config.batch_size - removed))
        strength = sign * (1 + (config.strongest - 1) * torch.rand(config.batch_size, generator=generator))
        x = images.to_float(learning.data.images[learning.index[rows.numpy()]])
        with torch.autocast("cpu", torch.bfloat16):
            with torch.no_grad():
                before, plain = learning.net.decode(z[rows]).float().clamp(0, 1), learning.guide(x)
            move = strength[:, None] * (learning.cholesky @ (u / u.norm()))[None]
            after = learning.net.decode(z[rows] + move).float().clamp(0, 1)
            logits = learning.guide((x + mask * (after - before)).clamp(0, 1))
        wanted = F.binary_cross_entropy_with_logits(logits[:, column], (sign > 0).float())
        for rival in rivals:
            wanted = wanted + F.softplus(logits[:, rival]).mean() / len(rivals)
        change = (weight * ((logits - plain) / spread).square()).sum(1).mean()
        (u.grad,) = torch.autograd.grad(wanted + keep * change * len(attributes) / weight.sum(), [u])
        optimizer.step()
    return (learning.cholesky @ (u / u.norm())).detach()


def learn_steps(
    learning: LearningSet, starts: Mapping[str, Float32[np.ndarray, " d"]], config: LearnedConfig, folder: Path
) -> dict[str, dict[str, Float32[np.ndarray, " d"]]]:
    """For each attribute, from its start: the learned steps by estimator. `folder`/learned.safetensors keeps them for the next call."""
    path = folder / "learned.safetensors"
    # What a step depends on is part of its key: another config, another guide or other weights learn anew.
    weights = hashlib.sha256(b"".join(p.detach().numpy().tobytes() for net in (learning.net, learning.guide) for p in net.parameters()))
    options = json.dumps(asdict(config), sort_keys=True).encode()
    digest = hashlib.sha256(weights.digest() + learning.index.tobytes() + options).hexdigest()[:12]
    known = tensors_from(path.read_bytes(), path) if path.is_file() else {}
    spread = learning.spread(config.spread_faces)
    found: dict[str, dict[str, np.ndarray]] = {}
    jobs = [(name, estimator) for name in starts for estimator in config.keep]
    for name, estimator in tqdm(jobs, desc="learn directions"):
        key = f"{digest} {name} {estimator}"
        if key not in known:
            known[key] = learn_step(learning, name, config.keep[estimator], starts[name], spread, config)
            write_tensors(path, known)
        found.setdefault(name, {})[estimator] = known[key].numpy()
    return found
