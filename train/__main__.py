"""python -m train COMMAND: the table of commands; parses, prints the config, runs one."""

import json
import os
import sys
from dataclasses import asdict
from importlib import import_module
from typing import NamedTuple


class Command(NamedTuple):
    """Where the options of a command are, and its line in the table of commands."""

    module: str
    """Of train/commands; only that of the requested command is imported: torch takes seconds."""
    name: str
    summary: str


COMMANDS = {
    "prepare": Command("data", "Prepare", "Pictures -> memory-mapped arrays. Give exactly one of --celeba, --folder, --synthetic."),
    "pack": Command("data", "Pack", "Pictures -> shards for data larger than a disk: tars of JPEGs and labels."),
    "fit": Command("fit", "Fit", "Train a VAE. The same command resumes."),
    "classifier": Command("networks", "Classifier", "Train the attribute classifier, on photos and on a VAE's reconstructions of them."),
    "identity": Command("networks", "Identity", "Train the identity embedding: is an edited face still the same person?"),
    "finder": Command("networks", "Finder", "Train the face finder, which sees faces at any angle and size, on CelebA's own frames."),
    "aligner": Command("networks", "Aligner", "Train the alignment net, which corrects a rough crop of a face, on CelebA's own frames."),
    "parser": Command("networks", "Parser", "Train the face parser: which pixels of a crop are hair, skin, lips, glasses, ..."),
    "detail": Command("networks", "Detail", "Train the detail net: what the decoder draws into a photo gets as sharp as the photo."),
    "hair-net": Command("networks", "HairNet", "Train the hair net: how much hair is in each pixel, and the strands of lighter hair."),
    "part-judge": Command("networks", "PartJudge", "Train the part judge: it sees only the part of a face that an attribute is about."),
    "directions": Command("latents", "Directions", "Find the directions of the attributes and their safe ranges."),
    "prior": Command("latents", "Prior", "Fit the prior that new faces are drawn from to encodings of the train split."),
    "flow": Command(
        "latents", "Flow", "Train the latent flow, a prior of faces that can be told labels, and compare it with the present one."
    ),
    "ablation": Command("studies", "Ablation", "Train and measure the variants of the ablation, one change at a time."),
    "export": Command("checkpoints", "Export", "Put run, helper nets, directions and prior together to a checkpoint folder."),
    "hair": Command("checkpoints", "Hair", "Give a checkpoint a face parser, and find what in its latent space colours hair."),
    "decoder": Command("checkpoints", "Decoder", "Give a checkpoint the decoder of a run that kept its encoder."),
    "push": Command("checkpoints", "Push", "Send a checkpoint to the Hugging Face Hub, with a card that shows what it is."),
    "release": Command("checkpoints", "Release", "From a finished run to what the editor ships: directions, prior, export, figures."),
    "evaluate": Command("measuring", "Evaluate", "Measure a checkpoint on held-out faces and print the tables."),
    "report": Command("studies", "Report", "Reproduce one of the four reports: train, measure, write the page of claims."),
    "exhibit": Command(
        "latents", "MakeExhibit", "Measure the latent space of a run for the page's tab Inside the model (app.py --exhibits)."
    ),
    "bench": Command("bench", "Bench", "Time the app and the training: each against its reference, in the same run."),
    "figures": Command("measuring", "Figures", "Draw the pictures of README and docs, and write their tables of figures."),
}


def main(argv: list[str] | None = None) -> int:
    """Run one command; 0, or 2 with one sentence for what a user can cause, or 130 for Ctrl-C."""
    args = list(sys.argv[1:] if argv is None else argv)
    if not args or args[0] not in COMMANDS:
        print("usage: python -m train COMMAND [--help]\n")
        for name, entry in COMMANDS.items():
            print(f"  {name:12} {entry.summary}")
        return 0 if args and args[0] in ("-h", "--help") else 2
    entry = COMMANDS[args[0]]
    try:
        import tyro

        command = getattr(import_module(f"train.commands.{entry.module}"), entry.name)
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
