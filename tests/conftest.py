"""A tiny real model for all tests; shapes of public functions are checked at run time here, and only here."""

import os
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
# Before torch is imported, and for the processes that tests start: nets this small are slower with two threads than with one.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from importlib.util import find_spec

from jaxtyping import config, install_import_hook

SHAPES_CHECKED = ("facevae.nets", "facevae.latent", "facevae.photo", "train.vae.losses", "train.measure.encodings")
install_import_hook(SHAPES_CHECKED, "typecheck.check")
# The hook ignores a name that does not exist: shapes would no longer be checked, and no test would fail.
assert all(map(find_spec, SHAPES_CHECKED)), f"a module of {SHAPES_CHECKED} does not exist"

from facevae.ui.gradio_patches import write_no_stubs

write_no_stubs()

import hypothesis
import pytest
import torch
from hub_server import CHUNK, Hub

from facevae.checkpoint.checkpoint import Checkpoint, LabelStatistics
from facevae.latent.directions import Direction
from facevae.latent.priors import GaussianMixture
from facevae.nets.aligner import AlignerConfig, AlignmentNet
from facevae.nets.classifier import AttributeClassifier, ClassifierConfig
from facevae.nets.parser import PARTS, FaceParser, ParserConfig
from facevae.nets.residual import ResidualConfig, ResidualVAE

# A busy machine may take its time: no example has a deadline, and drawing examples has none either.
hypothesis.settings.register_profile("busy", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("busy")

TINY = ResidualConfig(size=16, patch=2, widths=(8, 16), encoder_blocks=(0, 1), decoder_blocks=(1, 1), groups=4, latent=6, head_channels=3)
ATTRIBUTES = ("Smiling", "Blond_Hair", "Black_Hair", "Brown_Hair", "Gray_Hair", "Male", "Young", "Eyeglasses")
CHAINS = ("ui", "train/bench", "train/evaluate", "train/publish", "train/report", "test_life.py")
"""Tests of many parts together, each of which is tested elsewhere: there, checking shapes takes as long as the work."""
torch.set_num_threads(1)


@pytest.fixture(scope="module", autouse=True)
def shapes(request: pytest.FixtureRequest) -> None:
    """Shapes are checked in the tests of the parts."""
    where = request.path.relative_to(Path(__file__).parent).as_posix()
    config.update("jaxtyping_disable", where.startswith(CHAINS))


@pytest.fixture
def tiny_net() -> ResidualVAE:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return ResidualVAE(TINY).eval()


@pytest.fixture(scope="session")
def tiny_checkpoint() -> Checkpoint:
    """Random weights, real code: 16 px, 6 latent dimensions. Its alignment net believes in no face."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = ResidualVAE(TINY).eval().requires_grad_(False)
        classifier = AttributeClassifier(ClassifierConfig(attributes=ATTRIBUTES, size=16, layers=(1, 1, 1, 1))).eval().requires_grad_(False)
        vectors = torch.linalg.qr(torch.randn(6, 6))[0]
        spread = torch.randn(2, 6, 6).tril() * 0.1 + torch.eye(6)
        means = torch.randn(2, 6)
        aligner = AlignmentNet(AlignerConfig(widths=(4, 4, 4), hidden=4)).eval().requires_grad_(False)
        parser = FaceParser(ParserConfig(size=32, widths=(4, 8))).eval().requires_grad_(False)
        parser.sharpen.bias[PARTS.index("skin")] += 20  # it sees skin everywhere: an edit shows in all of a crop
    directions = {
        name: Direction(name, "centroid", vectors[i], sigma=1.5, low=-3.0, high=4.0, auroc=0.9)
        for i, name in enumerate(("Smiling", "Blond_Hair", "Male", "Young"))
    }
    return Checkpoint(
        net=net,
        classifier=classifier,
        aligner=aligner,
        parser=parser,
        directions=directions,
        prior=GaussianMixture(torch.tensor([0.3, 0.7]), means, spread),
        variance=torch.full((16, 16), 0.01),
        labels=LabelStatistics(torch.eye(len(ATTRIBUTES)), torch.ones(len(ATTRIBUTES)), torch.ones(len(ATTRIBUTES))),
        skin=torch.zeros(3, 6),  # of six dimensions, guidance needs all: it holds none
        hair=torch.outer(torch.tensor([10.0, 2.0, 4.0]), torch.tensor([0.1, -0.3, 0.2, 0.0, 0.9, 0.2])),  # one of six dimensions
        evaluation={"training": {"nimg": 0}},
        card="# tiny",
        name="tiny",
    )


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """What HF_ENDPOINT, HF_HUB_OFFLINE and HF_HOME say when the client is imported, said to one that is imported already."""
    from huggingface_hub import constants

    hub = Hub()
    server = hub.serve()
    for name, value in {
        "ENDPOINT": hub.url,
        "HUGGINGFACE_CO_URL_TEMPLATE": hub.url + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HUB_OFFLINE": False,
        "HF_HUB_CACHE": str(tmp_path / "cache"),
        "HF_HUB_DISABLE_XET": True,
        "DOWNLOAD_CHUNK_SIZE": CHUNK,
        "HF_TOKEN_PATH": str(tmp_path / "no-token"),
    }.items():
        monkeypatch.setattr(constants, name, value)
    monkeypatch.setenv("HF_TOKEN", "hf_a_token_of_nobody")
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # the client waits a second before it goes on
    yield hub
    server.shutdown()
    server.server_close()
