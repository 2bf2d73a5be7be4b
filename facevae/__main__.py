"""facevae COMMAND: parse, then call. `python -m facevae` is the same."""

import sys
from collections.abc import Sequence

from facevae.doctor import read_doctor
from facevae.ui.serve import read_app

COMMANDS = {"app": read_app, "doctor": read_doctor}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 2 where there is none of this name."""
    args = list(sys.argv[1:] if argv is None else argv)
    if not args or args[0] not in COMMANDS:
        print(f"usage: facevae {'|'.join(COMMANDS)} [--help]", file=sys.stderr)
        return 2
    return COMMANDS[args[0]](args[1:])()


if __name__ == "__main__":
    sys.exit(main())
