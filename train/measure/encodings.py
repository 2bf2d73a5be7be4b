"""Trained runs: load their nets, encode many pictures, and read edits in the photo."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from torch import Tensor
from tqdm import tqdm

from facevae.checkpoint.checkpoint import Checkpoint
from facevae.editor.renderer import Renderer
from facevae.latent.hair_colour import HairColour
from facevae.latent.makeup import MakeupMoves
from facevae.nets.architectures import build_net, net_config
from facevae.nets.vae import VAE
from facevae.photo import images
from facevae.photo.alignment import whole
from facevae.photo.compositing import paste, soft_mask
from facevae.photo.crop_background import CropBackground
from facevae.photo.makeup import Makeup
from facevae.photo.parts import Parser
from facevae.photo.regions import dyes_hair, makes_up
from train.data.prepared import PreparedData
from train.networks.identity import IdentityNet
from train.networks.scores import Scorer
from train.vae.resume import images_before, read_state

BATCH = 64


@dataclass(frozen=True)
class TrainedRun:
    """What a training run holds in its folder."""

    net: VAE
    """EMA weights, frozen, in eval mode, on the CPU."""
    variance: Float[Tensor, "h w"]
    """Of the pixels."""
    nimg: int
    """Images seen, those before the run included."""
    config: dict[str, Any]
    """As JSON."""


def load_run(run: Path) -> TrainedRun:
    """Read a training run; `ValueError` where the folder holds none."""
    path = run / "state.safetensors"
    if not path.is_file():
        raise ValueError(f"{run} holds no training run: {path.name} is missing")
    parts, config, nimg = read_state(path)
    net = build_net(net_config(config["net"], str(path)))
    net.load_state_dict(parts["ema"], strict=True)
    net.eval().requires_grad_(False).to(memory_format=torch.channels_last)
    return TrainedRun(net, parts["likelihood"]["variance"], nimg + images_before(run), config)


def device_of(net: torch.nn.Module) -> torch.device:
    """Where a net's weights are."""
    return next(net.parameters()).device


@torch.inference_mode()
def encode_many(net: VAE, data: PreparedData, index: Int[np.ndarray, " n"], title: str = "encode") -> Float32[np.ndarray, "n d"]:
    """Posterior means of the pictures at `index`."""
    parts = np.array_split(index, -(-len(index) // BATCH))
    rows = [net.encode(images.to_float(data.images[part]).to(device_of(net))).mode.cpu() for part in tqdm(parts, desc=title, unit="batch")]
    return torch.cat(rows).numpy()


@dataclass(frozen=True)
class Readings:
    """What was seen in m edited photos."""

    probabilities: Float32[np.ndarray, "m a"]
    cosine: Float32[np.ndarray, " m"]
    """Between the identity embeddings of the crop before and after; NaN where no embedding was given."""


@dataclass(frozen=True)
class Pasting:
    """What it takes to lay a change into photos as `Editor.edit` does."""

    parser: Parser
    hair: HairColour
    makeup: MakeupMoves
    drawn_matrix: Float[Tensor, "d d"]

    @classmethod
    def of(cls, checkpoint: Checkpoint) -> "Pasting":
        """That of a checkpoint."""
        renderer = Renderer(checkpoint)
        return cls(renderer.parser, renderer.hair, renderer.makeup, renderer.drawn_matrix)


class PhotoRenderer:
    """What the classifier sees in edited photos.

    `pasting` is the way of `Editor.edit`; without it crop + mask · (G(z + move) − G(z)), which is much faster and
    what guidance sees. `plain` (n, a) holds the probabilities of the untouched crops. `identity` embeds faces.
    """

    def __init__(
        self,
        net: VAE,
        classifier: Scorer,
        data: PreparedData,
        index: Int[np.ndarray, " n"],
        z: Float32[np.ndarray, "n d"],
        pasting: "Pasting | None" = None,
        identity: IdentityNet | None = None,
    ) -> None:
        self.pasting = pasting
        self.grounds: dict[int, CropBackground] = {}
        self.net, self.classifier, self.z, self.identity = net, classifier, torch.from_numpy(z), identity
        self.pictures = np.array(data.images[index])
        self.mask = torch.from_numpy(soft_mask(data.size))[None, None]
        # G(z) of each face is needed at every strength: kept, in half precision (error 0.05 grey levels).
        everyone = np.array_split(np.arange(len(index)), -(-len(index) // BATCH))
        with torch.inference_mode():
            self.before = torch.cat([net.decode(self.z[part]).clamp(0, 1).half() for part in everyone])
            x = [images.to_float(self.pictures[part]) for part in everyone]
            seen = [classifier(part).sigmoid() for part in x]
            self.people = torch.cat([identity(part) for part in x]) if identity is not None else None
        self.plain: Float32[np.ndarray, "n a"] = torch.cat(seen).numpy()

    def probabilities(
        self, rows: Int[np.ndarray, " m"], move: Float[Tensor, "*m d"], about: tuple[str, ...] = ()
    ) -> Float32[np.ndarray, "m a"]:
        """Probabilities of all attributes for the faces `rows`, moved by `move`."""
        return self.look(rows, move, about).probabilities

    @torch.inference_mode()
    def look(self, rows: Int[np.ndarray, " m"], move: Float[Tensor, "*m d"], about: tuple[str, ...] = ()) -> Readings:
        """The faces `rows`, all moved by `move` (d,) or each by its own (m, d). `about` names the attributes of the edit, where known."""
        each = move.expand(len(rows), -1)
        seen, cosines = [], []
        for part in np.array_split(np.arange(len(rows)), -(-len(rows) // BATCH)):
            faces = rows[part]
            before, moves = self.before[faces].float(), each[part]
            if self.pasting is not None:
                moves = moves @ self.pasting.drawn_matrix.T
            after = self.net.decode(self.z[faces] + moves).clamp(0, 1)
            x = images.to_float(self.pictures[faces])
            if self.pasting is not None:
                x = self._paste(self.pasting, faces, before, after, each[part], about)
            else:
                x = (x + self.mask * (after - before)).clamp(0, 1)
            seen.append(self.classifier(x).sigmoid())
            same = (self.identity(x) * self.people[faces]).sum(1) if self.identity is not None else torch.full((len(part),), torch.nan)
            cosines.append(same)
        return Readings(torch.cat(seen).numpy(), torch.cat(cosines).numpy())

    def _paste(
        self,
        pasting: "Pasting",
        part: Int[np.ndarray, " m"],
        before: Float[Tensor, "m 3 s s"],
        after: Float[Tensor, "m 3 s s"],
        moves: Float[Tensor, "m d"],
        about: tuple[str, ...],
    ) -> Float[Tensor, "m 3 s s"]:
        """The crops with the change in them, as the editor gives them back."""
        crops, place = [], whole(before.shape[-1])
        for k, old, new, move in zip(part.tolist(), before, after, moves, strict=True):
            if k not in self.grounds:
                self.grounds[k] = CropBackground(self.pictures[k], place, before.shape[-1], pasting.parser)
            b, a = (np.ascontiguousarray(x.permute(1, 2, 0).numpy()) for x in (old, new))
            hair = pasting.hair.shift(move if dyes_hair(about) else torch.zeros_like(move))
            makeup = Makeup(*pasting.makeup.amounts(move)) if makes_up(about) else Makeup()
            crops.append(paste(self.pictures[k], b, a, hair, place, pasting.parser, ground=self.grounds[k], makeup=makeup, about=about))
        return images.to_float(np.stack(crops))

    def change(self, rows: Int[np.ndarray, " m"], seen: Float32[np.ndarray, "m a"]) -> Float[np.ndarray, "m a"]:
        """How far each logit moved, signed, in its own standard deviation over the untouched photos."""
        plain = logit(self.plain)
        return (logit(seen) - plain[rows]) / (plain.std(0) + 1e-6)

    def leakage(
        self, rows: Int[np.ndarray, " m"], seen: Float32[np.ndarray, "m a"], column: int, weight: Float[np.ndarray, " a"] | None = None
    ) -> float:
        """Mean |change| of the logits of all attributes but `column`, in σ; with a `weight`, the mean by those weights."""
        own = np.arange(seen.shape[1]) == column
        return float(np.average(np.abs(self.change(rows, seen)), axis=1, weights=np.where(own, 0, 1 if weight is None else weight)).mean())


def logit(probability: Float32[np.ndarray, " *n"]) -> Float32[np.ndarray, " *n"]:
    """log(p / (1 - p)), finite at 0 and 1."""
    p = probability.clip(1e-6, 1 - 1e-6)
    return np.log(p / (1 - p))
