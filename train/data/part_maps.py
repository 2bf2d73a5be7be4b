"""Face parser on many pictures: probability of each part, and labels kept on disk."""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float32, UInt8
from tqdm import tqdm

from facevae.files import write_atomic
from facevae.nets.parser import PARTS, FaceParser
from facevae.photo import images
from train.data.prepared import save_array

BATCH = 32


@torch.inference_mode()
def part_maps(net: FaceParser, pictures: UInt8[np.ndarray, "n h h 3"], size: int | None = None) -> Float32[np.ndarray, "n k s s"]:
    """Probability of each of `PARTS` at each pixel of the pictures, or of a smaller grid of `size`."""
    side, found = size or pictures.shape[1], []
    for start in range(0, len(pictures), BATCH):
        x = images.to_float(np.array(pictures[start : start + BATCH]))
        if x.shape[-1] != net.config.size:
            x = F.interpolate(x, (net.config.size,) * 2, mode="bicubic", antialias=True).clamp(0, 1)
        maps = net(x).softmax(1)
        if side != net.config.size:
            maps = F.interpolate(maps, (side, side), mode="bilinear", antialias=True)
        found.append(maps.numpy())
    return np.concatenate(found)


def as_maps(labels: UInt8[np.ndarray, "s s"]) -> Float32[np.ndarray, "k s s"]:
    """Labels as maps that are sure of them."""
    return (labels == np.arange(len(PARTS), dtype=np.uint8)[:, None, None]).astype(np.float32)


def cached_part_labels(path: Path, net: FaceParser, pictures: UInt8[np.ndarray, "n h h 3"], size: int) -> UInt8[np.ndarray, "n s s"]:
    """The likeliest part at each pixel of all pictures, at `size` px; made once, then memory-mapped from `path`.

    `ValueError` where `path` holds those of other pictures.
    """
    if not path.is_file():
        labels = np.empty((len(pictures), size, size), np.uint8)
        with tqdm(total=len(labels), unit="img", desc=path.stem, mininterval=20) as bar:
            for start in range(0, len(labels), BATCH):
                # Where the processor has it, three times as fast; labels differ in one pixel of a thousand. Elsewhere ten times as slow.
                with torch.autocast("cpu", torch.bfloat16, enabled=torch.cpu._is_avx512_bf16_supported()):
                    labels[start : start + BATCH] = part_maps(net, pictures[start : start + BATCH], size).argmax(1)
                bar.update(len(labels[start : start + BATCH]))
        write_atomic(path, lambda temporary: save_array(temporary, labels))
    labels = np.load(path, mmap_mode="r")
    if labels.shape != (len(pictures), size, size):
        raise ValueError(f"{path} holds {labels.shape} labels, the data {(len(pictures), size, size)}: choose another --run folder")
    return labels
