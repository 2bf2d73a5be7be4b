"""Every preset is built, encodes and decodes its own shape, and comes back from its description in JSON."""

import json

import pytest
import torch

from facevae.nets.architectures import build_net, describe_net, net_config
from train.report.runs import BUDGETS, RUNS
from train.vae.config import PRESETS

NETS = {name: config.net for name, config in PRESETS.items()}
# Every net of every report at every budget, each once; in the same order in every process, or pytest-xdist collects other tests in each.
REPORTED = tuple(dict.fromkeys(c.net for runs in RUNS.values() for budget in BUDGETS.values() for c in runs(budget).values()))


@pytest.mark.parametrize("name", NETS)
def test_preset_encodes_and_decodes_its_own_shape(name: str) -> None:
    config = NETS[name]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = build_net(config).eval()
        x = torch.rand(1, *config.shape)
    with torch.inference_mode():
        posterior = net.encode(x)
        back = net.decode(posterior.mode)
    assert posterior.mean.shape == (1, config.latent) and back.shape == x.shape
    assert torch.isfinite(back).all() and posterior.kl() > 0


def test_every_net_of_the_reports_keeps_its_shape() -> None:
    """On torch's meta device, where nothing is computed."""
    for config in REPORTED:
        with torch.device("meta"):
            net, x = build_net(config), torch.zeros(2, *config.shape)
        posterior = net.encode(x)
        assert posterior.mean.shape == (2, config.latent) and net.decode(posterior.mean).shape == x.shape


@pytest.mark.parametrize(
    "config", [*NETS.values(), *REPORTED], ids=lambda config: f"{type(config).__name__}-{config.shape}-{config.latent}"
)
def test_description_comes_back_equal(config: object) -> None:
    described = json.loads(json.dumps(describe_net(config)))
    assert net_config(described, "here") == config


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"architecture": "transformer"},
            "here: there is no architecture 'transformer'; known are residual, convolutional, postactivation",
        ),
        ({"architecture": ["residual"]}, "here: there is no architecture"),
        ({"size": 64}, "here: there is no architecture None"),
        ({"architecture": "postactivation", "patch": 4, "depth": 3}, "here has unknown keys: depth, patch"),
        ({"architecture": "convolutional"}, "here cannot be used .*missing .*'height'"),
        ({"architecture": "postactivation", "size": 30}, "size 30 cannot be halved 3 times"),
        ({"architecture": "postactivation", "groups": 0}, "here cannot be used"),
        (["residual"], "here must be an object"),
    ],
)
def test_what_is_unknown_is_refused_by_name(values: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        net_config(values, "here")
