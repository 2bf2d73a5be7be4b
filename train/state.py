"""Everything needed to resume a run, in one safetensors file: nothing in it can execute."""

import json
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from facevae.files import write_tensors
from train.config import TrainConfig

OPTIMIZER_PARTS = ("step", "exp_avg", "exp_avg_sq")


def config_as_json(config: TrainConfig) -> dict:
    """The config with tuples as lists, as JSON gives it back."""
    return json.loads(json.dumps(asdict(config)))


def save_state(
    path: Path, net: nn.Module, ema: nn.Module, likelihood: nn.Module, optimizer: torch.optim.AdamW, config: TrainConfig, nimg: int
) -> None:
    """Write weights, EMA weights, pixel variance, AdamW moments and the clock, atomically."""
    tensors: dict[str, Tensor] = {}
    for prefix, module in (("net", net), ("ema", ema), ("likelihood", likelihood)):
        tensors |= {f"{prefix}.{k}": v for k, v in module.state_dict().items()}
    for name, parameter in net.named_parameters():
        tensors |= {f"{part}.{name}": optimizer.state[parameter][part] for part in OPTIMIZER_PARTS}
    write_tensors(path, tensors, {"nimg": str(nimg), "config": json.dumps(config_as_json(config))})


def read_state(path: Path) -> tuple[dict[str, dict[str, Tensor]], dict, int]:
    """Tensors by part ("net", "ema", "likelihood", "step" …), the config as a dict, nimg."""
    try:
        with safe_open(path, framework="pt") as file:
            meta = file.metadata() or {}
            parts: dict[str, dict[str, Tensor]] = {}
            for key in file.keys():  # noqa: SIM118  (not a dict)
                part, name = key.split(".", 1)
                parts.setdefault(part, {})[name] = file.get_tensor(key)
        return parts, json.loads(meta["config"]), int(meta["nimg"])
    except (SafetensorError, KeyError, ValueError) as error:
        raise ValueError(f"{path} is not the state of a training run ({error})") from None


def load_state(path: Path, net: nn.Module, ema: nn.Module, likelihood: nn.Module, optimizer: torch.optim.AdamW, config: TrainConfig) -> int:
    """Put a saved state back and give its nimg; `ValueError` names each config field that differs."""
    parts, saved, nimg = read_state(path)
    now = config_as_json(config)
    different = [k for k in now if now[k] != saved.get(k)]
    if different:
        changes = ", ".join(f"{k}: {saved.get(k)} in the run, {now[k]} asked for" for k in different)
        raise ValueError(f"{path.parent} holds a run with another config ({changes}); choose another --run folder")
    for module, part in ((net, "net"), (ema, "ema"), (likelihood, "likelihood")):
        module.load_state_dict(parts[part], strict=True)
    for name, parameter in net.named_parameters():
        optimizer.state[parameter] = {p: parts[p][name].to(parameter.device if p != "step" else "cpu") for p in OPTIMIZER_PARTS}
        for part in ("exp_avg", "exp_avg_sq"):  # the weights' memory format, or the fused step gives up its speed
            moment = optimizer.state[parameter][part]
            optimizer.state[parameter][part] = torch.empty_like(parameter).copy_(moment)
    return nimg
