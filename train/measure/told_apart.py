"""Detectability: how well a fresh small net tells two kinds of pictures apart, as AUROC."""

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import UInt8
from sklearn.metrics import roc_auc_score
from torch import nn
from tqdm import tqdm

from facevae.photo import images
from train.data.augment import outputs_of
from train.data.batches import shift

Pictures = UInt8[np.ndarray, "n s s 3"]
WIDTHS = (16, 32, 64, 96)
EPOCHS, BATCH, LR, SHIFT_PX = 16, 32, 2e-3, 4


class SmallNet(nn.Module):
    """Four convolutions, each at half the grid of the one before, their mean, and one logit."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, width in zip((3, *WIDTHS), WIDTHS, strict=False):
            layers += [nn.Conv2d(before, width, 3, 2, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
        self.layers, self.head = nn.Sequential(*layers), nn.Linear(WIDTHS[-1], 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.layers((x - 0.5) / 0.25).mean((2, 3)))


def told_apart(train: tuple[Pictures, Pictures], test: tuple[Pictures, Pictures], seed: int = 0) -> float:
    """AUROC on `test` of a net that was trained to tell the pictures of `train` apart, each (untouched, edited).

    0.5 where they cannot be told apart. The same for the same seed and number of threads.
    """
    pictures, truth = np.concatenate(train), np.repeat([0, 1], [len(part) for part in train])
    rng, steps = np.random.default_rng((seed, 8)), EPOCHS * max(1, len(pictures) // BATCH)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = SmallNet().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(net.parameters(), lr=LR, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LR, total_steps=steps)
    order = np.concatenate([rng.permutation(len(pictures)) for _ in range(EPOCHS + 1)])
    for step in tqdm(range(steps), desc="tell apart", leave=False, mininterval=5):
        rows = order[step * BATCH : (step + 1) * BATCH]
        x = images.to_float(np.stack([_varied(pictures[row], rng) for row in rows])).contiguous(memory_format=torch.channels_last)
        loss = F.binary_cross_entropy_with_logits(net(x)[:, 0], torch.from_numpy(truth[rows]).float())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    scores = outputs_of(net.eval(), np.concatenate(test))[:, 0].numpy()
    return float(roc_auc_score(np.repeat([0, 1], [len(part) for part in test]), scores))


def _varied(picture: UInt8[np.ndarray, "s s 3"], rng: np.random.Generator) -> UInt8[np.ndarray, "s s 3"]:
    """Mirrored half of the time, and moved by a few pixels: there are few pictures to learn from."""
    down, right = rng.integers(-SHIFT_PX, SHIFT_PX + 1, 2)
    moved = shift(picture, int(down), int(right))
    return np.ascontiguousarray(moved[:, ::-1]) if rng.random() < 0.5 else moved
