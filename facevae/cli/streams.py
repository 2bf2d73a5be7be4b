"""Standard input and output, which may be closed, a terminal, full or endless."""

import sys

NO_TERMINAL = "a picture or a film cannot be shown in a terminal: give a file after -o"


def read_stdin() -> bytes:
    """All of standard input, or one byte more than a photo may have, which whoever opens it refuses. `ValueError` where it is closed."""
    from facevae.photo.images import MAX_FILE_BYTES  # torch comes with it

    if sys.stdin is None:
        raise ValueError("standard input is closed")
    return sys.stdin.buffer.read(MAX_FILE_BYTES + 1)


def check_stdout(as_json: bool) -> None:
    """`ValueError` where a picture cannot go to standard output: words for machines go there, or a person reads it."""
    if as_json:
        raise ValueError("the result and --json do not fit into standard output together: give a file after -o")
    if sys.stdout is None or sys.stdout.isatty():
        raise ValueError(NO_TERMINAL if sys.stdout is not None else "standard output is closed: give a file after -o")


def write_stdout(content: bytes) -> None:
    """A whole file to standard output."""
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


def escape_unprintable() -> None:
    """Names of files may hold what the terminal has no letters for; no message ends in an error because of that."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # what a test puts in their place may not have it
            stream.reconfigure(errors="backslashreplace")
