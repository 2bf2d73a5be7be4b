"""Standard input and output that are closed, full, endless, or gone; Ctrl-C."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cli_photos import PLACED, draw

from facevae.photo.images import MAX_FILE_BYTES

ROOT = Path(__file__).parents[2]
PATIENCE_SEC = 60


def shell(line: str, *args: object) -> subprocess.CompletedProcess[str]:
    """A line of a shell, in which $F is the command and $1, $2, … are the arguments."""
    env = os.environ | {"PYTHONPATH": str(ROOT), "F": f"{sys.executable} -m facevae", "OMP_NUM_THREADS": "1"}
    return subprocess.run(["bash", "-c", f"set -o pipefail; {line}", "-", *map(str, args)], env=env, capture_output=True, text=True)


@pytest.mark.parametrize("line", ["$F help | true", "$F edit no.jpg --smiling 1 --json | true"])
def test_a_reader_that_leaves_is_no_error(line: str) -> None:
    assert shell(line).stderr == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a full device is needed")
@pytest.mark.parametrize("command", ["help", "checkpoints list"])
def test_a_full_disk_behind_standard_output_is_one_sentence(command: str) -> None:
    found = shell(f"$F {command} > /dev/full")
    assert found.returncode == 1 and found.stderr == "facevae: standard output: No space left on device\n"


def test_closed_streams_are_one_sentence(folder: Path, tmp_path: Path) -> None:
    photo, asked = draw(tmp_path / "a.png"), f"--checkpoint '{folder}' --smiling 1 --no-refine {' '.join(PLACED)}"
    found = shell(f"$F edit - {asked} -o $1/out.png <&-", tmp_path)
    assert found.returncode == 1 and "standard input is closed" in found.stdout and "Traceback" not in found.stderr
    found = shell(f"$F edit $1 {asked} -o - >&-", photo)
    assert found.returncode == 2 and found.stderr.endswith("standard output is closed: give a file after -o\n")


@pytest.mark.parametrize("args", ["edit - --smiling 1 -o x.png", "inspect -", "morph - x.png -o x.gif", "recipe apply - x.png"])
def test_standard_input_is_read_no_further_than_a_photo_may_go(call, tmp_path, monkeypatch: pytest.MonkeyPatch, args: str) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = call(*args.split(), given=bytes(MAX_FILE_BYTES + 1000))
    assert code in (1, 2) and "too large" in out.decode() + err
    assert sys.stdin.buffer.tell() == MAX_FILE_BYTES + 1


@pytest.mark.parametrize("command", ["recipe apply - no.jpg", "inspect -"])
def test_ctrl_c_while_reading_ends_in_a_word(command: str) -> None:
    run = subprocess.Popen(
        [sys.executable, "-m", "facevae", *command.split()],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # tests that run in the background ignore it, and so would this
    )
    assert run.stdin is not None
    run.stdin.write(b" " * 2**17)  # more than a pipe holds: it has begun to read
    run.send_signal(signal.SIGINT)
    _, err = run.communicate(timeout=PATIENCE_SEC)
    goes_on = "; the same command goes on where it was" if "recipe" in command else ""
    assert run.returncode == 130 and err.decode().splitlines()[-1] == f"stopped{goes_on}" and b"Traceback" not in err
