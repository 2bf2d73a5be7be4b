"""The table of commands: every line of it can be called, and none costs more than it needs."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from train.__main__ import COMMANDS, about, main

ROOT = Path(__file__).parents[2]


def test_every_line_of_the_table_is_a_command() -> None:
    for name, (module, command) in COMMANDS.items():
        found = getattr(import_module(f"train.commands.{module}"), command)
        assert callable(found.run) and found.__doc__.splitlines()[0] == about(module, command), name


def test_the_table_is_printed_without_torch() -> None:
    program = "import sys; from train.__main__ import main; main(['--help']); print(sorted({'torch', 'tyro', 'numpy'} & {*sys.modules}))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "\n  fit          Train a VAE." in done.stdout and done.stdout.endswith("\n[]\n")


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.setitem(sys.modules, "tyro", None)
    assert main(["fit", "--help"]) == 2
    assert capsys.readouterr().err == 'python -m train fit needs tyro: pip install "facevae[train]"\n'


def test_a_word_that_is_no_command_gives_the_table(capsys: pytest.CaptureFixture) -> None:
    assert main(["fti"]) == main([]) == 2
    assert capsys.readouterr().out.count("\n  fit ") == 2
