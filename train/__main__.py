"""python -m train COMMAND: parse, print the config, call one importable function. To resume, run the same command again."""

import ast
import json
import os
import sys
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

# Command: the module of train/commands and the class that hold its options. Only the one that is called is imported: torch takes seconds.
COMMANDS = {
    "prepare": ("data", "Prepare"),
    "pack": ("data", "Pack"),
    "fit": ("fit", "Fit"),
    "classifier": ("networks", "Classifier"),
    "identity": ("networks", "Identity"),
    "aligner": ("networks", "Aligner"),
    "directions": ("latents", "Directions"),
    "prior": ("latents", "Prior"),
    "ablation": ("studies", "Ablation"),
    "export": ("checkpoints", "Export"),
    "push": ("checkpoints", "Push"),
    "release": ("checkpoints", "Release"),
    "evaluate": ("measuring", "Evaluate"),
    "report": ("studies", "Report"),
    "exhibit": ("latents", "Exhibit"),
    "bench": ("bench", "Bench"),
    "figures": ("measuring", "Figures"),
}


def about(module: str, name: str) -> str:
    """The first line of a command's docstring, read without importing what the command needs."""
    tree = ast.parse((Path(__file__).parent / "commands" / f"{module}.py").read_text(encoding="utf-8"))
    doc = next(ast.get_docstring(node) for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name)
    return doc.splitlines()[0]


def main(argv: list[str] | None = None) -> int:
    """Run one command; 0, or 2 with one sentence for what a user can cause, or 130 for Ctrl-C."""
    args = list(sys.argv[1:] if argv is None else argv)
    if not args or args[0] not in COMMANDS:
        print("usage: python -m train COMMAND [--help]\n")
        for name, place in COMMANDS.items():
            print(f"  {name:12} {about(*place)}")
        return 0 if args and args[0] in ("-h", "--help") else 2
    module, name = COMMANDS[args[0]]
    try:
        import tyro

        command = getattr(import_module(f"train.commands.{module}"), name)
    except ModuleNotFoundError as error:
        print(f"python -m train {args[0]} needs {error.name}: pip install -r requirements.txt", file=sys.stderr)
        return 2
    rest = [a for a in args[1:] if a != "--dry-run"]
    dry_run = "--dry-run" in args
    try:
        default = command.defaults(rest) if hasattr(command, "defaults") else None
        parsed = tyro.cli(command, args=rest, prog=f"python -m train {args[0]}", default=default)
        if os.environ.get("RANK", "0") == "0":  # of several processes under `accelerate launch`, one talks
            print(json.dumps(asdict(parsed), default=str, indent=1))
        if not dry_run:
            parsed.run()
        elif hasattr(parsed, "plan"):
            parsed.plan()
    except (ValueError, FloatingPointError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; the same command goes on from there", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
