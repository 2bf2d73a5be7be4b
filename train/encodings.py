"""The nets of a run over many prepared pictures, in batches."""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from torch import Tensor
from tqdm import tqdm

from facevae.checkpoint import config_from
from facevae.nets.classifier import AttributeClassifier
from facevae.nets.residual import ResidualConfig, ResidualVAE
from facevae.photo import images
from facevae.photo.compositing import soft_mask
from train.data import PreparedData
from train.state import read_state

BATCH = 64


def load_run(run: Path) -> tuple[ResidualVAE, Float[Tensor, "s s"], int, dict]:
    """EMA weights, pixel variance, images seen and config of a training run."""
    path = run / "state.safetensors"
    if not path.is_file():
        raise ValueError(f"{run} holds no training run: {path.name} is missing")
    parts, config, nimg = read_state(path)
    net = ResidualVAE(config_from(ResidualConfig, config["net"], str(path)))
    net.load_state_dict(parts["ema"], strict=True)
    return net.eval().requires_grad_(False).to(memory_format=torch.channels_last), parts["likelihood"]["variance"], nimg, config


def device_of(net: torch.nn.Module) -> torch.device:
    """Where a net's weights are."""
    return next(net.parameters()).device


@torch.inference_mode()
def encode_many(net: ResidualVAE, data: PreparedData, index: Int[np.ndarray, " n"], title: str = "encode") -> Float32[np.ndarray, "n d"]:
    """Posterior means of the pictures at `index`."""
    parts = np.array_split(index, -(-len(index) // BATCH))
    rows = [net.encode(images.to_float(data.images[part]).to(device_of(net))).mode.cpu() for part in tqdm(parts, desc=title, unit="batch")]
    return torch.cat(rows).numpy()


class InPhoto:
    """What the classifier sees in edited photos: crop + mask · (G(z + move) − G(z)), the way of `Editor.edit`."""

    def __init__(
        self,
        net: ResidualVAE,
        classifier: AttributeClassifier,
        data: PreparedData,
        index: Int[np.ndarray, " n"],
        z: Float32[np.ndarray, "n d"],
    ) -> None:
        self.net, self.classifier, self.data, self.index, self.z = net, classifier, data, index, torch.from_numpy(z)
        self.mask = torch.from_numpy(soft_mask(data.size))[None, None]

    @torch.inference_mode()
    def probabilities(self, rows: Int[np.ndarray, " m"], move: Float[Tensor, "*m d"]) -> Float32[np.ndarray, "m a"]:
        """Probabilities of all attributes for faces `rows` moved by `move` ((d,) for all, or (m, d))."""
        out = []
        moves = move.expand(len(rows), -1)
        for part in np.array_split(np.arange(len(rows)), -(-len(rows) // BATCH)):
            z = self.z[rows[part]]
            before, after = self.net.decode(torch.cat([z, z + moves[part]])).clamp(0, 1).chunk(2)
            photo = images.to_float(self.data.images[self.index[rows[part]]])
            out.append(self.classifier((photo + self.mask * (after - before)).clamp(0, 1)).sigmoid())
        return torch.cat(out).numpy()
