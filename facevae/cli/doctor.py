"""Is this machine fit for facevae? Versions, device, checkpoint, what finds faces, disk, and one edit, timed."""

import argparse
import importlib.util
import os
import platform
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import metadata
from itertools import pairwise
from pathlib import Path

from facevae.files import ASSETS, HERE
from facevae.version import __version__

OPTIONAL = {"av": "MP4 films", "tyro": "the commands of training"}
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
    """Look at everything, and say a line for each as soon as it is known; 0 where all is fine, 1 where something is not.

    `source` is a checkpoint as `Editor` takes it: None is the embedded one.
    """
    wrong = 0
    for finding in examine(source, revision):
        wrong += not finding.fine
        say(f"{'  ' if finding.fine else '! '}{finding.what:24}{finding.found}")
    say("All is well." if not wrong else f"Not as it should be: {wrong}, marked with an exclamation mark.")
    return int(wrong > 0)


def examine(source: str | Path | None = None, revision: str | None = None) -> Iterable[Finding]:
    """The findings, one after the other; a look that fails is a finding, too."""
    yield Finding("facevae", f"{__version__} in {HERE}")
    yield Finding("Python", f"{platform.python_version()} on {platform.system()} {platform.machine()}", sys.version_info >= (3, 10))
    yield from versions()
    yield from machine()
    yield from disk()
    yield from cascade()
    yield from edit(source, revision)


def versions() -> Iterable[Finding]:
    """What is installed, against what facevae asks for."""
    for name, limits in asked_for().items():
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            yield Finding(name, "is not installed: pip install facevae", False)
            continue
        fine = fits(version, limits)
        yield Finding(name, version if fine else f"{version}, asked for: {limits}", fine)
    for name, what in OPTIONAL.items():
        there = importlib.util.find_spec(name) is not None
        yield Finding(name, metadata.version(name) if there else f"not installed; only {what} need it")


def asked_for() -> dict[str, str]:
    """Limits by package: from requirements.txt in the repository, from the metadata where pip has installed a wheel."""
    listed = HERE.parent / "requirements.txt"
    try:
        lines = listed.read_text().splitlines() if listed.is_file() else metadata.requires("facevae") or []
    except metadata.PackageNotFoundError:
        return {}
    found = (re.match(r"([A-Za-z0-9_.-]+)\s*([<>=!~][^;#]*)", line) for line in lines if "extra ==" not in line)
    return {match[1].lower(): match[2].strip() for match in found if match}


def fits(version: str, limits: str) -> bool:
    """Whether a version lies within limits such as ">=2.11,<3"; only these two kinds are asked for."""

    def numbers(text: str) -> tuple[int, ...]:
        return tuple(int(part) for part in re.match(r"\d+(?:\.\d+)*", text)[0].split("."))  # type: ignore[index]

    compared = {">=": lambda a, b: a >= b, "<": lambda a, b: a < b}
    return all(compared[op](numbers(version), numbers(bound)) for op, bound in re.findall(r"(>=|<)\s*([\d.]+)", limits))


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


def disk() -> Iterable[Finding]:
    """Room where uploads and results go for at most an hour."""
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
    """The detector that proposes places for faces; OpenCV 5 brings none."""
    try:
        import cv2

        from facevae.photo.alignment import ALT, DEFAULT, PROFILE
    except ImportError as error:
        yield Finding("face detector", f"cannot be imported: {error}", False)
        return
    wanted = (ALT, DEFAULT, PROFILE)
    missing = [name for name in wanted if not (Path(cv2.data.haarcascades) / name).is_file()]
    there = f"OpenCV's {len(wanted)} cascades are there"
    yield Finding("face detector", f"{', '.join(missing)} missing from OpenCV" if missing else there, not missing)


def edit(source: str | Path | None, revision: str | None) -> Iterable[Finding]:
    """The checkpoint, and the whole way of a photo: open, edit, save."""
    start = time.perf_counter()
    try:
        from facevae.editor import Editor

        editor = Editor(source, revision=revision)
    except (ValueError, ImportError, RuntimeError, OSError) as error:  # whatever fails here is what was looked for
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
