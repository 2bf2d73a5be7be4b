"""Measure a latent flow beside the prior of a checkpoint, and make it the prior."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from facevae.checkpoint.checkpoint import Checkpoint
from facevae.latent.priors import GaussianMixture
from train.data.prepared import PreparedData
from train.latent.conditional_flow import (
    FlowTrainConfig,
    cached_encodings,
    conditions,
    fit_conditional_flow,
    load_conditional_flow,
    squared_errors,
)
from train.latent.prior import distance, mean_nats
from train.measure.fidelity import memorisation
from train.measure.protocol import spread
from train.networks.classifier import judge_from
from train.publish.export import write_with_card

NATS_FACES, DRAWS = 300, 64


@dataclass(frozen=True)
class FlowFigures:
    """What a flow and the prior `before` it ("mixture" or "flow") reached on the valid split."""

    before: str
    judge: str
    errors: dict[str, float]
    """Mean squared errors of the velocity, see `squared_errors`."""
    nats: dict[str, float]
    """log p of the encoding of a face, on the first `NATS_FACES`: "before" and "flow"."""
    distances: dict[str, dict[str, dict[str, float]]]
    """See `distance`: "before" and "flow"."""
    copies: dict[str, Any]
    """See `memorisation`: `DRAWS` draws, the first valid faces, and all train faces with their mirror images, in whitened encodings."""

    @property
    def is_nearer(self) -> bool:
        """Whether the flow's faces are nearer to held-out ones than those of the prior before."""
        return self.distances["flow"]["frechet"]["mean"] < self.distances["before"]["frechet"]["mean"]

    def lines(self) -> list[str]:
        """The figures, a line each."""
        names = {"before": f"{self.before}, in the checkpoint", "flow": "this flow"}
        return [
            f"squared error on valid {self.errors['valid']:.4f}, without labels {self.errors['valid_without_labels']:.4f}",
            *(f"{name:26} {self.nats[key]:9.2f} nats per face, {NATS_FACES} valid faces" for key, name in names.items()),
            *(f"{name:26} Fréchet distance {spread(self.distances[key]['frechet'])}, valid" for key, name in names.items()),
            f"nearest train encoding, median of {self.copies['n']} draws {self.copies['samples_median']:.2f} σ, "
            f"of valid faces {self.copies['held_out_median']:.2f} σ; {self.copies['copies']} copies",
        ]


def train_flow(folder: Path, run: Path, data: PreparedData, config: FlowTrainConfig) -> PreparedData:
    """Train the flow of a checkpoint folder in the folder `run`, or go on; gives the data in the size of its pictures."""
    checkpoint = Checkpoint.from_pretrained(folder)
    data = data.resized((3, checkpoint.net.config.size, checkpoint.net.config.size))
    fit_conditional_flow(config, checkpoint.net, checkpoint.classifier, data, run)
    return data


@torch.no_grad()
def measure_flow(folder: Path, run: Path, data: PreparedData, config: FlowTrainConfig, judge: Path | None = None) -> FlowFigures:
    """The flow of `run` and the prior of the checkpoint, side by side."""
    checkpoint, flow = Checkpoint.from_pretrained(folder), load_conditional_flow(run)
    encodings = cached_encodings(run, checkpoint.net, checkpoint.classifier, data)
    train, valid = data.indices("train"), data.indices("valid")
    labels = conditions(config, encodings, data, checkpoint.classifier.config.attributes)
    z = encodings.mean[valid[:NATS_FACES], 0].astype(np.float32)
    scorer, digest = judge_from(judge)
    priors = {"before": checkpoint.prior, "flow": flow}
    seen = torch.from_numpy(encodings.mean[train].reshape(-1, z.shape[1]).astype(np.float32))
    u = [flow.whiten(x).numpy() for x in (flow.from_seeds(range(DRAWS)), torch.from_numpy(z[:DRAWS]), seen)]
    return FlowFigures(
        before="mixture" if isinstance(checkpoint.prior, GaussianMixture) else "flow",
        judge=digest,
        errors=squared_errors(config, flow.net, encodings, flow, labels, valid),
        nats={name: round(mean_nats(prior, z), 2) for name, prior in priors.items()},
        distances={name: distance(checkpoint.net, prior, scorer, data) for name, prior in priors.items()},
        copies=memorisation(*u)[0],
    )


def add_flow(folder: Path, run: Path, found: FlowFigures) -> Checkpoint:
    """Make the flow of `run` the prior of a checkpoint folder; its evaluation and its card say what was measured."""
    checkpoint = Checkpoint.from_pretrained(folder)
    was = checkpoint.evaluation.get("prior", {})
    kept = was.get("distances", {}) if was.get("judge") == found.judge else {}
    section = {
        "judge": found.judge,
        "valid_nats": {name: value for name, value in was.get("valid_nats", {}).items() if name != "flow"},
        "distances": kept | {found.before: found.distances["before"], "flow": found.distances["flow"]},
        "chosen": "flow",
        "flow": {"faces": NATS_FACES, "before": found.before, "nats": found.nats, "errors": found.errors, "copies": found.copies},
    }
    # The protocol's drawn faces come from the prior that goes.
    evaluation = {k: v for k, v in checkpoint.evaluation.items() if k != "protocol"} | {"prior": section}
    return write_with_card(folder, replace(checkpoint, prior=load_conditional_flow(run), evaluation=evaluation))
