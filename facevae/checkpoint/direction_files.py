"""Read and write directions as files: safetensors, JSON or .npy.

safetensors with the table of ranges inside or as a JSON file of the same name, or plain .npy without ranges.
"""

import io
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open

from facevae.checkpoint.manifest import read_bytes, tensors_from
from facevae.checkpoint.serialization import describe_direction, direction_from
from facevae.files import write_json, write_tensors
from facevae.latent.directions import Direction

MOST = 64
MAX_NAME = 40
PLAIN_RANGE = 3.0
"""A .npy file says nothing about how far it may be followed, in σ."""


def write_directions(path: Path, directions: Sequence[Direction]) -> list[Path]:
    """Write `path`.safetensors, which holds all of them by itself, and `path`.json, the same table to read; gives both paths."""
    table = {d.name: describe_direction(d) for d in directions}
    stem = path.with_suffix("") if path.suffix in (".safetensors", ".json") else path
    files = [stem.with_name(stem.name + suffix) for suffix in (".safetensors", ".json")]
    write_tensors(files[0], {d.name: d.vector for d in directions}, {"directions": json.dumps(table)})
    write_json(files[1], table)
    return files


def read_directions(path: Path, latent: int) -> list[Direction]:
    """The directions of a .safetensors or .npy file for latents of `latent` values; named "imported" as their estimator.

    A .safetensors file may carry its table inside, as `write_directions` leaves it, or beside it as .json. A .npy file
    holds (latent,) or (k, latent) steps of one σ, and is named after the file. `ValueError` names file and fault.
    """
    if path.suffix == ".npy":
        found = read_plain(path)
    elif path.suffix in (".safetensors", ".json"):
        found = read_described(path.with_suffix(".safetensors"))
    else:
        raise ValueError(f"{path.name} is no file of directions: it must end in .safetensors, .json or .npy")
    if not 1 <= len(found) <= MOST:
        raise ValueError(f"{path.name} holds {len(found)} directions; 1 to {MOST} can be read")
    for direction in found:
        if direction.vector.shape != (latent,):
            raise ValueError(f"{path.name}: {direction.name} has {direction.vector.numel()} values, the checkpoint expects {latent}")
        if not 0 < len(direction.name) <= MAX_NAME or not direction.name.isprintable():
            raise ValueError(f"{path.name}: a direction's name must have 1 to {MAX_NAME} printable characters")
    return [replace(d, estimator="imported") for d in found]


def read_described(path: Path) -> list[Direction]:
    """Vectors and their table."""
    vectors = tensors_from(read_bytes(path, "folder"), path)
    try:
        with safe_open(path, "pt") as file:
            inside = (file.metadata() or {}).get("directions")
        beside = path.with_suffix(".json")
        table = json.loads(inside if inside is not None else read_bytes(beside, "folder"))
    except (SafetensorError, json.JSONDecodeError, RecursionError, UnicodeDecodeError) as error:
        raise ValueError(f"{path.name}: its table of directions cannot be read ({error})") from None
    if not isinstance(table, dict) or set(table) != set(vectors) or not all(isinstance(row, dict) for row in table.values()):
        raise ValueError(f"{path.name}: its table names other directions than it holds vectors for")
    return [unit(direction_from(name, vectors[name], row, path.name)) for name, row in table.items()]


def read_plain(path: Path) -> list[Direction]:
    """Steps of a NumPy file; never pickled ones."""
    try:
        steps = np.load(io.BytesIO(read_bytes(path, "folder")), allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise ValueError(f"{path.name} is not a NumPy file of numbers ({error})") from None
    if not isinstance(steps, np.ndarray) or steps.dtype.kind not in "fiu" or steps.ndim not in (1, 2):
        raise ValueError(f"{path.name} must hold one direction (d,) or several (k, d) as numbers")
    steps = torch.from_numpy(np.atleast_2d(steps).astype(np.float32))
    if not torch.isfinite(steps).all():
        raise ValueError(f"{path.name} holds values that are not finite")
    names = [path.stem[:MAX_NAME]] if len(steps) == 1 else [f"{path.stem[: MAX_NAME - 4]} {k + 1}" for k in range(len(steps))]
    return [direction_of(name, step.tolist()) for name, step in zip(names, steps, strict=True)]


def direction_of(name: str, step: Sequence[float]) -> Direction:
    """A direction of which only the step of one σ is known; `ValueError` where it leads nowhere."""
    return unit(Direction(name, "imported", torch.tensor(step, dtype=torch.float32), 1.0, -PLAIN_RANGE, PLAIN_RANGE, 0.5))


def unit(direction: Direction) -> Direction:
    """The same step, its length in `sigma`; `ValueError` where it leads nowhere."""
    length = float(direction.vector.norm())
    if not length > 0:
        raise ValueError(f"the direction {direction.name} is all zeros")
    return replace(direction, vector=direction.vector / length, sigma=direction.sigma * length)
