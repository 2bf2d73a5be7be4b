"""Fit the prior of a run: mixtures of Gaussians, the best one by likelihood of valid faces.

A flow that knows labels is trained for a checkpoint: see train.latent.conditional_flow.
"""

import json
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture as SklearnMixture
from tqdm import tqdm

from facevae.checkpoint.manifest import tensors_from
from facevae.checkpoint.serialization import Prior, describe_prior, prior_from, prior_tensors
from facevae.files import write_json, write_tensors
from facevae.latent.conditional_flow import ConditionalFlow
from facevae.latent.priors import GaussianMixture
from facevae.nets.vae import VAE
from train.data.prepared import PreparedData
from train.measure.encodings import encode_many, load_run
from train.measure.features import decode, features
from train.measure.protocol import Protocol, draw, faces_of, over_subsets, subsets
from train.networks.classifier import judge_from
from train.networks.scores import Scorer

PROBES = 8


@dataclass(frozen=True)
class PriorConfig:
    """How a prior is fitted. Encodings are posterior means, counted in faces (nimg)."""

    train_faces: int = 24_000
    valid_faces: int = 2_000
    components: tuple[int, ...] = (1, 2, 4, 8, 16)
    """Mixtures of so many full-covariance Gaussians are tried."""
    regularisation: float = 1e-4
    """Added to every variance, in mean variances of an encoding's values."""
    tolerance_nats: float = 0.05
    """EM ends where a step gains less than this in a face's likelihood."""
    seed: int = 0


def mean_nats(prior: Prior, z: Float32[np.ndarray, "n d"]) -> float:
    """Mean log p(z), nats per face."""
    # A flow's error is nearly the same for all faces, so no number of faces makes it smaller.
    more = {"probes": PROBES} if isinstance(prior, ConditionalFlow) else {}
    with torch.no_grad():
        return float(torch.cat([prior.log_prob(part, **more) for part in torch.from_numpy(z).split(500)]).double().mean())


def fit_mixture(
    z_train: Float32[np.ndarray, "n d"], z_valid: Float32[np.ndarray, "m d"], config: PriorConfig
) -> tuple[GaussianMixture, dict[int, float]]:
    """The mixture with the best valid likelihood, and {components: valid nats per face} of all that were tried.

    Mixtures with fewer than 2 d encodings for a component are left out, as their covariances would be mostly chance.
    """
    n, d = z_train.shape
    tried = [k for k in config.components if k == 1 or n >= 2 * d * k]
    if not tried:
        raise ValueError(f"{n} encodings of {d} values are too few for mixtures of {', '.join(map(str, config.components))}: try 1")
    floor = config.regularisation * float(z_train.var(0).mean())
    fitted: dict[int, GaussianMixture] = {}
    for k in tqdm(tried, desc="mixtures"):
        model = SklearnMixture(k, reg_covar=floor, tol=config.tolerance_nats, init_params="kmeans", random_state=config.seed)
        with warnings.catch_warnings():
            # One that has not settled is still a density: its likelihood on the valid split says what it is worth.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(z_train.astype(np.float64))
        cholesky = torch.linalg.cholesky(torch.from_numpy(model.covariances_)).float()
        fitted[k] = GaussianMixture(torch.from_numpy(model.weights_).float(), torch.from_numpy(model.means_).float(), cholesky)
    table = {k: mean_nats(mixture, z_valid) for k, mixture in fitted.items()}
    return fitted[max(table, key=table.__getitem__)], table


def find_prior(run: Path, data: PreparedData, config: PriorConfig, judge: Path | None = None) -> dict[str, Any]:
    """Fit mixtures to the encodings of a run and write the best one, `prior.safetensors`, with `prior.json`, into it.

    Gives what `prior.json` holds: valid nats per face of each, and how near to held-out faces those are, in the features of `judge`
    (see `judge_from`), that the best one and N(0, I) draw.
    """
    net = load_run(run).net
    rng = np.random.default_rng(config.seed)
    train, valid = data.sample("train", config.train_faces, rng), data.sample("valid", config.valid_faces, rng)
    z, z_valid = encode_many(net, data, train, "encode train"), encode_many(net, data, valid, "encode valid")
    mixture, table = fit_mixture(z, z_valid, config)
    scorer, digest = judge_from(judge)
    about = {
        "config": asdict(config),
        "valid_nats": {f"mixture {k}": value for k, value in table.items()},
        "judge": digest,
        "distances": {name: distance(net, prior, scorer, data) for name, prior in (("mixture", mixture), ("N(0, I)", None))},
        "chosen": "mixture",
        "prior": describe_prior(mixture),
    }
    write_tensors(run / "prior.safetensors", prior_tensors(mixture))
    write_json(run / "prior.json", about)
    return about


def distance(net: VAE, prior: Prior | None, judge: Scorer, data: PreparedData) -> dict[str, dict[str, float]]:
    """Of faces drawn at temperature 1 to those of the valid split, over the protocol's subsets."""
    photos, _ = faces_of(data, Protocol(split="valid"))
    real = features(judge, np.array(data.images[photos]))
    drawn = features(judge, decode(net, draw(prior, net.config.latent, len(photos), 1.0)))
    return over_subsets(drawn, real, subsets(len(photos), Protocol().subsets))


def read_about(run: Path) -> dict[str, Any]:
    """What `find_prior` wrote of its choice; `ValueError` where no prior was fitted."""
    path = run / "prior.json"
    if not path.is_file():
        raise ValueError(f"{run} has no prior yet; fit it with: python -m train prior")
    return json.loads(path.read_text())


def read_choice(run: Path) -> dict[str, Any]:
    """The section "prior" of an evaluation: what each mixture reached on valid."""
    about = read_about(run)
    return {"prior": {k: about[k] for k in ("judge", "valid_nats", "distances", "chosen")}}


def read_prior(run: Path, latent: int) -> Prior:
    """The mixture that `find_prior` fitted."""
    path, values = run / "prior.safetensors", read_about(run)["prior"]
    return prior_from(values, tensors_from(path.read_bytes(), path), latent, path, str(run / "prior.json"))
