"""Training state: one safetensors file that a run resumes from, bit for bit."""

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from facevae.files import write_tensors

OPTIMIZER_PARTS = ("step", "exp_avg", "exp_avg_sq")


def config_as_json(config: Any) -> dict[str, Any]:
    """A frozen config with tuples as lists, as JSON gives it back."""
    return json.loads(json.dumps(asdict(config)))


def save_state(
    path: Path,
    modules: Mapping[str, nn.Module],
    optimizers: Mapping[str, torch.optim.AdamW],
    described: dict[str, Any],
    nimg: int,
    since_tick: Mapping[str, Any] | None = None,
) -> None:
    """Write the modules by name, AdamW's moments of those that have an optimizer, the config and the clock, atomically.

    The state before stays beside it, see `previous_of`. `since_tick` is what a run that stops between two ticks has counted since
    the last one. `OSError` where the disk does not take it: the older states are then as they were.
    """
    tensors: dict[str, Tensor] = {}
    for prefix, module in modules.items():
        tensors |= {f"{prefix}.{k}": v for k, v in module.state_dict().items()}
    for owner, optimizer in optimizers.items():
        for name, parameter in modules[owner].named_parameters():
            # A module that has not learned yet has no moments.
            found = optimizer.state.get(parameter, {})
            tensors |= {f"{moments_of(owner, part)}.{name}": found[part] for part in OPTIMIZER_PARTS if part in found}
    meta = {"nimg": str(nimg), "config": json.dumps(described)}
    if since_tick is not None:
        meta["since_tick"] = json.dumps(since_tick)
    write_tensors(path, tensors, meta, keep=previous_of(path))


def previous_of(path: Path) -> Path:
    """Where the state before the last one is kept."""
    return path.with_name(f"{path.stem}.previous{path.suffix}")


def moments_of(owner: str, part: str) -> str:
    """Under which name a state keeps a moment of a module: those of "net" have no prefix."""
    return part if owner == "net" else f"{owner}_{part}"


def read_state(path: Path) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any], int]:
    """Tensors by part ("net", "ema", "step" …), the config as a dict, nimg."""
    config, nimg, _ = read_meta(path)
    parts: dict[str, dict[str, Tensor]] = {}
    try:
        with safe_open(path, framework="pt") as file:
            for key in file.keys():  # noqa: SIM118  (not a dict)
                part, name = key.split(".", 1)
                parts.setdefault(part, {})[name] = file.get_tensor(key)
    except (OSError, SafetensorError, ValueError) as error:
        raise ValueError(f"{path} is not the state of a training run ({error})") from None
    return parts, config, nimg


def readable(path: Path) -> Path:
    """A state, or, with a word on stderr, the one before it where it is damaged."""
    try:
        read_meta(path)
    except ValueError as error:
        if not previous_of(path).is_file():
            raise
        print(f"{error}; going on from {previous_of(path).name}, after {read_meta(previous_of(path))[1]} images", file=sys.stderr)
        return previous_of(path)
    return path


def read_meta(path: Path) -> tuple[dict[str, Any], int, dict[str, Any] | None]:
    """Config and nimg of a state, and what it had counted since its last tick, if it says so."""
    try:
        with safe_open(path, framework="pt") as file:
            meta = file.metadata() or {}
        return json.loads(meta["config"]), int(meta["nimg"]), json.loads(meta.get("since_tick", "null"))
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise ValueError(f"{path} is not the state of a training run ({error})") from None


def load_state(path: Path, modules: Mapping[str, nn.Module], optimizers: Mapping[str, torch.optim.AdamW], described: dict[str, Any]) -> int:
    """Put a saved state back and give its nimg; `ValueError` names each field of the config that differs."""
    parts, saved, nimg = read_state(path)
    different = [k for k in described if described[k] != saved.get(k)]
    if different:
        changes = ", ".join(f"{k}: {saved.get(k)} in the run, {described[k]} asked for" for k in different)
        raise ValueError(f"{path.parent} holds a run with another config ({changes}); choose another --run folder")
    for name, module in modules.items():
        module.load_state_dict(parts[name], strict=True)
    for owner, optimizer in optimizers.items():
        found = {part: parts.get(moments_of(owner, part), {}) for part in OPTIMIZER_PARTS}
        for name, parameter in modules[owner].named_parameters():
            if name in found["step"]:
                # The moments take the weights' memory format, or the fused step gives up its speed.
                moments = {p: torch.empty_like(parameter).copy_(found[p][name]) for p in OPTIMIZER_PARTS if p != "step"}
                optimizer.state[parameter] = {"step": found["step"][name], **moments}
    return nimg


def images_before(run: Path) -> int:
    """Images that a run's weights had seen before it began."""
    path = run / "start.json"
    return json.loads(path.read_text())["nimg"] if path.is_file() else 0
