"""Accuracy of the face parser on faces with masks made by hand: IoU of each part; its time."""

import math
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from facevae.nets.parser import FaceParser
from train.data.parsing import open_parts
from train.networks.parser import held_out, load_parser, part_ious

# IoU of the labels of "machine" where the same faces have labels by hand (README of the masks): what a net that learns from them
# can be expected to reach. Skin is without nose and ears there.
MACHINE = {"clothes": 0.70, "neck": 0.82, "skin": 0.93, "hair": 0.89, "brows": 0.78, "eyes": 0.81, "lips": 0.83, "mouth": 0.83}
MACHINE_LFW = {"hair": 0.73}
TIMED = 21


def evaluate_parser(run: Path) -> dict[str, Any]:
    """IoU on the held-out photos that the run keeps, by hand and by machine, and on their decodes; size and time of the net.

    `ValueError` where `run` is not the folder of a parser run.
    """
    net, parts = load_parser(run), open_parts(run)
    size = net.config.size
    photos, labels = held_out(parts, "celebamask", size)
    drawn = np.load(run / "decodes.npy", mmap_mode="r")[parts.of("celebamask", held_out=True)]
    decodes = np.stack([cv2.resize(picture, (size, size), interpolation=cv2.INTER_CUBIC) for picture in drawn])
    lfw, hair = held_out(parts, "hair_lfw", size)
    parameters = sum(p.numel() for p in net.parameters())
    return {
        "n": {"photos": len(photos), "lfw": len(lfw), "machine": len(parts.of("machine", held_out=True))},
        "photos": part_ious(net, photos, labels),
        "decodes": part_ious(net, decodes, labels),
        "lfw": part_ious(net, lfw, hair),
        "machine": part_ious(net, *held_out(parts, "machine", size)),
        "parameters": parameters,
        "float16_bytes": 2 * sum(t.numel() for t in net.state_dict().values() if t.is_floating_point()),
        "ms_per_crop": ms_per_crop(net),
        "threads": torch.get_num_threads(),
    }


@torch.inference_mode()
def ms_per_crop(net: FaceParser) -> float:
    """Median time of one crop on the CPU."""
    x = torch.rand(1, 3, net.config.size, net.config.size).contiguous(memory_format=torch.channels_last)
    times = []
    for _ in range(TIMED):
        start = time.perf_counter()
        net(x)
        times.append(time.perf_counter() - start)
    return round(float(np.median(times)) * 1e3, 2)


def print_parts(section: dict[str, Any]) -> None:
    """The table of `evaluate_parser`."""
    n = section["n"]
    print(f"\nParts of the face, IoU. By hand: {n['photos']} faces, as photos and as decodes, and hair on {n['lfw']} of LFW.")
    print(f"By machine: {n['machine']} faces. Beside them how well the machine's labels fit those by hand.")
    columns = [section["photos"], section["decodes"], MACHINE, section["lfw"], MACHINE_LFW, section["machine"]]
    print(f"{'':12}" + "".join(f"{name:>10}" for name in ("photos", "decodes", "(machine)", "LFW", "(machine)", "machine")))
    for name in section["photos"] | section["machine"]:
        cells = [column.get(name, math.nan) for column in columns]
        print(f"{name:12}" + "".join(f"{'-':>10}" if math.isnan(c) else f"{c:10.3f}" for c in cells))
    print(f"{section['parameters']:,} parameters, {section['float16_bytes'] / 1e6:.2f} MB in float16")
    print(f"{section['ms_per_crop']} ms a crop on {section['threads']} threads")
