"""Table of VAE architectures, and their configs to and from JSON."""

from dataclasses import asdict, fields
from typing import Any

from facevae.nets.convolutional import ConvolutionalConfig, ConvolutionalVAE
from facevae.nets.postactivation import PostActivationConfig, PostActivationVAE
from facevae.nets.residual import ResidualConfig, ResidualVAE
from facevae.nets.vae import VAE

AnyConfig = ResidualConfig | ConvolutionalConfig | PostActivationConfig
ARCHITECTURES: dict[str, tuple[type, type[VAE]]] = {
    "residual": (ResidualConfig, ResidualVAE),
    "convolutional": (ConvolutionalConfig, ConvolutionalVAE),
    "postactivation": (PostActivationConfig, PostActivationVAE),
}


def build_net(config: AnyConfig) -> VAE:
    """The net that a config describes, with new weights from torch's global random numbers."""
    return next(net for kind, net in ARCHITECTURES.values() if isinstance(config, kind))(config)


def describe_net(config: AnyConfig) -> dict[str, Any]:
    """A config as JSON can hold it, with the name of its architecture."""
    name = next(name for name, (kind, _) in ARCHITECTURES.items() if isinstance(config, kind))
    return {"architecture": name, **asdict(config)}


def net_config(values: Any, where: str) -> AnyConfig:
    """The config that `describe_net` described; `ValueError` names what is unknown."""
    if not isinstance(values, dict):
        raise ValueError(f"{where} must be an object")
    values = dict(values)
    name = values.pop("architecture", None)
    if not isinstance(name, str) or name not in ARCHITECTURES:
        raise ValueError(f"{where}: there is no architecture {name!r}; known are {', '.join(ARCHITECTURES)}")
    return config_from(ARCHITECTURES[name][0], values, where)


def config_from(cls: type, values: Any, where: str) -> Any:
    """A frozen config from JSON; an unknown or missing key is an error that is named."""
    if not isinstance(values, dict):
        raise ValueError(f"{where} must be an object")
    known = {f.name for f in fields(cls)}
    if unknown := sorted(set(values) - known):
        raise ValueError(f"{where} has unknown keys: {', '.join(unknown)}")
    try:
        return cls(**{k: tuples(v) for k, v in values.items()})
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    except (TypeError, ArithmeticError, IndexError) as error:
        raise ValueError(f"{where} cannot be used ({error})") from None


def tuples(value: Any) -> Any:
    """Lists, which is all that JSON knows, as the tuples of a frozen config."""
    return tuple(tuples(v) for v in value) if isinstance(value, list) else value
