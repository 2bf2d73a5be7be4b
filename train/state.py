"""Everything needed to resume a run, in one safetensors file: nothing in it can execute."""

import json
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
    path: Path, modules: Mapping[str, nn.Module], optimizers: Mapping[str, torch.optim.AdamW], described: dict[str, Any], nimg: int
) -> None:
    """Write the modules by name, AdamW's moments of those that have an optimizer, the config and the clock, atomically."""
    tensors: dict[str, Tensor] = {}
    for prefix, module in modules.items():
        tensors |= {f"{prefix}.{k}": v for k, v in module.state_dict().items()}
    for owner, optimizer in optimizers.items():
        for name, parameter in modules[owner].named_parameters():
            # A module that has not learned yet has no moments.
            found = optimizer.state.get(parameter, {})
            tensors |= {f"{moments_of(owner, part)}.{name}": found[part] for part in OPTIMIZER_PARTS if part in found}
    write_tensors(path, tensors, {"nimg": str(nimg), "config": json.dumps(described)})


def moments_of(owner: str, part: str) -> str:
    """Where a state keeps a moment of a module: those of "net" had the name to themselves before there were others."""
    return part if owner == "net" else f"{owner}_{part}"


def read_state(path: Path) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any], int]:
    """Tensors by part ("net", "ema", "step" …), the config as a dict, nimg."""
    try:
        with safe_open(path, framework="pt") as file:
            meta = file.metadata() or {}
            parts: dict[str, dict[str, Tensor]] = {}
            for key in file.keys():  # noqa: SIM118  (not a dict)
                part, name = key.split(".", 1)
                parts.setdefault(part, {})[name] = file.get_tensor(key)
        return parts, json.loads(meta["config"]), int(meta["nimg"])
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
