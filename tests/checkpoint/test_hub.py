"""The real client of the Hub against a server of ours that speaks its protocol: pull, pin, cut, lie, refuse, be down."""

from pathlib import Path

import pytest
import torch
from hub_server import CHUNK, Hub

from facevae import FaceVAE
from facevae.checkpoint.checkpoint import Checkpoint, save_checkpoint
from facevae.checkpoint.hub import Unreachable, cached, fetch, list_cached, source_of
from facevae.checkpoint.manifest import MANIFEST
from facevae.checkpoint.verify import open_or_embedded, verify

REPO = "them/tiny"


@pytest.fixture(scope="module")
def files(tiny_checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("pushed")
    save_checkpoint(folder, tiny_checkpoint)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_pull_is_what_was_pushed_and_says_which_commit(hub: Hub, files, tiny_checkpoint: Checkpoint, capsys) -> None:
    commit = hub.add(REPO, files | {"pytorch_model.bin": b"\x80\x04}.", "samples.jpg": b"x" * 1000})
    found = FaceVAE.from_pretrained(REPO)
    assert found.name == f"{REPO}@{commit}"
    assert f"{REPO}@main is commit {commit}." in capsys.readouterr().err
    assert torch.equal(found.directions["Male"].vector, tiny_checkpoint.directions["Male"].vector)
    assert not [line for line in hub.asked if "pytorch_model" in line or "samples" in line]
    assert not list(Path(fetch(source_of(REPO)).folder).glob("*.bin"))


def test_a_pinned_commit_is_asked_for_once(hub: Hub, files) -> None:
    commit = hub.add(REPO, files)
    first = Checkpoint.from_pretrained(REPO, revision=commit)
    assert hub.asked
    hub.asked.clear()
    second = Checkpoint.from_pretrained(f"{REPO}@{commit}")
    assert hub.asked == []
    assert (first.name, first.digest) == (second.name, second.digest) == (f"{REPO}@{commit}", first.digest)


def test_a_branch_follows_its_commits(hub: Hub, files) -> None:
    old = hub.add(REPO, files)
    assert Checkpoint.from_pretrained(REPO).name.endswith(old)
    new = hub.add(REPO, files | {".gitattributes": b"new"})
    assert old != new and Checkpoint.from_pretrained(REPO).name.endswith(new)
    hub.add(REPO, files, branch="v1")
    assert Checkpoint.from_pretrained(REPO, revision="v1").name.endswith(old)


def test_a_cut_connection_is_gone_on_with(hub: Hub, files) -> None:
    hub.add(REPO, files)
    hub.cut["classifier.safetensors"] = 6 * CHUNK + 1000
    Checkpoint.from_pretrained(REPO)
    first, then = [line for line in hub.asked if line.startswith("GET") and "classifier" in line]
    assert first.endswith("classifier.safetensors") and then.endswith(f" bytes={6 * CHUNK}-")


@pytest.mark.parametrize("lie", ["short", "changed"])
def test_a_file_that_is_not_the_listed_one_is_named(hub: Hub, files, lie: str) -> None:
    raw = files["model.safetensors"]
    hub.add(REPO, files)
    hub.lie["model.safetensors"] = raw[:-7] if lie == "short" else raw[:-1] + bytes([raw[-1] ^ 1])
    with pytest.raises(ValueError, match=r"model\.safetensors.*(should be of size|SHA-256 differs)|should be of size.*model"):
        Checkpoint.from_pretrained(REPO)


@pytest.mark.parametrize(
    ("refuse", "message"),
    [
        ({"GET /api": (404, "RepoNotFound")}, "the Hub has no repository them/tiny, or it is private"),
        ({"GET /api": (401, "")}, "the Hub has no repository them/tiny, or it is private|log in with `hf auth login`"),
        ({"GET /api": (401, "GatedRepo")}, "asks for its terms to be accepted"),
        ({"GET /api": (403, "")}, "refuses them/tiny@main to you"),
        ({"GET /api": (404, "RevisionNotFound")}, "the Hub repository them/tiny has no revision main"),
        ({"GET /api": (503, "")}, r"cannot be reached \(it answered 503\), and them/tiny@main is not in the cache"),
        ({"/resolve/": (500, "")}, "cannot be reached"),
        ({"/aligner.safetensors": (404, "EntryNotFound")}, "lacks a file that the Hub listed a moment ago"),
    ],
)
def test_what_the_hub_refuses_is_one_sentence(hub: Hub, files, refuse: dict, message: str) -> None:
    hub.add(REPO, files)
    hub.refuse = refuse
    with pytest.raises(ValueError, match=message) as caught:
        Checkpoint.from_pretrained(REPO)
    assert "\n" not in str(caught.value)


def test_a_revision_that_is_not_there(hub: Hub, files) -> None:
    hub.add(REPO, files)
    for revision in ("nowhere", "0" * 40):
        with pytest.raises(ValueError, match=f"them/tiny has no revision {revision}"):
            Checkpoint.from_pretrained(REPO, revision=revision)


@pytest.mark.parametrize("down", ["answers 503", "is not there", "may not be asked"])
def test_down_means_the_cache_with_a_sentence_and_then_a_refusal(hub: Hub, files, down: str, capsys, monkeypatch) -> None:
    commit = hub.add(REPO, files)
    Checkpoint.from_pretrained(REPO)
    hub.refuse = {"": (503, "")} if down == "answers 503" else {}
    if down == "is not there":
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")  # nobody listens at "discard"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", down == "may not be asked")
    assert Checkpoint.from_pretrained(REPO).name == f"{REPO}@{commit}"
    assert "The Hub cannot be reached: them/tiny@main is used as it was fetched last" in capsys.readouterr().err
    with pytest.raises(Unreachable, match="not in the cache"):
        Checkpoint.from_pretrained("them/other")


def test_the_app_opens_the_embedded_checkpoint_where_the_hub_is_down_and_says_so(hub: Hub, files, capsys) -> None:
    hub.refuse = {"": (503, "")}
    assert open_or_embedded(REPO).digest == Checkpoint.from_pretrained().digest
    said = capsys.readouterr().err
    assert "cannot be reached (it answered 503), and them/tiny@main is not in the cache: the embedded checkpoint is used" in said
    hub.refuse = {"": (404, "RepoNotFound")}
    with pytest.raises(ValueError, match="has no repository"):  # an answer, which somebody has to hear
        open_or_embedded(REPO)


def test_half_a_download_is_not_a_checkpoint_in_the_cache(hub: Hub, files) -> None:
    commit = hub.add(REPO, files)
    hub.refuse = {"/prior.safetensors": (500, "")}
    for _ in range(2):  # the second time, most of it is in the cache
        with pytest.raises(Unreachable):
            Checkpoint.from_pretrained(REPO, revision=commit)
    assert list_cached() == []
    hub.refuse = {}
    Checkpoint.from_pretrained(REPO, revision=commit)
    (source,) = list_cached()
    folder = cached(source)
    assert str(source) == f"{REPO}@{commit}" and folder is not None and verify(folder) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.pop("prior.safetensors"), "is no checkpoint of facevae: it lacks prior.safetensors"),
        (lambda f: f.update({MANIFEST: b" " * 70_000}), "manifest.json has 70000 bytes, and 65536 are allowed: nothing was fetched"),
    ],
)
def test_sizes_are_asked_for_before_anything_is_fetched(hub: Hub, files, change, message: str) -> None:
    changed = dict(files)
    change(changed)
    hub.add(REPO, changed)
    with pytest.raises(ValueError, match=message):
        Checkpoint.from_pretrained(REPO)
    assert not [line for line in hub.asked if "/resolve/" in line]


@pytest.mark.parametrize(
    "text", ["a/b/c", "/etc/passwd", "../up/there", "name", "a/b@", "a/b@../x", "a/b@x y", "a--b/c", "-a/b", "a/b@-x", "a b/c", ""]
)
def test_what_is_no_name_is_refused_without_a_request(hub: Hub, text: str) -> None:
    with pytest.raises(ValueError, match="neither a checkpoint folder nor a Hub name|is no revision"):
        Checkpoint.from_pretrained(text)
    assert hub.asked == []


def test_two_revisions_are_one_too_many(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="give one of them"):
        source_of("a/b@v1", "v2")
    with pytest.raises(ValueError, match="only a Hub repository has a revision"):
        Checkpoint.from_pretrained(tmp_path, revision="v2")
