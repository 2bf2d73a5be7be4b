"""Shards: every picture once an epoch, the same batch for any number of processes, whatever the network does."""

import io
import json
import pickle
import tarfile
import threading
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import train.data.shards as shards
from tests.train.conftest import CONFIG as TINY_RUN
from tests.train.conftest import NET
from train.__main__ import main
from train.data.batches import Variation
from train.data.pack import listing_of, pack
from train.data.prepared import PreparedData, open_data
from train.data.shards import ShardBatches, ShardData, read_shard
from train.vae.config import TrainConfig
from train.vae.distributed import Ranks
from train.vae.loop import fit

STILL = Variation(flip=False)
CONFIG = replace(TINY_RUN, total_nimg=192, valid_nimg=8)


@pytest.fixture(scope="module")
def data(toy_faces: Callable[[int], PreparedData]) -> PreparedData:
    return toy_faces(120)


@pytest.fixture(scope="module")
def packed(data: PreparedData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """About 96 train pictures in shards of nine or ten."""
    folder = tmp_path_factory.mktemp("shards")
    assert main(["pack", "--data", str(data.folder), "--out", str(folder), "--per-shard", "10"]) == 0
    return folder


def pattern(packed: Path | str) -> str:
    last = sum(name.startswith("train") for name in json.loads(Path(packed, "index.json").read_text())["shards"]) - 1
    return f"{packed}/train-{{000..{last:03}}}.tar"


class Unreliable(SimpleHTTPRequestHandler):
    """A server of files; of its answers, `fails(number)` says what goes wrong with each."""

    asked: list[str]
    fails = staticmethod(lambda number: "")
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.asked.append(self.path)
        problem = self.fails(len(self.asked))
        if problem == "busy":
            return self.send_error(503)
        if problem == "gone":
            return self.send_error(404)
        content = Path(self.directory, self.path.lstrip("/")).read_bytes()
        if problem == "damaged":
            content = content[:600] + bytes([content[600] ^ 1]) + content[601:]
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if problem == "cut" else content)
        self.close_connection = problem == "cut"

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def served(folder: Path, fails=lambda number: "") -> Iterator[tuple[str, list[str]]]:
    """The address of a folder, and what it is asked for."""
    asked: list[str] = []
    handler = type("Handler", (Unreliable,), {"asked": asked, "fails": staticmethod(fails)})
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "WAIT_SEC", 0.002)


def keys(pictures: np.ndarray) -> list[int]:
    return [zlib.crc32(p.tobytes()) for p in pictures]


def stream(batches: ShardBatches, first: int, last: int, rows: slice = slice(0, 8)) -> list[int]:
    return [key for nimg in range(first, last, 8) for key in keys(batches(nimg, rows))]


def test_a_sample_is_a_jpeg_and_its_labels(data: PreparedData, packed: Path) -> None:
    index = json.loads((packed / "index.json").read_text())
    assert index["attributes"] == data.attributes
    counts = [row["count"] for name, row in index["shards"].items() if name.startswith("train")]
    assert sum(counts) == len(data.indices("train")) and max(counts) - min(counts) <= 1 and max(counts) <= 10
    with tarfile.open(packed / "train-003.tar") as tar:
        names = tar.getnames()
        known = json.loads(tar.extractfile(names[1]).read())
    number = int(names[0].removesuffix(".jpg"))
    assert names[1] == f"{number:09}.json" and data.split[number] == 0
    assert known == {"file": data.files[number], "labels": data.labels[number].tolist(), "identity": int(data.identity[number])}
    pixels = shards.decode(read_shard(ShardData(pattern(packed)).shards[3])[0], 16, "here")
    assert np.abs(pixels.astype(int) - data.images[number]).mean() < 3  # JPEG of quality 95


def test_packing_goes_on_where_it_stopped_and_refuses_another_plan(data: PreparedData, packed: Path, tmp_path: Path) -> None:
    calls = []

    def load(i: int) -> np.ndarray:
        calls.append(i)
        if len(calls) == 40:
            raise KeyboardInterrupt
        return data.images[i]

    with pytest.raises(KeyboardInterrupt):
        pack(listing_of(data), load, tmp_path, 16, per_shard=10, workers=1)
    there = len(list(tmp_path.glob("*.tar")))
    assert there == 3 and not (tmp_path / "index.json").is_file()
    pack(listing_of(data), load, tmp_path, 16, per_shard=10, workers=1)
    assert (tmp_path / "index.json").read_bytes() == (packed / "index.json").read_bytes()
    assert all((tmp_path / p.name).read_bytes() == p.read_bytes() for p in packed.glob("*.tar"))
    with pytest.raises(ValueError, match="already holds other shards"):
        pack(listing_of(data), load, tmp_path, 16, per_shard=9)


def test_every_picture_comes_once_an_epoch_in_another_order(packed: Path) -> None:
    source = ShardData(pattern(packed))
    batches = ShardBatches(source, seed=3, batch_size=8, variation=STILL)
    assert batches.lanes == 8
    lanes = [[], []]
    for epoch in (0, 1):  # of a lane: each reads its own shards to their end
        for lane in range(8):
            order, mine = batches.order(lane, 0), []
            whole = sum(1 for _ in np.random.default_rng((3, 1, 0)).permutation(len(source.shards))[lane::8])
            for _ in range(whole * (epoch + 1)):
                mine.append(next(order))
            lanes[epoch] += [(shard, int(i)) for shard, turns in mine[-whole:] for i in turns]
    everything = {(number, i) for number, shard in enumerate(source.shards) for i in range(shard.count)}
    for epoch in (0, 1):
        assert len(lanes[epoch]) == len(set(lanes[epoch]))
    assert set(lanes[0]) == everything and lanes[0] != lanes[1]
    once = Counter(stream(batches, 0, 40))
    assert max(once.values()) == 1  # nobody begins a second epoch so soon


@pytest.mark.parametrize("nimg", [8, 40, 96, 400])
def test_a_run_goes_on_at_the_very_picture_and_asks_for_no_earlier_shard(packed: Path, nimg: int) -> None:
    with served(packed) as (url, asked):
        source = ShardData(pattern(packed).replace(str(packed), url))
        whole = stream(ShardBatches(source, 0, 8, Variation(shift_px=1)), 0, nimg + 24)
        asked.clear()
        resumed = ShardBatches(source, 0, 8, Variation(shift_px=1))
        assert stream(resumed, nimg, nimg + 8) == whole[nimg : nimg + 8]
        assert len(asked) <= 3 * resumed.lanes  # the shard that is in use, the next, and one more where a lane was at the end of one
        assert stream(resumed, nimg + 8, nimg + 24) == whole[nimg + 8 :]


def test_processes_see_together_what_one_sees_and_read_their_own_shards(packed: Path) -> None:
    one = ShardBatches(ShardData(pattern(packed)), 0, 8, Variation(shift_px=1))
    alone = stream(one, 0, 64)
    parts, read = [], []
    for rank in range(4):
        with served(packed) as (url, asked):
            batches = ShardBatches(ShardData(pattern(packed).replace(str(packed), url)), 0, 8, Variation(shift_px=1))
            parts.append([keys(batches(nimg, Ranks(rank, 4).rows(8))) for nimg in range(0, 64, 8)])
            read.append({name for name in asked if name.endswith(".tar")})
    assert [key for step in zip(*parts, strict=True) for part in step for key in part] == alone
    first = [ShardBatches(ShardData(pattern(packed)), 0, 8, STILL).order(lane, 0) for lane in range(8)]
    assert len({next(order)[0] for order in first}) == 8  # no shard is read by two processes in an epoch
    assert all(len(names) < len(list(packed.glob("train*.tar"))) for names in read)


def test_what_cannot_be_shared_is_refused(packed: Path) -> None:
    batches = ShardBatches(ShardData(f"{packed}/train-{{000..002}}.tar"), 0, 8, STILL)
    assert batches.lanes == 2
    with pytest.raises(ValueError, match=r"read in 2 lanes \(3 shards, batches of 8\), which 4 processes cannot share"):
        batches(0, Ranks(0, 4).rows(8))


@pytest.mark.parametrize("problem", ["busy", "cut", "damaged"])
def test_one_request_in_ten_may_fail_and_nothing_is_lost_or_doubled(packed: Path, problem: str) -> None:
    expected = stream(ShardBatches(ShardData(pattern(packed)), 0, 8, STILL), 0, 200)
    with served(packed, lambda number: problem if number % 10 == 4 else "") as (url, asked):
        source = ShardData(pattern(packed).replace(str(packed), url))
        assert stream(ShardBatches(source, 0, 8, STILL), 0, 200) == expected
        assert len(asked) > 20


@pytest.mark.parametrize(
    ("problem", "says", "tries"),
    [
        ("busy", r"tried 8 times \(HTTP Error 503", 8),
        ("cut", "tried 8 times .IncompleteRead", 8),
        ("damaged", "tried 8 times .it is not the file that index.json describes", 8),
        ("gone", r"cannot be read \(HTTP Error 404", 1),
    ],
)
def test_a_server_that_stays_broken_ends_in_one_sentence(packed: Path, problem: str, says: str, tries: int) -> None:
    with served(packed, lambda number: problem if number > 1 else "") as (url, asked):
        source = ShardData(f"{url}/train-000.tar")
        with pytest.raises(ValueError, match=says):
            read_shard(source.shards[0])
        assert len(asked) == 1 + tries


def test_a_run_on_shards_is_killed_and_goes_on_as_if_unbroken(packed: Path, tmp_path: Path) -> None:
    with served(packed, lambda number: "busy" if number % 10 == 0 else "") as (url, _):
        remote = open_data(pattern(packed).replace(str(packed), url), NET.shape)
        whole = load_file(fit(CONFIG, ShardData(pattern(packed)), tmp_path / "whole"))
        fit(CONFIG, remote, tmp_path / "broken", stop_nimg=64)
        assert main(["fit", "--resume", str(tmp_path / "broken")]) == 0
    broken = load_file(tmp_path / "broken" / "state.safetensors")
    assert whole.keys() == broken.keys() and all(torch.equal(whole[k], broken[k]) for k in whole)


class Trap:
    def __reduce__(self) -> tuple:
        return Path.touch, (Path(TRAPPED),)


TRAPPED = "/nonexistent"


def test_a_pickle_in_a_shard_is_never_opened(packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "TRAPPED", str(tmp_path / "sprung"))
    index, path = json.loads((packed / "index.json").read_text()), tmp_path / "train-000.tar"
    with tarfile.open(packed / "train-000.tar") as old, tarfile.open(path, "w") as new:
        for member in old.getmembers():
            new.addfile(member, old.extractfile(member))
            for ending in ("pyd", "pickle", "pth", "npy"):
                evil = pickle.dumps(Trap())
                info = tarfile.TarInfo(f"{member.name.rpartition('.')[0]}.{member.name.rpartition('.')[2]}.{ending}")
                info.size = len(evil)
                new.addfile(info, io.BytesIO(evil))
    content = path.read_bytes()
    index["shards"] = {path.name: {"count": index["shards"][path.name]["count"], "bytes": len(content), "crc32": zlib.crc32(content)}}
    (tmp_path / "index.json").write_text(json.dumps(index))
    source = ShardData(str(path))
    ShardBatches(source, 0, 8, STILL)(0, slice(0, 8))
    assert not (tmp_path / "sprung").exists()
    pickle.loads(pickle.dumps(Trap()))
    assert (tmp_path / "sprung").exists()  # the trap is a real one


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"shards": {"pipe:touch x.tar": {"count": 1, "bytes": 1, "crc32": 0}}}, "shard 'pipe:touch x.tar'"),
        ({"shards": {"../train-000.tar": {"count": 1, "bytes": 1, "crc32": 0}}}, r"shard '\.\./train-000.tar'"),
        ({"format": 9}, "format 9, this version reads 1"),
        ({"size": 10**6}, "pictures of 1000000 px"),
        ({"shards": {}}, "knows no shard train-000.tar"),
    ],
)
def test_an_index_from_elsewhere_leads_nowhere_else(packed: Path, tmp_path: Path, change: dict, says: str) -> None:
    index = json.loads((packed / "index.json").read_text())
    (tmp_path / "index.json").write_text(json.dumps(index | change))
    with pytest.raises(ValueError, match=says):
        ShardData(str(tmp_path / "train-000.tar"))


def test_what_is_missing_is_named(packed: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"index.json cannot be read \(.*No such file"):
        ShardData(str(tmp_path / "train-000.tar"))
    with pytest.raises(ValueError, match="the net wants 128 px"):
        fit(TrainConfig(), ShardData(pattern(packed)), tmp_path)
