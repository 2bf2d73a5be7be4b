"""Nets, directions and priors to and from JSON and tensors, with all checks."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from facevae.checkpoint.manifest import check_shapes
from facevae.latent.conditional_flow import ConditionalFlow
from facevae.latent.directions import Direction
from facevae.latent.priors import GaussianMixture
from facevae.nets.architectures import config_from
from facevae.nets.velocity import VelocityConfig
from facevae.settings import is_number

Prior = GaussianMixture | ConditionalFlow
READER = "{} reader"
LISTS = ("widths", "detail_widths", "encoder_blocks", "decoder_blocks")
MAX_VALUE, MAX_SIDE_PX, MAX_BLOCKS = 4096, 1024, 32
"""Of a width, of the side of a picture, and of the blocks of one level, which take long to put together whatever the file holds."""
MAX_LEVELS, MAX_ATTRIBUTES = 16, 200
HALF_LIMIT = 6e4
ATTRIBUTE = re.compile(r"\w{1,40}", re.ASCII)
"""Attributes are shown in the page, so their names are words."""

NetT = TypeVar("NetT", bound=nn.Module)


# Nets -----------------------------------------------------------------------------------------------------------------


def half_where_exact(tensors: Mapping[str, Tensor], exact: Collection[str] = ()) -> dict[str, Tensor]:
    """Cast to float16 what fits: not counters, nor values beyond float16's range of 65,504, which would become infinite.

    Running variances of BatchNorm reach that. Tensors whose name, or last part of a name, is in `exact` keep their type as well.
    """
    fits = {k: v.is_floating_point() and k.rpartition(".")[2] not in exact and bool(v.abs().max() < HALF_LIMIT) for k, v in tensors.items()}
    return {k: v.half() if fits[k] else v for k, v in tensors.items()}


def check_described(values: Any, where: str) -> None:
    """`ValueError` where the description of a net asks for what no net of ours has, before anything is built by it."""
    if not isinstance(values, dict):
        raise ValueError(f"{where} must be an object")
    for key, value in values.items():
        if key == "attributes":
            names = value if isinstance(value, list) else []
            if not 0 < len(names) <= MAX_ATTRIBUTES or not all(isinstance(n, str) and ATTRIBUTE.fullmatch(n) for n in names):
                raise ValueError(f"{where}: attributes must be 1 to {MAX_ATTRIBUTES} names of letters, digits and underscores")
            if len(set(names)) != len(names):
                raise ValueError(f"{where}: an attribute is named twice")
            continue
        if key in ("architecture", "kind"):
            continue  # whoever reads them says what is wrong with them
        least = 0 if "blocks" in key else 1
        most = MAX_BLOCKS if "blocks" in key or key == "layers" else MAX_SIDE_PX if key == "size" else MAX_VALUE
        entries = value if isinstance(value, list) and (key in LISTS or key == "layers") else [value]
        if len(entries) > MAX_LEVELS or (key in LISTS and not isinstance(value, list)):
            raise ValueError(f"{where}: {key} must be a list of at most {MAX_LEVELS} whole numbers")
        if not all(isinstance(v, int) and not isinstance(v, bool) and least <= v <= most for v in entries):
            raise ValueError(f"{where}: {key} must be whole numbers from {least} to {most}, not {value!r:.60}")


def build(net: Callable[[], NetT], where: str) -> NetT:
    """A net on no device: a description cannot ask for more memory than its file holds. `ValueError` where it makes no sense."""
    try:
        with torch.device("meta"):
            return net()
    except (RuntimeError, TypeError, ValueError, ArithmeticError, IndexError) as error:
        raise ValueError(f"{where} describes a net that cannot be built ({' '.join(str(error).split())[:160]})") from None


def fill(net: NetT, tensors: dict[str, Tensor], path: Path) -> NetT:
    """Put weights into a net, strictly; `ValueError` names the keys or the shape that differ. One on no device takes them as its own."""
    own = net.state_dict()
    if odd := [k for k in own.keys() & tensors.keys() if own[k].is_floating_point() != tensors[k].is_floating_point()]:
        raise ValueError(f"{path}: {min(odd)} holds values of {tensors[min(odd)].dtype} where the net has {own[min(odd)].dtype}")
    try:
        net.load_state_dict(tensors, strict=True, assign=any(value.is_meta for value in own.values()))
    except RuntimeError as error:
        raise ValueError(f"{path} does not fit the net of config.json: {' '.join(str(error).split())[:300]}") from None
    return net.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def check_floating(tensors: Mapping[str, Tensor], path: Path) -> None:
    """`ValueError` where a file that is to be computed with holds whole numbers."""
    if whole := [name for name, value in tensors.items() if not value.is_floating_point()]:
        raise ValueError(f"{path}: {whole[0]} holds values of {tensors[whole[0]].dtype}, expected floating point")


def check_above_zero(tensors: Mapping[str, Tensor], names: tuple[str, ...], path: Path) -> None:
    """`ValueError` where one of these tensors holds a value that is not above 0."""
    for name in names:
        if not bool((tensors[name] > 0).all()):
            raise ValueError(f"{path}: {name} must be above 0 everywhere")


# Directions -----------------------------------------------------------------------------------------------------------


def describe_direction(direction: Direction) -> dict[str, Any]:
    """All of a direction but its name and its vector, as JSON can hold it."""
    return {
        "estimator": direction.estimator,
        "sigma": direction.sigma,
        "low": direction.low,
        "high": direction.high,
        "auroc": direction.auroc,
        "limits": list(direction.limits),
        "leakage": dict(direction.leakage),
    }


def direction_tensors(directions: Mapping[str, Direction]) -> dict[str, Tensor]:
    """What directions.safetensors holds: the unit vector of each by its name, and its reader where it has one."""
    readers = {READER.format(n): d.reader for n, d in directions.items() if d.reader is not None}
    return {n: d.vector for n, d in directions.items()} | readers


def read_directions(table: dict[str, Any], vectors: dict[str, Tensor], latent: int, folder: Path) -> dict[str, Direction]:
    """The directions that `describe_direction` and `direction_tensors` wrote; `ValueError` names what does not fit."""
    readers = {name: READER.format(name) for name in table if READER.format(name) in vectors}
    check_shapes(vectors, dict.fromkeys([*table, *readers.values()], (latent,)), folder / "directions.safetensors")
    for name in table:
        if abs(float(vectors[name].norm()) - 1) > 1e-2:
            raise ValueError(f"{folder / 'directions.safetensors'}: {name} has length {float(vectors[name].norm()):g}, expected 1")
    found = {name: direction_from(name, vectors[name], row, str(folder / "directions.json")) for name, row in table.items()}
    return {name: replace(d, reader=vectors.get(readers.get(name, ""))) for name, d in found.items()}


def direction_from(name: str, vector: Tensor, values: dict[str, Any], where: str) -> Direction:
    """The direction that `describe_direction` described; `ValueError` names what is no number or out of order."""
    if not isinstance(values, dict):
        raise ValueError(f"{where}: the direction {name} must be an object")
    given = {"limits": ["", ""], "leakage": {}} | values
    if set(given) != {"estimator", "sigma", "low", "high", "auroc", "limits", "leakage"}:
        raise ValueError(f"{where}: the direction {name} has other keys than estimator, sigma, low, high, auroc, limits and leakage")
    limits, leakage = given["limits"], given["leakage"]
    if (
        not isinstance(limits, list | tuple)
        or len(limits) != 2
        or not isinstance(leakage, Mapping)
        or not isinstance(given["estimator"], str)
    ):
        raise ValueError(f"{where}: the direction {name} needs an estimator's name, two limits and a table of leakages")
    numbers = [given["sigma"], given["low"], given["high"], given["auroc"], *given["leakage"].values()]
    if not all(map(is_number, numbers)) or not given["sigma"] > 0 or given["low"] > given["high"]:
        raise ValueError(f"{where}: the direction {name} needs finite numbers, a sigma above 0 and low below high")
    return Direction(name=name, vector=vector, **given | {"limits": tuple(map(str, given["limits"]))})


# Priors ---------------------------------------------------------------------------------------------------------------


def describe_prior(prior: Prior) -> dict[str, Any]:
    """The kind of a prior and its config, as JSON can hold them."""
    return {"kind": "mixture"} if isinstance(prior, GaussianMixture) else {"kind": "flow", **asdict(prior.config)}


def prior_tensors(prior: Prior) -> dict[str, Tensor]:
    """All that a prior knows, in full precision."""
    if isinstance(prior, GaussianMixture):
        return {"weights": prior.weights, "means": prior.means, "cholesky": prior.cholesky}
    return prior.state_dict()


def prior_on_disk(prior: Prior) -> dict[str, Tensor]:
    """What prior.safetensors holds: `prior_tensors`, in float16 what may be rounded."""
    exact = ("mean", "cholesky", "label_weights") if isinstance(prior, ConditionalFlow) else ("weights", "means")
    return half_where_exact(prior_tensors(prior), exact)


def prior_from(values: Any, tensors: dict[str, Tensor], latent: int, path: Path, where: str) -> Prior:
    """The prior that `describe_prior` and `prior_tensors` gave; `ValueError` names what does not fit.

    `path` is the file of the tensors, `where` the description's.
    """
    kind = values.get("kind") if isinstance(values, dict) else None
    if kind not in ("mixture", "flow"):
        raise ValueError(f"{where}: there is no prior of kind {kind!r}; known are mixture and flow")
    rest = {k: v for k, v in values.items() if k != "kind"}
    if kind == "mixture":
        if rest:
            raise ValueError(f"{where}: prior has unknown keys: {', '.join(sorted(rest))}")
        k = components_of(tensors, "weights")
        check_shapes(tensors, {"weights": (k,), "means": (k, latent), "cholesky": (k, latent, latent)}, path)
        return checked_mixture(GaussianMixture(**tensors), path)
    config = config_from(VelocityConfig, rest, f"{where}: prior")
    if config.latent != latent:
        raise ValueError(f"{where}: the prior has latents of {config.latent} values, the net has {latent}")
    k = components_of(tensors, "label_weights")
    flow = fill(build(lambda: ConditionalFlow(config, max(k, 1)), f"{where}: prior"), tensors, path)
    check_above_zero({"diagonal of cholesky": flow.cholesky.diagonal()}, ("diagonal of cholesky",), path)
    checked_mixture(flow.label_logits, path, "label_")
    return flow


def components_of(tensors: Mapping[str, Tensor], name: str) -> int:
    """How many components a mixture has by its weights, of this name; 0 where there are none."""
    return len(tensors[name]) if name in tensors and tensors[name].ndim else 0


def checked_mixture(mixture: GaussianMixture, path: Path, prefix: str = "") -> GaussianMixture:
    """The mixture; `ValueError` where its shares or its covariances are none."""
    diagonal = f"diagonal of {prefix}cholesky"
    check_above_zero({diagonal: mixture.cholesky.diagonal(dim1=1, dim2=2)}, (diagonal,), path)
    if not len(mixture.weights) or mixture.weights.min() < 0 or abs(float(mixture.weights.sum()) - 1) > 1e-3:
        raise ValueError(f"{path}: {prefix}weights must be at least one share, together 1")
    return mixture
