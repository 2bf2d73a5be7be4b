"""Is this machine fit for facevae? Versions, device, disk, checkpoint and one timed edit."""

import argparse
import importlib.util
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import metadata
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from facevae.files import ASSETS, HERE, ROOT
from facevae.version import __version__

if TYPE_CHECKING:
    from packaging.requirements import Requirement

OPTIONAL = {"av": "MP4 films"}
LEAST_FREE_MB, LEAST_MEMORY_MB = 200, 1500
ATTRIBUTE = "Smiling"


@dataclass(frozen=True)
class Finding:
    """One line of the table."""

    what: str
    found: str
    fine: bool = True


def read_doctor(args: Sequence[str]) -> Callable[[], int]:
    """The flags of the command `facevae doctor`, read."""
    parser = argparse.ArgumentParser(prog="facevae doctor", description=__doc__)
    parser.add_argument("--checkpoint", help="folder or Hub id of a checkpoint; the embedded one without this flag")
    parser.add_argument("--revision", help="commit, tag or branch of a Hub checkpoint")
    flags = parser.parse_args(args)
    return lambda: doctor(flags.checkpoint, flags.revision)


def doctor(source: str | Path | None = None, revision: str | None = None, say: Callable[[str], None] = print) -> int:
    """Check everything and print a line for each check as soon as it is done; 0 where all is fine, 1 where something is not.

    `source` is a checkpoint as `Editor` takes it: None is the embedded one.
    """
    wrong = 0
    for finding in examine(source, revision):
        wrong += not finding.fine
        say(f"{'  ' if finding.fine else '! '}{finding.what:24}{finding.found}")
    say("All is well." if not wrong else f"Not as it should be: {wrong}, marked with an exclamation mark.")
    return int(wrong > 0)


def examine(source: str | Path | None = None, revision: str | None = None) -> Iterable[Finding]:
    """The findings, one after the other; a check that fails is a finding, too."""
    yield Finding("facevae", f"{__version__} in {HERE}")
    yield Finding("Python", f"{platform.python_version()} on {platform.system()} {platform.machine()}", sys.version_info >= (3, 10))
    yield from versions()
    yield from machine()
    yield from disk()
    yield from proxies()
    yield from cascade()
    yield from edit(source, revision)


def versions() -> Iterable[Finding]:
    """Installed versions, compared with what facevae requires."""
    try:
        required = requirements()
    except ImportError as error:
        yield Finding("packaging", f"cannot be imported: {error}", False)
        required = {}
    for name, requirement in required.items():
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            yield Finding(name, "is not installed: pip install facevae", False)
            continue
        fine = requirement.specifier.contains(version, prereleases=True)
        yield Finding(name, version if fine else f"{version}, required: {requirement.specifier}", fine)
    for name, what in OPTIONAL.items():
        there = importlib.util.find_spec(name) is not None
        yield Finding(name, metadata.version(name) if there else f"not installed; only {what} need it")


def requirements() -> "dict[str, Requirement]":
    """Required packages by name: from requirements.txt in the repository, from the metadata where pip has installed a wheel."""
    from packaging.requirements import Requirement

    listed = ROOT / "requirements.txt"
    try:
        lines = listed.read_text().splitlines() if listed.is_file() else metadata.requires("facevae") or []
    except metadata.PackageNotFoundError:
        return {}
    found = [Requirement(text) for line in lines if (text := line.partition("#")[0].strip())]
    return {one.name.lower(): one for one in found if one.marker is None or one.marker.evaluate({"extra": ""})}


def machine() -> Iterable[Finding]:
    """Cores, memory and what torch computes on."""
    import torch

    gpu = f"; a GPU is there ({torch.cuda.get_device_name(0)}), the page does not need it" if torch.cuda.is_available() else ""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    yield Finding("device", f"CPU, {cores} cores, {torch.get_num_threads()} threads{gpu}")
    try:
        memory_mb = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**20
    except (AttributeError, ValueError, OSError):
        return
    yield Finding("memory", f"{memory_mb:,.0f} MB", memory_mb >= LEAST_MEMORY_MB)


def proxies() -> Iterable[Finding]:
    """What requests go through; those to this machine never do."""
    from facevae.ui.server.proxies import proxies_of_environment, usable

    for kind, address in proxies_of_environment().items():
        yield Finding(
            f"proxy ({kind})", address if usable(address) else f"{address}: cannot be used; the page goes on without it", usable(address)
        )


def disk() -> Iterable[Finding]:
    """Free disk space for uploads and results, which are kept for at most an hour."""
    try:
        folder = os.environ.get("GRADIO_TEMP_DIR") or tempfile.gettempdir()
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"1")
        free_mb = shutil.disk_usage(folder).free / 2**20
    except OSError as error:
        yield Finding("disk", f"nothing can be written: {error.strerror or error}", False)
        return
    yield Finding("disk", f"{free_mb:,.0f} MB free in {folder}", free_mb >= LEAST_FREE_MB)


def cascade() -> Iterable[Finding]:
    """The files of OpenCV's face detectors; OpenCV 5 ships none."""
    try:
        import cv2

        from facevae.photo.finding import ALT, DEFAULT, PROFILE
    except ImportError as error:
        yield Finding("face detector", f"cannot be imported: {error}", False)
        return
    wanted = (ALT, DEFAULT, PROFILE)
    missing = [name for name in wanted if not (Path(cv2.data.haarcascades) / name).is_file()]
    there = f"OpenCV's {len(wanted)} cascades are there"
    yield Finding("face detector", f"{', '.join(missing)} missing from OpenCV" if missing else there, not missing)


def edit(source: str | Path | None, revision: str | None) -> Iterable[Finding]:
    """Open the checkpoint, then open, edit and save a photo."""
    start = time.perf_counter()
    try:
        from facevae.editor import Editor

        editor = Editor(source, revision=revision)
    except (ValueError, ImportError, RuntimeError, OSError) as error:  # a failure here is a finding
        yield Finding("checkpoint", str(error), False)
        return
    known = f"{editor.checkpoint.name}, SHA-256 {editor.checkpoint.digest[:12]}"
    yield Finding("checkpoint", f"{known}, in {time.perf_counter() - start:.1f} s")
    times = [time.perf_counter()]
    face = editor.open_photo(ASSETS / "examples" / "astronaut.jpg")
    times.append(time.perf_counter())
    name = ATTRIBUTE if ATTRIBUTE in editor.directions else next(iter(editor.directions))
    edited = editor.edit(face, {name: editor.directions[name].high}).photo
    times.append(time.perf_counter())
    content, _ = editor.save(face, {name: 1.0})
    times.append(time.perf_counter())
    opening, drawing, saving = (1e3 * (b - a) for a, b in pairwise(times))
    fine = bool(face.photo is not None and (edited != face.photo).any()) and len(content) > 1000
    took = f"open {opening:.0f} ms, edit {drawing:.0f} ms, save {saving:.0f} ms"
    yield Finding("one edit", took if fine else f"{took}; nothing changed", fine)
