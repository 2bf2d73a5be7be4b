"""Train the alignment net on CelebA frames under random transforms, and on no faces."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor
from tqdm import tqdm

from facevae.checkpoint.checkpoint import Checkpoint
from facevae.files import write_atomic
from facevae.nets.aligner import AlignerConfig, AlignmentNet
from facevae.photo import images
from facevae.photo.alignment import REFERENCE_POINTS, WINDOW, Square
from train.data.distractors import Distractors, damage
from train.data.prepared import CELEBA_CROP_PX, Listing, save_array
from train.networks.loop import begin, fit_net, seeded_net
from train.vae.resume import config_as_json, read_state
from train.vae.schedules import check_clocks

CELEBA_FRAME_PX = (178, 218)
SHRINK = 2  # frames are kept at half their size: the net's window is then 71 of their pixels wide
FRAME_PX = (CELEBA_FRAME_PX[0] // SHRINK, CELEBA_FRAME_PX[1] // SHRINK)


@dataclass(frozen=True)
class AlignerTrainConfig:
    """Everything that decides the weights of an aligner run, but for the data. All clocks count windows seen (nimg)."""

    net: AlignerConfig = field(default_factory=AlignerConfig)
    seed: int = 0
    total_nimg: int = 1_280_000
    batch_size: int = 128
    lr: float = 2e-3
    lr_final_share: float = 0.005
    lr_ramp_nimg: int = 12_800
    weight_decay: float = 0.02
    ema_halflife_nimg: int = 8_000
    faceless: float = 0.2
    """Share of windows without a face."""
    small: float = 0.5
    """Share of faces whose window is nearly right, as in the second pass; `small_*` bound these, `large_*` the others."""
    large_shift: float = 0.45
    """In window sides."""
    large_scale: float = 2.0
    large_turn_deg: float = 38.0
    small_shift: float = 0.08
    small_scale: float = 1.15
    small_turn_deg: float = 8.0
    tick_nimg: int = 25_600
    precision: Literal["bf16", "no"] = "bf16"
    valid_nimg: int = 1_000

    def __post_init__(self) -> None:
        check_clocks(self.tick_nimg, self.total_nimg, self.batch_size)


def fit_aligner(config: AlignerTrainConfig, listing: Listing, run: Path, start: Path | None = None, stop_nimg: int | None = None) -> Path:
    """Train, or go on training, the alignment net in folder `run`; gives the path of its last state.

    `listing` names CelebA's own frames of 178 × 218 px, aligned on the eyes: the pixels around the training crop
    are needed, which prepared data have lost. The folder also holds `frames.npy`, `config.json`,
    `stats.jsonl`; the same call resumes, bit-equal on the CPU. A new run begins with the averaged weights of the run
    `start`, where given. `stop_nimg` ends early.
    """
    net = seeded_net(config.seed, lambda: AlignmentNet(config.net))
    if start is not None:
        net.load_state_dict(load_aligner(start).state_dict(), strict=True)
    training = begin(config, net, run, config_as_json(config), {})
    frames = cached_frames(run / "frames.npy", listing)
    batches = Windows(config, frames, np.flatnonzero(listing.split == 0))
    # The held-out windows stay the same from tick to tick.
    valid = Windows(config, frames, np.flatnonzero(listing.split == 1))
    held_out = [valid(i * config.batch_size) for i in range(max(1, config.valid_nimg // config.batch_size))]

    def loss_of(nimg: int, output: Float[Tensor, "b 6"], truth: Float[Tensor, "b 4"], faces: Float[Tensor, " b"]) -> Float[Tensor, ""]:
        return aligner_loss(output, truth, faces)

    def measure(net: AlignmentNet) -> dict[str, float]:
        return score_windows(net, held_out)

    fit_net(config, training, batches, loss_of, measure, ("error_median", "face_accuracy"), stop_nimg)
    return training.state_path


def place_points(transform: Float[Tensor, "b k"]) -> Float[Tensor, "b 3 2"]:
    """Where the eyes and the mouth lie in a window, from its middle, in its sides, if the first four columns put it right."""
    points = torch.tensor(WINDOW.to_unit(REFERENCE_POINTS) - 0.5, dtype=torch.float32, device=transform.device)  # (3, 2)
    x, y, log_side, turn = transform[:, :4].unbind(1)
    c, s = torch.cos(turn), torch.sin(turn)
    linear = log_side.exp()[:, None, None] * torch.stack([torch.stack([c, -s], 1), torch.stack([s, c], 1)], 1)  # (b, 2, 2)
    return torch.stack([x, y], 1)[:, None] + points @ linear.transpose(1, 2)


def displacement_eyes(output: Float[Tensor, "b 6"], truth: Float[Tensor, "b 4"]) -> Float[Tensor, " b"]:
    """Mean distance of the two eyes and the mouth from where they should be, in eye distances."""
    right = place_points(truth)
    eye_distance = (right[:, 0] - right[:, 1]).norm(dim=1)
    return (place_points(output) - right).norm(dim=2).mean(dim=1) / eye_distance


def aligner_loss(output: Float[Tensor, "b 6"], truth: Float[Tensor, "b 4"], faces: Float[Tensor, " b"]) -> Float[Tensor, ""]:
    """Displacement of faces + cross-entropy of "there is a face" + negative log likelihood of the displacement to expect.

    The last is that of an exponential distribution and sends no gradient into the transform. A window that shows
    fewer than two of the three points is asked for the way to the face, but not whether it is one: an ear alone is not.
    """
    error, log_expected = displacement_eyes(output, truth), output[:, 5].clamp(-6, 3)
    expectation = error.detach() * torch.exp(-log_expected) + log_expected
    shown = (place_points(truth).abs() < 0.5).all(dim=2).sum(dim=1) >= 2
    asked = ((faces == 0) | shown).float()
    seen = F.binary_cross_entropy_with_logits(output[:, 4], faces, weight=asked, reduction="sum") / asked.sum().clamp(min=1)
    return ((error + 0.1 * expectation) * faces).sum() / faces.sum().clamp(min=1) + 0.3 * seen


@torch.no_grad()
def score_windows(net: AlignmentNet, batches: list[tuple[Tensor, Tensor, Tensor]]) -> dict[str, float]:
    """After one pass: error in eye distances (median, 95th percentile), angle (median), and how well faces are told apart."""
    device = next(net.parameters()).device
    output = torch.cat([net(windows.to(device)).cpu() for windows, _, _ in batches])
    truth, face = torch.cat([truth for _, truth, _ in batches]), torch.cat([faces for _, _, faces in batches]).bool()
    error = displacement_eyes(output, truth)[face]
    turn = (output[:, 3] - truth[:, 3])[face].abs() * 180 / math.pi
    return {
        "error_median": error.median().item(),
        "error_95": error.quantile(0.95).item(),
        "turn_deg_median": turn.median().item(),
        "face_accuracy": ((output[:, 4] > 0) == face).float().mean().item(),
    }


class Windows:
    """Batches of windows with their transforms; each a pure function of (seed, nimg)."""

    def __init__(self, config: AlignerTrainConfig, frames: UInt8[np.ndarray, "n h w 3"], members: np.ndarray) -> None:
        if not len(members):
            raise ValueError("there are no frames in this partition")
        self.config, self.frames, self.members = config, frames, members
        self.size = config.net.size
        self.distractors = Distractors(frames, members)
        # From pixels of the kept frames to the right window.
        side, top = CELEBA_CROP_PX / SHRINK, (CELEBA_FRAME_PX[1] - CELEBA_CROP_PX) / 2 / SHRINK
        self.right = WINDOW.matrix() @ np.array([[1 / side, 0, 0], [0, 1 / side, -top / side], [0, 0, 1]])

    def __call__(self, nimg: int) -> tuple[Float[Tensor, "b 3 s s"], Float[Tensor, "b 4"], Float[Tensor, " b"]]:
        """Windows in [0, 1], the transforms that put them right (zero where there is no face), and whether there is a face."""
        config = self.config
        rng = np.random.default_rng((config.seed, 5, nimg))
        count = config.batch_size
        windows, truth = np.empty((count, self.size, self.size, 3), np.uint8), np.zeros((count, 4), np.float32)
        faces = rng.random(count) >= config.faceless
        for i in range(count):
            if faces[i]:
                windows[i], truth[i] = self.face(rng)
            else:
                windows[i] = self.distractors.draw(rng, self.size)
            windows[i] = damage(windows[i], rng)
        return images.to_float(windows), torch.from_numpy(truth), torch.from_numpy(faces.astype(np.float32))

    def face(self, rng: np.random.Generator) -> tuple[UInt8[np.ndarray, "s s 3"], tuple[float, float, float, float]]:
        """One face in a window that is not quite right, and the transform that puts it right."""
        config, small = self.config, rng.random() < self.config.small
        shift, scale, turn_deg = (
            (config.small_shift, config.small_scale, config.small_turn_deg)
            if small
            else (config.large_shift, config.large_scale, config.large_turn_deg)
        )
        x, y = rng.uniform(-shift, shift, 2)
        log_side, turn = rng.uniform(-1, 1) * math.log(scale), math.radians(rng.uniform(-turn_deg, turn_deg))
        frame = self.frames[self.members[rng.integers(len(self.members))]]
        right = self.right
        if rng.random() < 0.5:
            frame = frame[:, ::-1]
            right = right @ np.array([[-1, 0, frame.shape[1]], [0, 1, 0], [0, 0, 1]])
            right = np.array([[-1, 0, 1], [0, 1, 0]]) @ np.vstack([right, [0, 0, 1]])
        # The window that the transform leads away from: where its inverse puts it.
        wrong = Square(0.5 + x, 0.5 + y, math.exp(log_side), turn).inverse() @ np.vstack([right, [0, 0, 1]])
        frame, offset = trim(frame, rng)
        wrong[:, 2] += wrong[:, :2] @ offset
        return self.distractors.surround(frame, wrong, self.size, rng), (x, y, log_side, turn)


def trim(frame: UInt8[np.ndarray, "h w 3"], rng: np.random.Generator) -> tuple[UInt8[np.ndarray, "h2 w2 3"], np.ndarray]:
    """Cut random margins off, so that the place where a frame ends says nothing about where its face is; gives the left top."""
    height, width = frame.shape[:2]
    left, right = (int(rng.integers(0, width // 7)) if rng.random() < 0.6 else 0 for _ in range(2))
    top, bottom = (int(rng.integers(0, height // 6)) if rng.random() < 0.6 else 0 for _ in range(2))
    return frame[top : height - bottom, left : width - right], np.array([left, top], dtype=np.float64)


def cached_frames(path: Path, listing: Listing) -> UInt8[np.ndarray, "n h w 3"]:
    """All frames at half size, made once, then memory-mapped; `ValueError` names a frame of another size."""
    shape = (len(listing.files), FRAME_PX[1], FRAME_PX[0], 3)
    if not path.is_file():
        frames = np.empty(shape, np.uint8)
        for i, file in enumerate(tqdm(listing.files, unit="img", desc="frames", mininterval=20)):
            pixels = cv2.imread(str(file), cv2.IMREAD_COLOR)
            if pixels is None or pixels.shape[1::-1] != CELEBA_FRAME_PX:
                raise ValueError(f"{file} is not a CelebA frame of {CELEBA_FRAME_PX[0]} × {CELEBA_FRAME_PX[1]} px")
            frames[i] = cv2.cvtColor(cv2.resize(pixels, FRAME_PX, interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2RGB)
        write_atomic(path, lambda temporary: save_array(temporary, frames))
    frames = np.load(path, mmap_mode="r")
    if frames.shape != shape:
        raise ValueError(f"{path} holds {frames.shape} frames, the data {shape}: choose another --run folder")
    return frames


def load_aligner(run: Path) -> AlignmentNet:
    """The EMA weights of an aligner run, or the alignment net of a checkpoint folder, on the CPU, frozen, in eval mode."""
    if (run / "model.safetensors").is_file():
        return Checkpoint.from_pretrained(run).aligner
    parts, saved, _ = read_state(run / "state.safetensors")
    net = AlignmentNet(AlignerConfig(**{k: tuple(v) if isinstance(v, list) else v for k, v in saved["net"].items()}))
    net.load_state_dict(parts["ema"], strict=True)
    return net.requires_grad_(False).eval()
