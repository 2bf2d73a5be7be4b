"""Checkpoint folders that somebody spoiled, by accident or on purpose: each is refused by name, at once, and no code of it runs."""

import hashlib
import json
import os
import pickle
import struct
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load, save

from facevae.checkpoint.checkpoint import FORMAT, Checkpoint, LabelStatistics, save_checkpoint
from facevae.checkpoint.manifest import KNOWN, MANIFEST, MAX_HEADER_BYTES, manifest_of
from facevae.checkpoint.verify import verify
from facevae.nets.detail import DetailNet
from facevae.nets.hair import HairNet
from facevae.nets.judge import Judge, JudgeConfig
from facevae.nets.residual_unet import ResidualUNetConfig

Content = dict[str, bytes]
Change = Callable[[Content], None]
TENSORS = [name for name in KNOWN if name.endswith(".safetensors")]
JSONS = ["config.json", MANIFEST, "directions.json", "evaluation.json"]
CASES: dict[str, tuple[str, Change, bool]] = {}
"""What was done -> a word that the refusal must hold, the change, and whether the lists of files are put right afterwards."""


@pytest.fixture(scope="module")
def whole(tiny_checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the optional files, and with a classifier thin enough to be read three hundred times."""
    folder = tmp_path_factory.mktemp("hostile") / "whole"
    a = len(tiny_checkpoint.classifier.config.attributes)
    judge = Judge(JudgeConfig(tiny_checkpoint.classifier.config.attributes, 16, (4, 8))).eval()
    labels = LabelStatistics(torch.eye(a), torch.ones(a), torch.ones(a))
    detail, hair_net = (make(ResidualUNetConfig((4, 8), 1, 4)).eval() for make in (DetailNet, HairNet))
    save_checkpoint(folder, replace(tiny_checkpoint, judge=judge, detail=detail, hair_net=hair_net, labels=labels, skin=torch.ones(3, 6)))
    return folder


@pytest.fixture(scope="module")
def content(whole: Path) -> Content:
    return {path.name: path.read_bytes() for path in whole.iterdir()}


def case(name: str, word: str, change: Change, listed: bool = True) -> None:
    assert name not in CASES
    CASES[name] = (word, change, listed)


class Code:
    """Unpickled, it leaves a mark."""

    def __reduce__(self) -> Any:
        return (open, (os.environ["FACEVAE_MARK"], "w"))


# Files ----------------------------------------------------------------------------------------------------------------

for file in (*KNOWN, MANIFEST):
    case(f"{file} is empty", file, lambda c, f=file: c.update({f: b""}), listed=False)
    case(f"{file} is half", file, lambda c, f=file: c.update({f: c[f][: len(c[f]) // 2]}), listed=False)
    case(f"{file} has a byte more", file, lambda c, f=file: c.update({f: c[f] + b"!"}), listed=False)
    case(f"{file} is a pickle", file, lambda c, f=file: c.update({f: pickle.dumps(Code())}), listed=file in TENSORS)
    case(f"{file} is missing", file, lambda c, f=file: c.pop(f), listed=False)

# JSON -----------------------------------------------------------------------------------------------------------------

BOMBS = {
    "nested deeply": b"[" * 200_000,
    "nested deeply and closed": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "a list": b"[]",
    "null": b"null",
    "a number of 10,000 digits": b'{"a": ' + b"9" * 10_000 + b"}",
    "NaN": b'{"a": NaN}',
    "-Infinity": b'{"a": -Infinity}',
    "not text": b"\xff\xfe\x00{",
    "padded beyond its limit": b"{}" + b" " * (9 * 2**20),
}
for file in JSONS:
    for what, raw in BOMBS.items():
        case(f"{file} is {what}", file, lambda c, f=file, r=raw: c.update({f: r}), listed=file not in (MANIFEST, "config.json"))


def within(name: str, *path: str, value: Any) -> Change:
    """Put a value into a JSON file; `...` takes the key away."""

    def change(content: Content) -> None:
        table = json.loads(content[name])
        place = table
        for key in path[:-1]:
            place = place[key]
        if value is ...:
            del place[path[-1]]
        else:
            place[path[-1]] = value
        content[name] = json.dumps(table).encode()

    return change


NONSENSE = {
    "-1": -1,
    "a billion": 10**9,
    "2.5": 2.5,
    "text": "eight",
    "null": None,
    "true": True,
    "400 digits": 10**400,
    "an object": {"a": 1},
    "a long list": [8] * 99,
}
KEYS = {
    "net": ("size", "channels", "patch", "widths", "encoder_blocks", "groups", "latent", "head_channels"),
    "classifier": ("size", "layers", "attributes"),
    "aligner": ("size", "widths", "hidden"),
    "parser": ("size", "widths"),
    "judge": ("size", "widths"),
    "detail": ("widths", "blocks", "last"),
    "hair_net": ("widths", "blocks", "last"),
}
for part, keys in KEYS.items():
    for key in keys:
        for what, value in NONSENSE.items():
            case(f"config.json: {part}.{key} is {what}", "config.json", within("config.json", part, key, value=value))
    case(f"config.json: {part} has a key more", "config.json", within("config.json", part, "surprise", value=1))
    case(f"config.json: {part} is a list", "config.json", within("config.json", part, value=[1]))
for name, path, value in (
    ("an architecture", ("net", "architecture"), "convolutional"),
    ("a larger net", ("net", "widths"), [16, 32]),
    ("a net too large for any memory", ("net", "widths"), [4096, 4096]),
    ("blocks that nobody waits for", ("net", "decoder_blocks"), [32, 33]),
    ("sizes that are not a multiple", ("net", "size"), 17),
    ("no groups", ("net", "groups"), 0),
    ("a key more", ("surprise",), 1),
    ("no net", ("net",), ...),
    ("no files", ("files",), ...),
    ("files as a list", ("files",), []),
    ("a hash that is none", ("files", "model.safetensors"), 7),
    ("files from elsewhere", ("files", "../../etc/passwd"), "0" * 64),
    ("a module as a file", ("files", "modeling.py"), "0" * 64),
    ("a future format", ("format",), 7),
    ("a former format", ("format",), 5),
    ("a format in words", ("format",), "6"),
    ("a format that is true", ("format",), True),
    ("a prior that nobody knows", ("prior", "kind"), "pickle"),
    ("attributes that are markup", ("classifier", "attributes"), ["<script>alert(1)</script>"]),
    ("no attributes", ("classifier", "attributes"), []),
    ("an attribute twice", ("classifier", "attributes"), ["Male"] * 8),
    ("other attributes for the judge", ("judge", "attributes"), ["Male"]),
):
    word = (
        "format" if "format" in name else "judge" if "judge" in name else "model" if "larger" in name or "memory" in name else "config.json"
    )
    # The hash of a file is the one thing here that must not be put right again.
    case(f"config.json: {name}", word, within("config.json", *path, value=value), listed=path[0] != "files")
for name, path, value in (
    ("a future format", ("format",), 2),
    ("a key more", ("surprise",), 1),
    ("a file less", ("files", "model.safetensors"), ...),
    ("an optional file less", ("files", "judge.safetensors"), ...),
    ("a file from elsewhere", ("files", "../../etc/passwd"), {"bytes": 1, "sha256": "0" * 64}),
    ("a file by its whole path", ("files", "/etc/passwd"), {"bytes": 1, "sha256": "0" * 64}),
    ("itself", ("files", MANIFEST), {"bytes": 1, "sha256": "0" * 64}),
    ("a negative size", ("files", "model.safetensors", "bytes"), -1),
    ("a size of 2^63", ("files", "model.safetensors", "bytes"), 2**63),
    ("a size that is true", ("files", "config.json", "bytes"), True),
    ("another size", ("files", "aligner.safetensors", "bytes"), 12),
    ("no hash", ("files", "prior.safetensors", "sha256"), ...),
    ("another hash", ("files", "prior.safetensors", "sha256"), "0" * 64),
    ("a hash in capitals", ("files", "prior.safetensors", "sha256"), "A" * 64),
    ("a list for a file", ("files", "prior.safetensors"), [1, "0"]),
):
    case(f"manifest.json: {name}", MANIFEST, within(MANIFEST, *path, value=value), listed=False)
for name, path, value in (
    ("a direction less", ("Smiling",), ...),
    ("a direction that is a number", ("Smiling",), 3),
    ("sigma 0", ("Smiling", "sigma"), 0),
    ("sigma 1e999", ("Smiling", "sigma"), "1e999"),
    ("low above high", ("Smiling", "low"), 99),
    ("low of 400 digits", ("Smiling", "low"), -(10**400)),
    ("an auroc that is true", ("Smiling", "auroc"), True),
    ("no auroc", ("Smiling", "auroc"), ...),
    ("a key more", ("Smiling", "code"), "import os"),
    ("limits that are none", ("Smiling", "limits"), 7),
    ("leakage as a list", ("Smiling", "leakage"), [1]),
    ("leakage in words", ("Smiling", "leakage"), {"Male": "much"}),
    ("an estimator that is a list", ("Smiling", "estimator"), []),
):
    case(f"directions.json: {name}", "directions", within("directions.json", *path, value=value))

# Tensors --------------------------------------------------------------------------------------------------------------


def tensors(name: str, change: Callable[[dict[str, torch.Tensor]], Any]) -> Change:
    def rewrite(content: Content) -> None:
        table = load(content[name])
        change(table)
        content[name] = save(table)

    return rewrite


def first(table: dict[str, torch.Tensor]) -> str:
    """A tensor of numbers with a point."""
    return next(k for k in sorted(table) if table[k].is_floating_point() and table[k].numel())


def poke(value: float) -> Callable[[dict[str, torch.Tensor]], Any]:
    return lambda table: table[first(table)].view(-1)[:1].fill_(value)


def header(name: str, change: Callable[[dict[str, Any]], Any]) -> Change:
    """Change what a safetensors file says of its tensors, and leave their bytes."""

    def rewrite(content: Content) -> None:
        raw = content[name]
        (length,) = struct.unpack("<Q", raw[:8])
        table = json.loads(raw[8 : 8 + length])
        change(table)
        said = json.dumps(table).encode()
        content[name] = struct.pack("<Q", len(said)) + said + raw[8 + length :]

    return rewrite


def entry(key: str, value: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda table: table[next(k for k in sorted(table) if k != "__metadata__")].update({key: value})


for file in TENSORS:
    for what, change in {
        "NaN": tensors(file, poke(float("nan"))),
        "infinity": tensors(file, poke(float("-inf"))),
        "a tensor less": tensors(file, lambda t: t.pop(first(t))),
        "a tensor more": tensors(file, lambda t: t.update(surprise=torch.zeros(2))),
        "a tensor renamed": tensors(file, lambda t: t.update({f"{first(t)}_": t.pop(first(t))})),
        "another shape": tensors(file, lambda t: t.update({first(t): torch.ones(3, 1, 2)})),
        "whole numbers": tensors(file, lambda t: t.update({first(t): torch.ones_like(t[first(t)], dtype=torch.int64)})),
        "complex numbers": tensors(file, lambda t: t.update({first(t): t[first(t)].to(torch.complex64)})),
        "no tensors": tensors(file, lambda t: t.clear()),
        "a negative shape": header(file, entry("shape", [-1])),
        "a shape of 2^62": header(file, entry("shape", [2**62])),
        "places beyond the end": header(file, entry("data_offsets", [0, 2**50])),
        "places that run backwards": header(file, entry("data_offsets", [8, 0])),
        "a type that is none": header(file, entry("dtype", "PICKLE")),
        "a type of four bits": header(file, entry("dtype", "F4")),
    }.items():
        case(f"{file}: {what}", file, change)
    case(f"{file}: a header of 2^63 bytes", file, lambda c, f=file: c.update({f: struct.pack("<Q", 2**63) + c[f][8:]}))
    case(f"{file}: a header without end", file, lambda c, f=file: c.update({f: struct.pack("<Q", MAX_HEADER_BYTES + 1) + b"{" * 10}))
    case(f"{file}: a header nested deeply", file, lambda c, f=file: c.update({f: struct.pack("<Q", 10**5) + b"[" * 10**5}))
for name, file, change in (
    ("a mean of no weight", "prior.safetensors", lambda t: t["weights"].zero_()),
    ("a weight below 0", "prior.safetensors", lambda t: t["weights"].copy_(torch.tensor([-0.5, 1.5]))),
    ("a spread of 0", "prior.safetensors", lambda t: t["cholesky"].zero_()),
    ("a variance of 0", "likelihood.safetensors", lambda t: t["variance"].zero_()),
    ("a variance below 0", "likelihood.safetensors", lambda t: t["variance"].fill_(-1)),
    ("a direction to nowhere", "directions.safetensors", lambda t: t["Smiling"].zero_()),
    ("a direction a million long", "directions.safetensors", lambda t: t["Smiling"].mul_(1e6)),
    ("no spread of the logits", "labels.safetensors", lambda t: t["guide_spread"].zero_()),
):
    case(f"{file}: {name}", file, tensors(file, change))


def lay_out(folder: Path, whole: Path, before: Content, after: Content) -> None:
    """A folder with this content; what did not change is the same file, to be quick."""
    folder.mkdir()
    for name, raw in after.items():
        if raw is before.get(name):
            os.link(whole / name, folder / name)
        else:
            (folder / name).write_bytes(raw)


@cache
def digest_of(raw: bytes) -> str:
    """SHA-256 of what is the same megabytes in nearly every case."""
    return hashlib.sha256(raw).hexdigest()


def list_anew(content: Content) -> None:
    """Put hashes and sizes right, as somebody would who means harm; what is no JSON any more stays as it is."""
    config = json.loads(content["config.json"])
    if isinstance(config.get("files"), dict):
        config["files"] = {n: digest_of(content[n]) for n in config["files"]}
        content["config.json"] = json.dumps(config).encode()
    files = {n: {"bytes": len(content[n]), "sha256": digest_of(content[n])} for n in KNOWN if n in content}
    content[MANIFEST] = json.dumps(manifest_of({}, FORMAT) | {"files": files}).encode()


@pytest.fixture
def no_code(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The mark that an unpickled `Code` would leave; the usual ways to unpickle end the test."""

    def caught(*_: Any, **__: Any) -> None:
        raise AssertionError("a pickle was opened")

    monkeypatch.setenv("FACEVAE_MARK", str(tmp_path / "mark"))
    for name in ("torch.load", "pickle.load", "pickle.loads", "pickle.Unpickler"):
        monkeypatch.setattr(name, caught)
    return tmp_path / "mark"


def test_there_are_enough_of_them_and_the_folder_is_whole(whole: Path, content: Content, tmp_path: Path) -> None:
    assert len(CASES) >= 200
    after = dict(content)
    list_anew(after)
    lay_out(tmp_path / "listed-anew", whole, content, after)
    assert verify(whole) == verify(tmp_path / "listed-anew") == []


def fault_in_refusing(name: str, whole: Path, content: Content, folder: Path) -> str | None:
    """What is wrong with how a spoiled folder is refused."""
    word, change, listed = CASES[name]
    after = dict(content)
    change(after)
    if listed:
        list_anew(after)
    lay_out(folder, whole, content, after)
    try:
        Checkpoint.from_pretrained(folder)
    except ValueError as error:
        said = str(error).replace(str(folder), "")  # the folder's own name proves nothing
        return None if word in said and "\n" not in said and len(said) < 800 else f"{name}: {said}"
    return f"{name}: it was loaded"


@pytest.mark.parametrize("part", sorted({name.split(":")[0].split(" ")[0] for name in CASES}))
def test_it_is_refused_by_name(part: str, whole: Path, content: Content, tmp_path: Path, no_code: Path) -> None:
    names = [name for name in CASES if name.startswith((f"{part}:", f"{part} "))]
    faults = [fault_in_refusing(name, whole, content, tmp_path / f"folder-{n}") for n, name in enumerate(names)]
    assert [fault for fault in faults if fault] == []
    assert not no_code.exists()


@pytest.mark.parametrize("file", [*KNOWN, MANIFEST])
@pytest.mark.parametrize("what", ["a link elsewhere", "a folder", "a pipe", "a link to itself", "a device"])
def test_what_is_no_file_of_the_folder_is_refused(file: str, what: str, whole: Path, content: Content, tmp_path: Path) -> None:
    """A link out of the folder, even to the right content: whoever can write there could point it at any file of this machine."""
    lay_out(tmp_path / "folder", whole, content, content)
    place = tmp_path / "folder" / file
    place.unlink()
    if what == "a folder":
        place.mkdir()
    elif what == "a pipe":
        os.mkfifo(place)
    else:
        place.symlink_to({"a link elsewhere": whole / file, "a link to itself": place, "a device": Path("/dev/zero")}[what])
    with pytest.raises(ValueError, match=file):
        Checkpoint.from_pretrained(tmp_path / "folder")


def test_a_file_of_terabytes_is_not_read(whole: Path, content: Content, tmp_path: Path) -> None:
    lay_out(tmp_path / "folder", whole, content, content | {"model.safetensors": b""})
    os.truncate(tmp_path / "folder" / "model.safetensors", 2**42)  # holes: no place on the disk
    with pytest.raises(ValueError, match=r"model\.safetensors has 4398046511104 bytes, more than the 209715200 allowed"):
        Checkpoint.from_pretrained(tmp_path / "folder")


def test_links_as_the_hubs_cache_has_them_are_followed_and_others_there_are_not(whole: Path, content: Content, tmp_path: Path) -> None:
    cache = tmp_path / "models--them--tiny"
    snapshot = cache / "snapshots" / ("0123456789" * 4)
    (cache / "blobs").mkdir(parents=True)
    snapshot.mkdir(parents=True)
    for name, raw in content.items():
        digest = hashlib.sha256(raw).hexdigest()
        (cache / "blobs" / digest).write_bytes(raw)
        (snapshot / name).symlink_to(Path("../../blobs") / digest)
    assert Checkpoint.from_pretrained(snapshot).digest
    (snapshot / "model.safetensors").unlink()
    (snapshot / "model.safetensors").symlink_to(whole / "model.safetensors")
    with pytest.raises(ValueError, match="outside of its folder"):
        Checkpoint.from_pretrained(snapshot)


def test_all_faults_are_found_at_once(whole: Path, content: Content, tmp_path: Path) -> None:
    after = content | {"aligner.safetensors": b"", "evaluation.json": content["evaluation.json"] + b" "}
    lay_out(tmp_path / "folder", whole, content, after)
    (tmp_path / "folder" / "prior.safetensors").unlink()
    assert [next(word for word in KNOWN if word in fault) for fault in verify(tmp_path / "folder")] == [
        "aligner.safetensors",
        "prior.safetensors",
        "evaluation.json",
    ]
    assert verify(tmp_path / "nowhere") == [f"there is no folder {tmp_path / 'nowhere'}"]
