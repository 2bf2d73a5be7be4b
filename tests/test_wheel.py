"""The wheel holds everything, and works from another folder than the repository: without it, nothing here is found."""

import configparser
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LEFT_OUT = shutil.ignore_patterns("figures", "__pycache__", "*.egg-info")
EDIT = """
import sys
from pathlib import Path
import facevae.editor
from facevae.editor import Editor
from facevae.exhibits.exhibit import EMBEDDED
assert Path(facevae.editor.__file__).is_relative_to(sys.argv[1]), facevae.editor.__file__
editor = Editor()
assert editor.checkpoint.card and any(EMBEDDED.glob("*/exhibit.json"))
from facevae.files import ASSETS
face = editor.open_photo(ASSETS / "examples" / "astronaut.jpg")
edited = editor.edit(face, {"Smiling": -2.0}).photo
print(editor.checkpoint.digest, int(abs(edited.astype(int) - face.photo).max()))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that nothing that a build leaves behind stays in the repository."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in ("facevae", "train", "assets"):
        shutil.copytree(ROOT / name, folder / "source" / name, ignore=LEFT_OUT)
    for name in ("pyproject.toml", "README.md", "LICENSE", "requirements.txt"):
        shutil.copy(ROOT / name, folder / "source" / name)
    how = ["--no-deps", "--no-build-isolation", "--disable-pip-version-check", "-q"]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *how, "-w", str(folder), str(folder / "source")], check=True)
    return next(folder.glob("facevae-*.whl"))


def test_an_unpacked_wheel_edits_a_face(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    env = os.environ | {"PYTHONPATH": str(tmp_path / "site")}
    done = subprocess.run([sys.executable, "-c", EDIT, str(tmp_path / "site")], cwd=elsewhere, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    digest, change = done.stdout.split()
    from facevae.checkpoint.metadata import EMBEDDED, summarize

    assert digest == summarize(EMBEDDED).digest and int(change) > 10
    assert not list(elsewhere.iterdir())


def test_the_wheel_holds_every_module_and_its_commands_exist(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        entries = configparser.ConfigParser()
        entries.read_string(archive.read(next(n for n in names if n.endswith("entry_points.txt"))).decode())
    files = [path for name in ("facevae", "train") for path in (ROOT / name).rglob("*") if path.suffix in (".py", ".css", ".js")]
    assert {path.relative_to(ROOT).as_posix() for path in files} <= names
    assert not [name for name in names if name.startswith(("tests", "assets", "app.py"))]
    commands = {name: f"{entry.partition(':')[0].replace('.', '/')}.py" for name, entry in entries["console_scripts"].items()}
    assert set(commands) == {"facevae", "facevae-train"} and set(commands.values()) <= names


def test_the_space_and_the_wheel_ask_for_the_same() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    assert 'dependencies = { file = ["requirements.txt"] }' in project
    assert f'__version__ = "{re.search(r"""^version = "(.+)"$""", project, flags=re.M)[1]}"' in (ROOT / "facevae/version.py").read_text()
