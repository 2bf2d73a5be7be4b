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


def save_state(path: Path, modules: Mapping[str, nn.Module], optimizer: torch.optim.AdamW, described: dict[str, Any], nimg: int) -> None:
    """Write the modules by name, AdamW's moments of the one called "net", the config and the clock, atomically."""
    tensors: dict[str, Tensor] = {}
    for prefix, module in modules.items():
        tensors |= {f"{prefix}.{k}": v for k, v in module.state_dict().items()}
    for name, parameter in modules["net"].named_parameters():
        tensors |= {f"{part}.{name}": optimizer.state[parameter][part] for part in OPTIMIZER_PARTS}
    write_tensors(path, tensors, {"nimg": str(nimg), "config": json.dumps(described)})


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


def load_state(path: Path, modules: Mapping[str, nn.Module], optimizer: torch.optim.AdamW, described: dict[str, Any]) -> int:
    """Put a saved state back and give its nimg; `ValueError` names each field of the config that differs."""
    parts, saved, nimg = read_state(path)
    different = [k for k in described if described[k] != saved.get(k)]
    if different:
        changes = ", ".join(f"{k}: {saved.get(k)} in the run, {described[k]} asked for" for k in different)
        raise ValueError(f"{path.parent} holds a run with another config ({changes}); choose another --run folder")
    for name, module in modules.items():
        module.load_state_dict(parts[name], strict=True)
    for name, parameter in modules["net"].named_parameters():
        # The moments take the weights' memory format, or the fused step gives up its speed.
        optimizer.state[parameter] = {p: torch.empty_like(parameter).copy_(parts[p][name]) for p in OPTIMIZER_PARTS if p != "step"}
        optimizer.state[parameter]["step"] = parts["step"][name]
    return nimg
