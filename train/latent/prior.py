"""Fit the prior of new faces: mixtures and a flow, chosen by Fréchet distance.

Candidates are fitted to encodings of the train split and compared by the faces they draw, on the valid split.
"""

import copy
import json
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float32
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture as SklearnMixture
from tqdm import tqdm

from facevae.checkpoint.manifest import tensors_from
from facevae.checkpoint.serialization import Prior, describe_prior, prior_from, prior_tensors
from facevae.files import write_json, write_tensors
from facevae.latent.flow import CouplingFlow, FlowConfig
from facevae.latent.priors import GaussianMixture
from facevae.nets.vae import VAE
from train.data.prepared import PreparedData
from train.measure.encodings import encode_many, load_run
from train.measure.features import decode, features
from train.measure.protocol import Protocol, draw, faces_of, over_subsets, subsets
from train.networks.classifier import judge_from
from train.networks.scores import Scorer
from train.vae.schedules import cosine

Kind = Literal["auto", "mixture", "flow"]


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
    flow_layers: int = 8
    flow_width: int = 64
    flow_dropout: float = 0.1
    flow_nimg: int = 288_000
    """Encodings seen in the flow's whole training, if nothing ends it early."""
    batch_size: int = 256
    lr: float = 1e-3
    weight_decay: float = 0.01
    clip_norm: float = 20.0
    """Largest norm of the gradient of the loss in nats per face."""
    patience: int = 3
    """The flow's training ends after so many passes over the encodings without a better valid likelihood."""
    seed: int = 0


def mean_nats(prior: Prior, z: Float32[np.ndarray, "n d"]) -> float:
    """Mean log p(z), nats per face."""
    with torch.no_grad():
        return float(torch.cat([prior.log_prob(part) for part in torch.from_numpy(z).split(500)]).double().mean())


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


def new_flow(z: Float32[np.ndarray, "n d"], config: PriorConfig) -> CouplingFlow:
    """A flow that is the full-covariance Gaussian of these encodings so far. Weights from torch's own random numbers."""
    d = z.shape[1]
    flow = CouplingFlow(FlowConfig(latent=d, layers=config.flow_layers, width=config.flow_width, dropout=config.flow_dropout))
    floor = config.regularisation * float(z.var(0).mean())
    covariance = np.cov(z.T.astype(np.float64)) + floor * np.eye(d)
    flow.mean.copy_(torch.from_numpy(z.mean(0)))
    flow.cholesky.copy_(torch.linalg.cholesky(torch.from_numpy(covariance)))
    return flow


def fit_flow(z_train: Float32[np.ndarray, "n d"], z_valid: Float32[np.ndarray, "m d"], config: PriorConfig) -> tuple[CouplingFlow, float]:
    """The flow at the pass with the best valid likelihood, and that likelihood in nats per face.

    The encodings are few for a density in so many dimensions: the training always ends up learning them by heart.
    """
    z, batch = torch.from_numpy(z_train), min(config.batch_size, len(z_train))
    rng = np.random.default_rng(config.seed)
    with torch.random.fork_rng(devices=[]):  # new weights and dropout
        torch.manual_seed(config.seed)
        flow = new_flow(z_train, config)
        optimizer = torch.optim.AdamW(flow.parameters(), lr=config.lr, weight_decay=config.weight_decay)
        best, state, behind, nimg = mean_nats(flow.eval(), z_valid), copy.deepcopy(flow.state_dict()), 0, 0
        bar = tqdm(total=config.flow_nimg, desc="flow", unit="face", unit_scale=True)
        while nimg < config.flow_nimg and behind < config.patience:
            flow.train()
            order = rng.permutation(len(z))
            for start in range(0, len(z) - batch + 1, batch):
                for group in optimizer.param_groups:
                    group["lr"] = cosine(nimg, config.flow_nimg, config.lr, 0.02, 200 * batch)
                loss = -flow.log_prob(z[order[start : start + batch]]).mean()
                optimizer.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(flow.parameters(), config.clip_norm)
                optimizer.step()
                nimg += batch
                bar.update(batch)
            nats = mean_nats(flow.eval(), z_valid)
            bar.set_postfix_str(f"valid {nats:.2f} nats", refresh=False)
            behind += 1
            if nats > best:
                best, state, behind = nats, copy.deepcopy(flow.state_dict()), 0
        bar.close()
    flow.load_state_dict(state)
    return flow.eval().requires_grad_(False), best


def find_prior(run: Path, data: PreparedData, config: PriorConfig, kind: Kind = "auto", judge: Path | None = None) -> dict[str, Any]:
    """Fit priors to the encodings of a run and write the chosen one, `prior.safetensors`, with `prior.json`, into it.

    The best mixture by valid likelihood and the flow compete by the protocol: the Fréchet distance, in the features of `judge`
    (see `judge_from`), of faces drawn from them to held-out ones. Gives what `prior.json` holds: valid nats per face of each
    candidate, the distances, the choice.
    """
    net = load_run(run).net
    rng = np.random.default_rng(config.seed)
    train, valid = data.sample("train", config.train_faces, rng), data.sample("valid", config.valid_faces, rng)
    z, z_valid = encode_many(net, data, train, "encode train"), encode_many(net, data, valid, "encode valid")
    priors: dict[str, Prior] = {}
    nats: dict[str, float] = {}
    if kind != "flow":
        priors["mixture"], table = fit_mixture(z, z_valid, config)
        nats |= {f"mixture {k}": value for k, value in table.items()}
    if kind != "mixture":
        priors["flow"], nats["flow"] = fit_flow(z, z_valid, config)
    scorer, digest = judge_from(judge)
    distances = {name: distance(net, prior, scorer, data) for name, prior in (priors | {"N(0, I)": None}).items()}
    chosen = min(priors, key=lambda name: distances[name]["frechet"]["mean"])
    write_tensors(run / "prior.safetensors", prior_tensors(priors[chosen]))
    about = {
        "config": asdict(config),
        "valid_nats": nats,
        "judge": digest,
        "distances": distances,
        "chosen": chosen,
        "prior": describe_prior(priors[chosen]),
    }
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
    """The section "prior" of an evaluation: what each candidate reached on valid, and the choice."""
    about = read_about(run)
    return {"prior": {k: about[k] for k in ("judge", "valid_nats", "distances", "chosen")}}


def read_prior(run: Path, latent: int) -> Prior:
    """The prior that `find_prior` chose."""
    path, values = run / "prior.safetensors", read_about(run)["prior"]
    return prior_from(values, tensors_from(path.read_bytes(), path), latent, path, str(run / "prior.json"))
