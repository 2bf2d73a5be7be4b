"""A disk that is full or cannot be written: the page edits on, and what cannot be saved is refused in a sentence."""

import asyncio
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import gradio as gr
import httpx
import pytest

from facevae.ui.components import to_file
from facevae.ui.server import temp_files
from facevae.ui.server.temp_files import keep_room, own_folder
from train.bench.gradio_client import GradioClient
from train.publish.served_page import APP, served


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    """A disk of its own, in memory."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("no disk can be mounted here (root on Linux can)")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """`own_folder` as in a process of its own, whose memory is a folder."""
    monkeypatch.setattr(temp_files, "IN_MEMORY", tmp_path / "memory")
    monkeypatch.setattr("tempfile.tempdir", None)
    for name in ("GRADIO_TEMP_DIR", "TMPDIR"):
        monkeypatch.setenv(name, str(tmp_path / "disk"))
    (tmp_path / "disk").mkdir()
    (tmp_path / "memory").mkdir()
    yield tmp_path


def test_where_nothing_can_be_written_the_folder_lies_in_memory(alone, capsys, monkeypatch) -> None:
    shutil.rmtree(alone / "disk")
    (alone / "disk").write_bytes(b"a file where a folder should be")
    folder = own_folder()
    assert folder.parent == alone / "memory" / "gradio" and os.environ["TMPDIR"] == os.environ["GRADIO_TEMP_DIR"] == str(folder)
    assert f"cannot write to {alone / 'disk'} (File exists): uploads and results go to {alone / 'memory'}" in capsys.readouterr().err
    monkeypatch.setattr(temp_files, "IN_MEMORY", alone / "nowhere")
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(alone / "disk"))
    with pytest.raises(ValueError, match="no folder for uploads and results can be written: .*name another one in GRADIO_TEMP_DIR"):
        own_folder()


def test_a_full_disk_is_left(alone, monkeypatch, capsys) -> None:
    folder, moved = own_folder(), []
    monkeypatch.setattr(temp_files, "FOLLOWERS", [moved.append])
    (folder / "young.png").write_bytes(b"1")
    assert keep_room(folder) == folder and (folder / "young.png").exists() and not moved
    usage = type(shutil.disk_usage("/"))
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(100, 90, 10 if Path(path).is_relative_to(alone / "disk") else 90))
    other = keep_room(folder)
    assert other.parent == alone / "memory" / "gradio" and moved == [other] and not folder.exists()
    assert os.environ["GRADIO_TEMP_DIR"] == str(other)
    assert f"{alone / 'disk'} is full or gone" in capsys.readouterr().err
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(100, 90, 10))
    assert keep_room(other) == other  # memory is no better a place than memory


def test_a_file_that_cannot_be_written_is_refused_in_a_sentence(tmp_path) -> None:
    with mounted(tmp_path / "disk", "size=1m") as disk:
        (disk / "all").write_bytes(bytes(2**20 - 4096))
        file = gr.File(render=False)
        file.GRADIO_CACHE = str(disk)
        with pytest.raises(gr.Error, match="The file cannot be written on the machine that runs the page: No space left on device"):
            to_file(file, bytes(100_000), "face.png")


async def edit_and_save(url: str) -> tuple[bytes, bytes]:
    """A visitor's first edit as it is shown, and the file of it."""
    wrong: list[str] = []
    async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
        config = (await http.get("/config")).json()
        visitor = GradioClient(http, config, lambda name, _, error: wrong.append(f"{name}: {error}") if error else None)
        await asyncio.gather(*visitor.arrive())
        visitor.put("slider-smiling", 2.0)
        await asyncio.gather(*visitor.fire("slider-smiling", "input"))
        await visitor.rest()
        await asyncio.gather(*visitor.fire("download", "click"))
        assert not wrong
        return await visitor.fetch(visitor.value("result")), await visitor.fetch(visitor.value("download-file"))


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="there is no folder in memory")
def test_the_page_goes_on_when_its_disk_is_full(tmp_path) -> None:
    with mounted(tmp_path / "disk", "size=24m") as disk, served(APP, env={"GRADIO_TEMP_DIR": str(disk)}) as server:
        asyncio.run(edit_and_save(server.url))
        with (disk / "others").open("wb") as file, pytest.raises(OSError, match="No space left"):
            while True:
                file.write(bytes(2**20))
                file.flush()
        end = time.monotonic() + 30
        while "is full or gone: uploads and results go to /dev/shm" not in server.log.read_text() and time.monotonic() < end:
            time.sleep(0.2)
        shown, saved = asyncio.run(edit_and_save(server.url))
        assert shown.startswith(b"\xff\xd8") and len(saved) > 10_000


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="there is no folder in memory")
def test_the_page_runs_where_nothing_can_be_written(tmp_path) -> None:
    with mounted(tmp_path / "disk", "ro") as disk:
        where = {name: str(disk) for name in ("HOME", "TMPDIR", "GRADIO_TEMP_DIR", "XDG_CACHE_HOME", "HF_HOME")}
        with served(APP, env=where) as server:
            shown, saved = asyncio.run(edit_and_save(server.url))
            assert shown.startswith(b"\xff\xd8") and len(saved) > 10_000
            assert f"cannot write to {disk}" in server.log.read_text()


@pytest.mark.slow
def test_a_program_without_any_folder_says_so_and_ends() -> None:
    code = "from pathlib import Path; from facevae.ui import serve; from facevae.ui.server import temp_files; "
    code += "temp_files.IN_MEMORY = Path('/proc/none'); serve.main([])"
    env = os.environ | {"GRADIO_TEMP_DIR": "/proc/none", "TMPDIR": "/proc/none"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert done.returncode == 2 and "no folder for uploads and results can be written" in done.stderr and "Traceback" not in done.stderr
