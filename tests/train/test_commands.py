"""The table of commands: every line of it can be called, and none costs more than it needs; launchers pass on what is meant for us."""

import re
import shlex
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from train.__main__ import COMMANDS, main

ROOT = Path(__file__).parents[2]


def test_every_line_of_the_table_is_a_command() -> None:
    for name, entry in COMMANDS.items():
        found = getattr(import_module(f"train.commands.{entry.module}"), entry.name)
        assert callable(found.run) and found.__doc__ and entry.summary, name


def test_the_table_is_printed_without_torch() -> None:
    program = "import sys; from train.__main__ import main; main(['--help']); print(sorted({'torch', 'tyro', 'numpy'} & {*sys.modules}))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "\n  fit          Train a VAE." in done.stdout and done.stdout.endswith("\n[]\n")


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.setitem(sys.modules, "tyro", None)
    assert main(["fit", "--help"]) == 2
    assert capsys.readouterr().err == "python -m train fit needs tyro: pip install -r requirements.txt\n"


def test_a_word_that_is_no_command_gives_the_table(capsys: pytest.CaptureFixture) -> None:
    assert main(["fti"]) == main([]) == 2
    assert capsys.readouterr().out.count("\n  fit ") == 2


def test_launchers_of_several_processes_keep_their_hands_off_our_options() -> None:
    """The commands of docs/scale.md, with the options of a run: torchrun reads `--run` as its own `--run-path` where nothing forbids it."""
    from accelerate.commands.launch import launch_command_parser
    from torch.distributed.run import get_args_parser

    launchers = {"accelerate": (launch_command_parser, 2), "torchrun": (get_args_parser, 1)}
    told = re.findall(r"`((?:accelerate launch|torchrun) [^`]+)`", (ROOT / "docs/scale.md").read_text())
    given = ["--data", "data", "--run", "run"]
    assert len(told) > 3
    for line in told:
        words = shlex.split(line.replace("HOST0", "host").replace(" R ", " 1 ").removesuffix("…"))
        parser, begin = launchers[words[0]]
        parsed = parser().parse_args([*words[begin:], *given])
        assert (parsed.training_script, parsed.module) == ("train", True) and parsed.training_script_args[-4:] == given, line
