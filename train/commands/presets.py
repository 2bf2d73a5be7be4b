"""Options that say where the defaults of the others come from: --preset, --resume."""

from collections.abc import Sequence


def value_of(option: str, args: Sequence[str]) -> str | None:
    """What an option was given last, before the command line is parsed as a whole."""
    given = [args[i + 1] for i, a in enumerate(args[:-1]) if a == option]
    given += [a.partition("=")[2] for a in args if a.startswith(f"{option}=")]
    return given[-1] if given else None
