"""app.py, or another page, as a process of its own, for benchmarks and screenshots."""

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from facevae.files import ROOT

PATIENCE_SEC = 180
POLL_SEC = 0.01
APP = ("app.py",)
ALTERED = ("-m", "train.bench.altered_page")
# Gradio is not imported here: this text is the whole program of the reference for a cold start.
EMPTY_PAGE = """
import argparse, torch, gradio
parser = argparse.ArgumentParser()
parser.add_argument("--port", type=int)
with gradio.Blocks() as page:
    pass
page.launch(server_port=parser.parse_args().port)
"""
EMPTY = ("-c", EMPTY_PAGE)


@dataclass(frozen=True)
class Server:
    """A page that answers, its process, and the folder of its temporary files."""

    url: str
    process: subprocess.Popen[bytes]
    temp: Path
    start_sec: float
    """From the start of the process to the first answer 200."""
    log: Path
    """What it says."""

    @property
    def resident_mb(self) -> float:
        """Memory of the server, as Linux tells it."""
        return self._status_mb("VmRSS")

    @property
    def peak_mb(self) -> float:
        """The most memory that the server has held so far."""
        return self._status_mb("VmHWM")

    def _status_mb(self, name: str) -> float:
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024

    def files(self) -> list[tuple[int, float]]:
        """Bytes and age in seconds of each temporary file. Some vanish while they are counted: the page deletes them."""
        found, now = [], time.time()
        for folder, _, names in os.walk(self.temp):
            for name in names:
                try:
                    status = (Path(folder) / name).stat()
                except FileNotFoundError:
                    continue
                found.append((status.st_size, now - status.st_ctime))
        return found


@contextmanager
def served(program: Sequence[str], *flags: str, env: Mapping[str, str] = {}) -> Iterator[Server]:
    """Start `program` by this Python with `--port`, `flags` and `env`, wait for its first answer, and end it at the end.

    `ValueError` with the last line of what it said, where it ends before it answers.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="facevae-bench-") as folder:
        temp, log = Path(folder) / "temp", Path(folder) / "log"
        temp.mkdir()
        quiet = {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_DISABLE_TELEMETRY": "1", "NO_COLOR": "1"}
        with log.open("wb") as out:
            start = time.perf_counter()
            process = subprocess.Popen(
                [sys.executable, *program, "--port", str(port), *flags],
                cwd=ROOT,
                env=os.environ | quiet | {"GRADIO_TEMP_DIR": str(temp)} | dict(env),
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_for_answer(url, process, log)
            yield Server(url, process, temp, time.perf_counter() - start, log)
        finally:
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_for_answer(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Until the page answers 200."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + PATIENCE_SEC
    while time.monotonic() < deadline:
        if process.poll() is not None:
            said = log.read_text(errors="replace").strip().splitlines() or ["it said nothing"]
            raise ValueError(f"the page did not start: {said[-1]}")
        try:
            direct.open(url, timeout=PATIENCE_SEC).close()
            return
        except urllib.error.HTTPError as error:
            raise ValueError(f"the page answers {error.code}") from error
        except OSError:
            time.sleep(POLL_SEC)
    raise ValueError(f"the page did not answer within {PATIENCE_SEC} s")


def checkpoint_flags(checkpoint: Path | None) -> tuple[str, ...]:
    """The flags that open a checkpoint in app.py."""
    return () if checkpoint is None else ("--checkpoint", str(checkpoint.resolve()))
