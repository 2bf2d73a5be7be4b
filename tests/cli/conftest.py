"""The tiny checkpoint as a folder, small photos, and the command line as a function."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_photos import draw
from few_steps import refine_in_few_steps

from facevae.__main__ import main
from facevae.checkpoint.checkpoint import save_checkpoint
from facevae.editor import Editor


@pytest.fixture(scope="session")
def folder(tiny_checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("checkpoints") / "tiny"
    save_checkpoint(path, tiny_checkpoint)
    return path


@pytest.fixture(scope="session")
def editor(folder: Path) -> Editor:
    return refine_in_few_steps(Editor(folder), 4)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return draw(tmp_path / "photo.png")


@pytest.fixture
def call(folder: Path, editor: Editor, monkeypatch: pytest.MonkeyPatch, capsysbinary) -> Callable:
    """The command with the tiny checkpoint: exit code, standard output, standard error. `given` is standard input."""

    monkeypatch.setattr("facevae.editor.Editor", lambda checkpoint, revision: editor)  # opened once: most of a call's time

    def run(*args: object, given: bytes = b"") -> tuple[int, bytes, str]:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(given)))
        capsysbinary.readouterr()
        code = main(
            [*map(str, args[:1]), "--checkpoint", str(folder), *map(str, args[1:])]
            if args[0] != "recipe"
            else ["recipe", "apply", "--checkpoint", str(folder), *map(str, args[2:])]
        )
        out, err = capsysbinary.readouterr()
        return code, out, err.decode()

    return run


@pytest.fixture
def rows(call) -> Callable:
    """The same with --json: exit code and rows."""

    def run(*args: object, given: bytes = b"") -> tuple[int, list[dict]]:
        code, out, _ = call(*args, "--json", given=given)
        return code, [json.loads(line) for line in out.splitlines()]

    return run
