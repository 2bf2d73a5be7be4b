"""Command line entry: facevae COMMAND, the same as python -m facevae COMMAND."""

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from facevae.version import __version__


@dataclass(frozen=True)
class Command:
    """A line of the table: what it does, and the function that reads its flags and gives what is to be run."""

    about: str
    module: str
    reader: str
    knows: bool = True
    """Its flags depend on the checkpoint: `reader` gets its summary, too."""
    resumes: bool = False
    """What it has done once, it does not do again."""


COMMANDS: dict[str, Command] = {
    "edit": Command("move the sliders: facevae edit photo.jpg --smiling 2 --lock male", "facevae.cli.photos", "read_edit", resumes=True),
    "guide": Command(
        "search for labels: facevae guide photo.jpg --want blond_hair --avoid eyeglasses", "facevae.cli.photos", "read_guide", resumes=True
    ),
    "morph": Command("film or face between faces: facevae morph a.jpg b.jpg -o morph.webp", "facevae.cli.morph", "read_morph"),
    "generate": Command("draw new faces: facevae generate --seeds 0-63 -o sheet.png", "facevae.cli.generate", "read_generate"),
    "recipe apply": Command(
        "an edit again: facevae recipe apply recipe.json photos/ -o out/", "facevae.cli.photos", "read_recipe_apply", resumes=True
    ),
    "inspect": Command("faces of a photo, and what is seen in them", "facevae.cli.inspect", "read_inspect"),
    "checkpoints list": Command("which checkpoints are there", "facevae.cli.checkpoints", "read_list", knows=False),
    "checkpoints verify": Command("whether their files are whole", "facevae.cli.checkpoints", "read_verify", knows=False),
    "app": Command("open the page in the browser, with the flags of app.py", "facevae.ui.serve", "read_app", knows=False),
    "doctor": Command("versions, checkpoint, disk, and one timed edit", "facevae.cli.doctor", "read_doctor", knows=False),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command: 0 done, 1 something failed, 2 wrong usage, 130 Ctrl-C."""
    from facevae.cli.rows import error_sentence
    from facevae.cli.streams import escape_unprintable

    args = list(sys.argv[1:] if argv is None else argv)
    name = next((name for name in COMMANDS if args[: len(name.split())] == name.split()), None)
    escape_unprintable()
    try:
        code = usage(args) if name is None else run_command(name, args[len(name.split()) :])
        if sys.stdout is not None:
            sys.stdout.flush()  # or Python would find out at its end, and complain in its own words
        return code
    except KeyboardInterrupt:
        goes_on = name is not None and COMMANDS[name].resumes
        print("stopped; the same command goes on where it was" if goes_on else "stopped", file=sys.stderr)
        return 130
    except OSError as error:
        if error.filename is None:  # of standard output: what is left to be written would fail once more
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):  # who read our output, such as head, has seen enough
            print(f"facevae: {error_sentence(error, 'standard output')}", file=sys.stderr)
        return 1


def run_command(name: str, args: Sequence[str]) -> int:
    """A command of the table; `OSError` for what the system refuses while it runs, its words on standard output among it."""
    try:
        run = read(COMMANDS[name], args)
    except SystemExit as ended:  # argparse has said why
        return int(ended.code or 0)
    except (ValueError, OSError) as error:
        return say(name, error, 2)
    try:
        return run()
    except SystemExit as ended:  # a command that reads its flags itself
        return ended.code if isinstance(ended.code, int) else int(bool(ended.code))
    except ValueError as error:
        return say(name, error, 1)


def say(name: str, error: Exception, code: int) -> int:
    """What went wrong, in one sentence, and the exit code."""
    from facevae.cli.rows import error_sentence

    print(f"facevae {name}: {error_sentence(error)}", file=sys.stderr)
    return code


def read(command: Command, args: Sequence[str]) -> Callable[[], int]:
    """The flags of a command, read; `ValueError` for what a user got wrong."""
    reader: Callable[..., Any] = getattr(import_module(command.module), command.reader)
    if not command.knows:
        return reader(args)
    from facevae.cli.flags import checkpoint_of, open_summary

    return reader(args, open_summary(*checkpoint_of(args)))


def usage(args: Sequence[str]) -> int:
    """The table of commands, or the version."""
    if list(args) in (["--version"], ["-V"]):
        print(f"facevae {__version__}")
        return 0
    asked = list(args) in (["-h"], ["--help"], ["help"])
    stream = sys.stdout if asked else sys.stderr
    if args and not asked:
        print(f"facevae: there is no command {' '.join(args[:2])!r}\n", file=stream)
    print("usage: facevae COMMAND [--help]\n", file=stream)
    wide = max(map(len, COMMANDS))
    for name, command in COMMANDS.items():
        print(f"  {name:{wide}}  {command.about}", file=stream)
    return 0 if asked else 2


if __name__ == "__main__":
    sys.exit(main())
