"""Input photos and output paths of a command, decided before a model is opened."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from facevae.cli.sources import MARK, STDIO, Source, is_ours, sources
from facevae.files import file_stem, tidy_name
from facevae.photo.formats import SAME_SUFFIX, SUFFIXES
from facevae.photo.validation import address_sentence


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
        return () if self.folder is None else tuple(self.folder / f"{self.stem}{suffix}" for suffix in SUFFIXES.values())

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
    several = len(found) > 1 or any(map(is_given_folder, given))
    if output == STDIO and several:
        raise ValueError("several results do not fit into standard output: give a folder after -o")
    if output is None or output == STDIO or not is_file_name(output, several):
        jobs = rename_duplicates([place(source, output) for source in found])
    else:
        jobs = [Job(source.name, file=Path(output), trouble=source.trouble) for source in found]
    return check_overwrites(jobs, overwrite)


def is_given_folder(name: str) -> bool:
    """Whether what was given as a photo is a folder."""
    return name != STDIO and not address_sentence(name) and Path(name).is_dir()


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


def place(source: Source, output: str | None) -> Job:
    """Where the result of one photo goes, named as the page names it."""
    name = source.name
    stem = "stdin" if name == STDIO else file_stem(name)
    if source.trouble or source.idle or output == STDIO or (output is None and name == STDIO):
        return Job(name, trouble=source.trouble, idle=source.idle)
    return Job(name, Path(name).parent if output is None else Path(output) / source.below, stem + MARK)


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
        if job.trouble or job.idle:
            pass
        elif path in made:
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
