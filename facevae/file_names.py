"""Names of files that we make: never a path, whatever a name holds that came from outside."""

from pathlib import Path

LONGEST = 60


def file_stem(name: str) -> str:
    """A file name without its ending and without anything that file systems dislike."""
    return tidy_name(Path(name).stem)


def tidy_name(name: str) -> str:
    """Letters, digits, - and _, at most `LONGEST` of them; "face" where none is left."""
    tidy = "".join(c if c.isalnum() or c in "-_" else "-" for c in name).strip("-")
    return tidy[:LONGEST] or "face"
