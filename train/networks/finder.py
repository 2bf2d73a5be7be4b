"""Train the face finder on CelebA frames at any angle and size in pictures without faces."""

import hashlib
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from facevae.checkpoint.finder import DESCRIPTION, WEIGHTS
from facevae.checkpoint.serialization import half_where_exact
from facevae.files import write_json, write_tensors
from facevae.nets.finder import CELL_PX, FACE_PX, FaceFinder, FinderConfig
from facevae.photo import images
from facevae.photo.alignment import WINDOW, Square
from train.data.distractors import Distractors, damage, sample
from train.data.prepared import CELEBA_CROP_PX, Listing
from train.networks.aligner import CELEBA_FRAME_PX, SHRINK, cached_frames, trim
from train.networks.loop import begin, fit_net, seeded_net
from train.vae.resume import config_as_json, read_state
from train.vae.schedules import check_clocks

NEAR, RING = 0.25, 0.5  # cells nearer than this to a face's middle are asked for it, those between are not judged; in window sides
SIZES, RIM = 0.55, 0.85  # the same for sizes: logarithms to the base 2 of the window's side over FACE_PX


@dataclass(frozen=True)
class FinderTrainConfig:
    """Everything that decides the weights of a finder run, but for the data. All clocks count scenes seen (nimg), quarter turns
    of one as four."""

    net: FinderConfig = field(default_factory=FinderConfig)
    seed: int = 0
    total_nimg: int = 192_000
    batch_size: int = 64
    lr: float = 3e-3
    lr_final_share: float = 0.005
    lr_ramp_nimg: int = 6_400
    weight_decay: float = 0.02
    ema_halflife_nimg: int = 4_000
    scene_px: int = 96
    faceless: float = 0.25
    """Share of scenes without a face."""
    several: float = 0.25
    """Share of scenes with two to four faces."""
    smallest: float = 11.0
    largest: float = 60.0
    """Sides of the faces' windows in pixels."""
    tick_nimg: int = 12_800
    precision: Literal["bf16", "no"] = "bf16"
    valid_nimg: int = 1_024

    def __post_init__(self) -> None:
        check_clocks(self.tick_nimg, self.total_nimg, self.batch_size)
        if self.batch_size % 4:
            raise ValueError(f"the batch size is {self.batch_size}: each scene comes in four quarter turns, so a multiple of 4 would work")


def fit_finder(config: FinderTrainConfig, listing: Listing, run: Path, start: Path | None = None, stop_nimg: int | None = None) -> Path:
    """Train, or go on training, the face finder in folder `run`; gives the path of its last state.

    `listing` names CelebA's own frames; the folder keeps them as that of the alignment net does. The same call resumes, bit-equal on
    the CPU. A new run begins with the averaged weights of the run `start`, where given. `stop_nimg` ends early.
    """
    net = seeded_net(config.seed, lambda: FaceFinder(config.net))
    if start is not None:
        net.load_state_dict(load_finder(start).state_dict(), strict=True)
    training = begin(config, net, run, config_as_json(config), {})
    frames = cached_frames(run / "frames.npy", listing)
    scenes = Scenes(config, frames, np.flatnonzero(listing.split == 0))
    valid = Scenes(config, frames, np.flatnonzero(listing.split == 1))
    held_out = [valid(i * config.batch_size) for i in range(max(1, config.valid_nimg // config.batch_size))]

    def loss_of(nimg: int, output: Float[Tensor, "b 6 h w"], truth: Float[Tensor, "b 6 h w"], asked: Bool[Tensor, "b h w"]) -> Tensor:
        return finder_loss(output, truth, asked)

    def measure(net: FaceFinder) -> dict[str, float]:
        return score_scenes(net, held_out)

    fit_net(config, training, scenes, loss_of, measure, ("recall", "turn_deg_median"), stop_nimg)
    return training.state_path


def finder_loss(output: Float[Tensor, "b 6 h w"], truth: Float[Tensor, "b 6 h w"], asked: Bool[Tensor, "b h w"]) -> Float[Tensor, ""]:
    """Cross-entropy of "a face lies here" over the cells that are asked + errors of place, size and turn, both per cell with a face."""
    faces = truth[:, 0]
    count = faces.sum().clamp(min=1)
    seen = F.binary_cross_entropy_with_logits(output[:, 0], faces, weight=asked.float(), reduction="sum")
    places = F.smooth_l1_loss(output[:, 1:], truth[:, 1:], beta=0.1, reduction="none").sum(1)
    return (seen + (places * faces).sum()) / count


@torch.no_grad()
def score_scenes(net: FaceFinder, batches: list[tuple[Tensor, Tensor, Tensor]]) -> dict[str, float]:
    """Share of cells with a face that are found where one in a hundred without one is, and the median error of the turn."""
    device = next(net.parameters()).device
    output = torch.cat([net(x.to(device)).cpu() for x, _, _ in batches]).permute(0, 2, 3, 1)
    truth, asked = torch.cat([t for _, t, _ in batches]).permute(0, 2, 3, 1), torch.cat([a for _, _, a in batches])
    faces, none = truth[..., 0] == 1, (truth[..., 0] == 0) & asked
    threshold = float(np.quantile(output[none][:, 0].numpy(), 0.99))
    said, right = output[faces], truth[faces]
    turn = torch.atan2(said[:, 5], said[:, 4]) - torch.atan2(right[:, 5], right[:, 4])
    turn = torch.atan2(turn.sin(), turn.cos()).abs() * 180 / math.pi
    if not len(said):
        return {"recall": math.nan, "threshold": threshold, "turn_deg_median": math.nan, "turn_deg_90": math.nan}
    return {
        "recall": (said[:, 0] > threshold).float().mean().item(),
        "threshold": threshold,
        "turn_deg_median": turn.median().item(),
        "turn_deg_90": turn.quantile(0.9).item(),
    }


class Scenes:
    """Batches of scenes with what the net should say to each cell; each a pure function of (seed, nimg)."""

    def __init__(self, config: FinderTrainConfig, frames: UInt8[np.ndarray, "n h w 3"], members: np.ndarray) -> None:
        if not len(members):
            raise ValueError("there are no frames in this partition")
        self.config, self.frames, self.members = config, frames, members
        self.distractors = Distractors(frames, members)
        # From pixels of the kept frames to the alignment net's window.
        side, top = CELEBA_CROP_PX / SHRINK, (CELEBA_FRAME_PX[1] - CELEBA_CROP_PX) / 2 / SHRINK
        self.right = WINDOW.matrix() @ np.array([[1 / side, 0, 0], [0, 1 / side, -top / side], [0, 0, 1]])

    def __call__(self, nimg: int) -> tuple[Float[Tensor, "b 3 s s"], Float[Tensor, "b 6 g g"], Bool[Tensor, "b g g"]]:
        """Scenes in [0, 1]; for each cell what the net should say; and which cells are asked whether there is a face."""
        config = self.config
        rng = np.random.default_rng((config.seed, 6, nimg))
        grid = config.scene_px // CELL_PX
        scenes = np.empty((config.batch_size, config.scene_px, config.scene_px, 3), np.uint8)
        truth = np.zeros((config.batch_size, 6, grid, grid), np.float32)
        asked = np.ones((config.batch_size, grid, grid), bool)
        for i in range(0, config.batch_size, 4):
            scene, places = self.scene(rng)
            scene = damage(scene, rng, cover=False)
            for turns in range(4):  # the same from all sides: scenes take longer to make than to learn from
                scenes[i + turns] = np.rot90(scene, -turns)
                for place in places:
                    mark(truth[i + turns], asked[i + turns], turned(place, turns, config.scene_px))
        return images.to_float(scenes), torch.from_numpy(truth), torch.from_numpy(asked)

    def scene(self, rng: np.random.Generator) -> tuple[UInt8[np.ndarray, "s s 3"], list[Square]]:
        """A scene and the windows of its faces in it, in pixels."""
        size, kind = self.config.scene_px, rng.random()
        if kind < self.config.faceless:
            return self.distractors.draw(rng, size), []
        if kind >= self.config.faceless + self.config.several:
            frame, to_scene, place = self.face(rng)
            scene = self.distractors.surround(frame, to_scene / size, size, rng)
            return hide(scene, place, rng), [place]
        scene, places = self.distractors.draw(rng, size), []
        for _ in range(int(rng.integers(2, 5))):
            frame, to_scene, place = self.face(rng)
            matrix = to_scene / size
            inside = sample(np.full(frame.shape[:2], 255, np.uint8), matrix, size, cv2.BORDER_CONSTANT)[:, :, None].astype(np.float32) / 255
            if any(inside[min(max(int(p.y), 0), size - 1), min(max(int(p.x), 0), size - 1), 0] > 0 for p in places):
                continue  # it would hide another
            if any(math.hypot(p.x - place.x, p.y - place.y) < 0.6 * (p.side + place.side) for p in places):
                continue
            scene = np.rint(sample(frame, matrix, size, cv2.BORDER_REPLICATE) * inside + scene * (1 - inside)).astype(np.uint8)
            places.append(place)
        return scene, places

    def face(self, rng: np.random.Generator) -> tuple[UInt8[np.ndarray, "h w 3"], Float[np.ndarray, "2 3"], Square]:
        """A frame, the way from its pixels to those of the scene, and the window of its face there."""
        config = self.config
        side = math.exp(rng.uniform(math.log(config.smallest), math.log(config.largest)))
        x, y = rng.uniform(0.08, 0.92, 2) * config.scene_px
        place = Square(x, y, side, rng.uniform(-math.pi, math.pi) if rng.random() < 0.7 else rng.normal() * 0.3)
        frame = self.frames[self.members[rng.integers(len(self.members))]]
        right = self.right
        if rng.random() < 0.5:
            frame = frame[:, ::-1]
            right = right @ np.array([[-1, 0, frame.shape[1]], [0, 1, 0], [0, 0, 1]])
            right = np.array([[-1, 0, 1], [0, 1, 0]]) @ np.vstack([right, [0, 0, 1]])
        to_scene = place.inverse() @ np.vstack([right, [0, 0, 1]])
        frame, offset = trim(frame, rng)
        to_scene[:, 2] += to_scene[:, :2] @ offset
        factor = 1.5 * math.hypot(*to_scene[:, 0])
        if factor < 1:  # `sample` would oversample it at length
            height, width = frame.shape[:2]
            reduced = (max(1, round(width * factor)), max(1, round(height * factor)))
            frame = cv2.resize(frame, reduced, interpolation=cv2.INTER_AREA)
            to_scene = to_scene * (width / reduced[0], height / reduced[1], 1)
        return frame, to_scene, place


def turned(place: Square, turns: int, size: int) -> Square:
    """The window after quarter turns of the scene, clockwise."""
    for _ in range(turns):
        place = Square(size - place.y, place.x, place.side, place.angle + math.pi / 2)
    return place


def hide(scene: UInt8[np.ndarray, "s s 3"], place: Square, rng: np.random.Generator) -> UInt8[np.ndarray, "s s 3"]:
    """By chance something plain over a part of the face."""
    if rng.random() >= 0.2:
        return scene
    scene = scene.copy()
    x, y = np.array([place.x, place.y]) + rng.uniform(-0.5, 0.5, 2) * place.side
    size = (rng.uniform(0.15, 0.6) * place.side, rng.uniform(0.15, 0.4) * place.side)
    corners = cv2.boxPoints(((x, y), size, rng.uniform(0, 180)))
    cv2.fillConvexPoly(scene, np.rint(corners * 8).astype(np.int32), rng.integers(0, 256, 3).tolist(), cv2.LINE_AA, shift=3)
    return scene


def mark(truth: Float[np.ndarray, "6 g g"], asked: Bool[np.ndarray, "g g"], place: Square) -> None:
    """Write one face into what the cells should say; changes both arrays."""
    middle = (np.arange(truth.shape[1]) + 0.5) * CELL_PX
    x, y = np.meshgrid(place.x - middle, place.y - middle)
    away, octaves = np.hypot(x, y) / place.side, abs(math.log2(place.side / FACE_PX))
    if octaves > RIM:
        return
    near = away <= NEAR
    asked[(away <= RING) & ~(near & (octaves <= SIZES))] = False
    if octaves > SIZES:
        return
    asked[near] = True
    truth[0][near] = 1
    truth[1][near], truth[2][near] = x[near] / FACE_PX, y[near] / FACE_PX
    truth[3][near] = math.log(place.side / FACE_PX)
    truth[4][near], truth[5][near] = math.cos(place.angle), math.sin(place.angle)


def load_finder(run: Path) -> FaceFinder:
    """The EMA weights of a finder run, on the CPU, frozen, in eval mode."""
    parts, saved, _ = read_state(run / "state.safetensors")
    net = FaceFinder(FinderConfig(**{k: tuple(v) if isinstance(v, list) else v for k, v in saved["net"].items()}))
    net.load_state_dict(parts["ema"], strict=True)
    return net.requires_grad_(False).eval()


def save_finder(folder: Path, net: FaceFinder) -> str:
    """Write `finder.safetensors` (float16) and `finder.json`; gives the digest."""
    write_tensors(folder / WEIGHTS, half_where_exact(net.state_dict()))
    digest = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    write_json(folder / DESCRIPTION, {"net": asdict(net.config), "files": {WEIGHTS: digest}})
    return digest[:12]
