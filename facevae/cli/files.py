"""Input photos and output paths of a command, decided before a model is opened."""

import glob
import mmap
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from facevae.files import file_stem, tidy_name

STDIO = "-"
PICTURES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".avif", ".bmp", ".tif", ".tiff", ".gif")
"""What is taken out of a folder. Files that are named are opened whatever they are called."""
SUFFIXES = (".jpg", ".png", ".webp", ".avif", ".tif")
"""What `Editor.save` gives."""
SAME_SUFFIX = {".jpeg": ".jpg", ".jpe": ".jpg", ".jfif": ".jpg", ".tiff": ".tif"}
MARK = "-facevae"
OURS = b"facevae"
"""Every file that we write says so, in letters that are not compressed."""


@dataclass(frozen=True)
class Job:
    """A photo and where its result goes: to `file`, else into `folder` as `stem` with the suffix of what it is, else to standard output."""

    source: str
    folder: Path | None = None
    stem: str = ""
    file: Path | None = None
    trouble: str = ""
    """Why nothing can be done here."""
    idle: str = ""
    """Why nothing needs to be done here."""

    @property
    def targets(self) -> tuple[Path, ...]:
        """Every path that the result could have."""
        if self.file is not None:
            return (self.file,)
        return () if self.folder is None else tuple(self.folder / f"{self.stem}{suffix}" for suffix in SUFFIXES)

    def target(self, suffix: str) -> Path | None:
        """The path of a result of this kind; None for standard output. `ValueError` where the given name says another kind."""
        if self.file is None:
            return None if self.folder is None else self.folder / f"{self.stem}{suffix}"
        check_suffix(self.file, suffix)
        return self.file


def check_suffix(file: Path, suffix: str) -> None:
    """`ValueError` where a file would be named after another format than it holds."""
    named = file.suffix.lower()
    if SAME_SUFFIX.get(named, named) != suffix:
        raise ValueError(f"{file.name} would hold a {suffix[1:].upper()} file: give a name that ends in {suffix}")


def plan(given: Sequence[str], output: str | None, overwrite: bool = False) -> list[Job]:
    """A job for each photo that is meant, in their order. Folders are searched, patterns that no shell has resolved, too.

    `ValueError` for what cannot be meant at all; what is wrong with one photo stands in its job.
    """
    if list(given).count(STDIO) > 1:
        raise ValueError("standard input can be read only once")
    found = list(sources(given, Path(output) if output not in (None, STDIO) else None))
    several = len(found) > 1 or any(Path(name).is_dir() for name in given if name != STDIO)
    if output == STDIO and several:
        raise ValueError("several results do not fit into standard output: give a folder after -o")
    if output is None or output == STDIO or not is_file_name(output, several):
        jobs = rename_duplicates([place(name, below, output) for name, below in found])
    else:
        jobs = [Job(name, file=Path(output)) for name, _ in found]
    return check_overwrites(jobs, overwrite)


def is_file_name(output: str, several: bool) -> bool:
    """Whether -o names a file; `ValueError` where it does and there are several results."""
    if is_folder(output):
        return False
    if several:
        raise ValueError(f"{output} is one file and there are several results: give a folder after -o")
    return True


def is_folder(output: str) -> bool:
    """Whether -o names a folder, which may be made for it: a picture's name has an ending. `ValueError` where it names nothing."""
    if not output:
        raise ValueError("the name after -o is empty")
    return output.endswith(("/", os.sep)) or Path(output).is_dir() or not (Path(output).suffix or Path(output).exists())


def sources(given: Sequence[str], output: Path | None) -> Iterator[tuple[str, Path]]:
    """Photos by name, each with the folder, below the one that was given, in which it was found.

    A folder without photos stands for itself, so that whoever opens it says so. `ValueError` for an empty name: a shell's variable that
    was never set must not mean every photo here.
    """
    for name in given:
        if not name:
            raise ValueError("the name of a photo is empty")
        if name != STDIO and Path(name).is_dir():
            yield from list(walk(Path(name), output)) or [(name, Path())]
        elif name != STDIO and not Path(name).exists() and glob.has_magic(name):
            matches = sorted(glob.glob(name, recursive=True))  # noqa: PTH207, for Path.glob takes no absolute patterns
            yield from ((match, Path()) for match in matches if not Path(match).is_dir())
            if not matches:
                yield name, Path()
        else:
            yield name, Path()


def walk(folder: Path, output: Path | None) -> Iterator[tuple[str, Path]]:
    """The pictures of a folder and of those in it, without hidden ones, and without what we have made before."""
    own = output.resolve() if output is not None else None
    for where, folders, names in os.walk(folder):
        at = Path(where)
        folders[:] = sorted(f for f in folders if not f.startswith(".") and (at / f).resolve() != own)
        for name in sorted(names):
            path = at / name
            if path.suffix.lower() in PICTURES and not name.startswith(".") and not path.stem.endswith(MARK):
                yield str(path), at.relative_to(folder)


def place(name: str, below: Path, output: str | None) -> Job:
    """Where the result of one photo goes, named as the page names it."""
    stem = "stdin" if name == STDIO else file_stem(name)
    if output == STDIO or (output is None and name == STDIO):
        return Job(name)
    return Job(name, Path(name).parent if output is None else Path(output) / below, stem + MARK)


def rename_duplicates(jobs: Sequence[Job]) -> list[Job]:
    """No two results of the same name: a.jpg and a.png become a-jpg-facevae and a-png-facevae, what is still alike is numbered."""

    counts = Counter(map(id_of, jobs))
    apart = [replace(j, stem=with_ending(j.source) + MARK) if j.folder and counts[id_of(j)] > 1 else j for j in jobs]
    counts = Counter(map(id_of, apart))
    taken = {known for known, count in counts.items() if count == 1}
    for at, job in enumerate(apart):
        number, plain = 1, job.stem.removesuffix(MARK)
        while job.folder is not None and counts[id_of(apart[at])] != 1 and id_of(job) in taken:
            number += 1
            job = replace(job, stem=f"{plain}-{number}{MARK}")
        taken.add(id_of(job))
        apart[at] = job
    return apart


def with_ending(source: str) -> str:
    """The stem of a photo's result with the photo's ending in it: a-jpg."""
    path = Path(source)
    return tidy_name("-".join(filter(None, [path.stem, path.suffix[1:]])))


def id_of(job: Job) -> tuple[str, str]:
    """What two results may not have in common; some file systems do not tell A from a."""
    return str(job.folder), job.stem.casefold()


def check_overwrites(jobs: Sequence[Job], overwrite: bool) -> list[Job]:
    """The jobs as far as they harm nothing: results of an earlier run are no photos of this one, and no photo is written over.

    `ValueError` where that is the one name that was given.
    """
    paths = [None if job.source == STDIO else Path(job.source).resolve() for job in jobs]
    made = {target.resolve() for job in jobs if job.folder is not None for target in job.targets}
    inputs = {path for path in paths if path not in made}
    checked = []
    for job, path in zip(jobs, paths, strict=True):
        if path in made:
            job = replace(job, idle="it is the result of another photo that is given")
        elif not overwrite and any(target.resolve() in inputs for target in job.targets):
            if job.file is not None:
                raise ValueError(f"{job.file} would be written over itself: give another name after -o, or --overwrite")
            job = replace(
                job, trouble="the result would be written over a photo that is read: give another folder after -o, or --overwrite"
            )
        checked.append(job)
    return checked


def write_result(path: Path, content: bytes, overwrite: bool) -> None:
    """Write a file whole or not at all; `ValueError` where that would write over something that facevae did not make."""
    from facevae.files import write_atomic

    if path.exists() and not path.is_file():
        raise ValueError(f"{path} is no file: - is standard output, a folder takes several results")
    if path.exists() and not overwrite and not is_ours(path):
        raise ValueError(f"{path} is there already and facevae did not make it: give another name after -o, or --overwrite")
    try:
        write_atomic(path, lambda temporary: temporary.write_bytes(content))
    except OSError as error:  # the system names a temporary file, or a folder that was to be made
        raise ValueError(f"{path} cannot be written: {error.strerror or error}") from None


def is_ours(path: Path) -> bool:
    """Whether a file says that facevae made it; an empty one is nobody's."""
    if not path.stat().st_size:
        return True
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(OURS) >= 0
