"""The embedded face finder, which serves all checkpoints: assets/finder."""

import json
from functools import lru_cache
from pathlib import Path

from facevae.checkpoint.manifest import read_bytes, read_listed, tensors_from
from facevae.checkpoint.serialization import check_described, fill
from facevae.files import ASSETS
from facevae.nets.architectures import config_from
from facevae.nets.finder import FaceFinder, FinderConfig

EMBEDDED_FINDER = ASSETS / "finder"
WEIGHTS, DESCRIPTION = "finder.safetensors", "finder.json"


@lru_cache(maxsize=1)
def embedded_finder() -> FaceFinder:
    """The finder that every editor of this process shares."""
    return read_finder(EMBEDDED_FINDER)


def read_finder(folder: Path) -> FaceFinder:
    """A saved finder, frozen and in eval mode; `ValueError` in one sentence names the file that is missing, changed or unreadable."""
    path = folder / DESCRIPTION
    raw = read_bytes(path, "finder folder")
    try:
        values = json.loads(raw)
        described, listed = dict(values["net"]), dict(values["files"])
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        raise ValueError(f"{path} does not describe a face finder") from None
    check_described(described, f"{path}: net")
    weights = read_listed(folder, WEIGHTS, listed, "finder")
    net = FaceFinder(config_from(FinderConfig, described, f"{path}: net"))
    return fill(net, tensors_from(weights, folder / WEIGHTS), folder / WEIGHTS)
