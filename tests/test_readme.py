"""README and docs are true: commands exist, code runs, links resolve, tables hold what was measured."""

import contextlib
import functools
import io
import json
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from facevae.__main__ import COMMANDS as FACEVAE
from facevae.__main__ import main as facevae
from facevae.checkpoint.checkpoint import Checkpoint
from train.__main__ import COMMANDS as TRAIN
from train.__main__ import main as train
from train.report.page import write_index

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")] + sorted((ROOT / "docs").glob("*.md"))
MOST_BYTES = {"CHANGELOG.md": 6_000, "CONTRIBUTING.md": 4_000}
"""For a reader's time; 12 KB for every other page."""
TEXTS = {page.relative_to(ROOT).as_posix(): page.read_text() for page in PAGES}
FOLDERS = ("app.py", "facevae", "train", "tests", "assets", "docs")


def blocks(kind: str) -> list[tuple[str, str]]:
    """Code blocks of a language, each with its page."""
    return [(name, block) for name, text in TEXTS.items() for block in re.findall(rf"```{kind}\n(.*?)```", text, flags=re.S)]


def lines(start: str) -> list[str]:
    """Commands of the bash blocks that begin so, without what the shell does with them."""
    found = [line.partition(" > ")[0] for _, block in blocks("bash") for line in block.splitlines()]
    return sorted({line[line.index(start) :] for line in found if re.search(rf"(^|nohup |&& ){re.escape(start)}", line)})


@functools.cache
def flags_of(program: Callable[[list[str]], int], *command: str) -> set[str]:
    """The flags in the help of a command."""
    with contextlib.redirect_stdout(io.StringIO()) as text, contextlib.suppress(SystemExit):
        program([*command, "--help"])
    found = set(re.findall(r"--[a-z][a-z0-9.-]*", text.getvalue()))
    assert "--help" in found, command
    return found


@pytest.mark.parametrize("line", lines("python -m train "))
def test_training_commands_parse(line: str) -> None:
    words = shlex.split(line)[3:]
    if "--resume" in words:  # reads the run folder, which is not there
        assert {word for word in words if word.startswith("--")} <= flags_of(train, words[0])
    else:
        assert train([*words, "--dry-run"]) == 0


@pytest.mark.parametrize("line", lines("facevae ") + lines("python app.py"))
def test_flags_of_the_app_exist(line: str) -> None:
    words = line.removeprefix("python ").replace("app.py", "facevae app").split()[1:]
    name = next(name for name in FACEVAE if words[: len(name.split())] == name.split())
    used = {word for word in words if word.startswith("--")}
    assert not used or used <= flags_of(facevae, *name.split())


@pytest.mark.parametrize("page", TEXTS)
def test_commands_in_sentences_exist(page: str) -> None:
    for code in re.findall(r"`([^`\n]+)`", TEXTS[page]):
        words = code.split()
        if words[:3] == ["python", "-m", "train"] and len(words) > 3:
            assert words[3] in {*TRAIN, "COMMAND"}, code
            if words[3] == "COMMAND":
                continue
            used = {word for word in words if word.startswith("--")}
            assert not used or used <= flags_of(train, words[3]), code
        elif words[0] == "facevae" and len(words) > 1:
            assert any(words[1 : 1 + len(name.split())] == name.split() for name in FACEVAE) or words[1] == "COMMAND", code
        elif words[0] == "python" and words[1].endswith(".py"):
            assert (ROOT / words[1]).is_file(), code


@pytest.mark.parametrize("page", TEXTS)
def test_paths_and_modules_exist(page: str) -> None:
    for code in re.findall(r"`([\w./-]+)`", TEXTS[page]):
        if "/" in code and code.split("/")[0] in FOLDERS:
            assert (ROOT / code).exists(), code
        elif code.startswith(("facevae.", "train.")):
            parts = code.split(".")
            assert any(
                (ROOT / "/".join(parts[:n])).with_suffix(".py").is_file() or (ROOT / "/".join(parts[:n])).is_dir() for n in (2, 3, 4)
            )


@pytest.mark.parametrize("page", TEXTS)
def test_links_resolve(page: str) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", TEXTS[page]):
        if link.startswith(("http://", "https://")):
            continue
        name, _, anchor = link.partition("#")
        target = (ROOT / page).parent / name if name else ROOT / page
        assert target.exists(), link
        titles = (
            [re.sub(r"[^\w -]", "", t.lower()).replace(" ", "-") for t in re.findall(r"^#+ (.+)$", target.read_text(), re.M)]
            if anchor
            else []
        )
        assert not anchor or anchor in titles, link


def test_pages_are_short_and_linked_from_the_readme() -> None:
    for page in [*PAGES, ROOT / "CHANGELOG.md"]:
        assert page.stat().st_size <= MOST_BYTES.get(page.name, 12_000), page.name
    assert {name for name in TEXTS if name != "README.md"} <= set(re.findall(r"\]\(([^)#]+)", TEXTS["README.md"]))


def test_the_tree_of_the_readme_is_the_repository() -> None:
    tree = re.search(r"```\n(app\.py.*?)```", TEXTS["README.md"], flags=re.S).group(1)
    folder = ROOT
    for line in tree.splitlines():
        names = re.match(r" *((?:[\w/]+(?:/|\.py) *)+)", line)[1].split()
        if not line.startswith(" "):
            folder = ROOT
        assert all((folder / name).exists() for name in names), line
        if not line.startswith(" "):
            folder = ROOT / names[0]
        assert all(list(folder.parent.rglob(name)) for name in re.findall(r"[\w/]+\.py", line)), line
    for package in ("facevae", "train"):
        rooms = {path.name for path in (ROOT / package).iterdir() if path.is_dir() and any(path.glob("*.py"))}
        assert not [room for room in rooms if f"{room}/" not in tree], package


@pytest.mark.parametrize(("page", "block"), [found for found in blocks("python") if found[0] != "docs/api.md"], ids=lambda text: text[:20])
def test_python_blocks_run_as_printed(page: str, block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example of docs/api.md runs in tests/cli/test_same_picture.py, against a real server."""
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(block.replace('"assets/', f'"{ROOT}/assets/'), names)
    assert names["result"].photo.shape == names["face"].photo.shape
    if page == "README.md":
        assert len(names["film"]) == 30
        assert (tmp_path / "glasses.jpg").read_bytes().startswith(b"\xff\xd8\xff")  # the astronaut is a JPEG


def between(page: str, marks: tuple[str, str]) -> str:
    """What a page holds between two marks, each of which it has once."""
    _, rest = TEXTS[page].split(marks[0] + "\n")
    inside, _ = rest.split(marks[1])
    return inside


def test_figures_of_the_readme_are_those_of_the_embedded_checkpoint() -> None:
    from train.publish.card import MARKS, numbers

    assert between("README.md", MARKS) == numbers(Checkpoint.from_pretrained())
    assert len(between("README.md", MARKS).splitlines()) == 2 + 8


def test_milestones_are_those_that_were_measured() -> None:
    from train.publish.milestones import KEPT, MARKS, PAGE, milestones

    page = PAGE.relative_to(ROOT).as_posix()
    assert between(page, MARKS) == milestones(json.loads(KEPT.read_text()), Checkpoint.from_pretrained().evaluation)


def test_ablation_is_the_one_that_was_measured() -> None:
    from train.report.ablation import MARKS, ablation_table, note

    found = json.loads((ROOT / "docs" / "ablation.json").read_text())
    assert between("docs/ablation.md", MARKS) == note(found) + ablation_table(found)


def test_the_space_runs_a_gradio_that_the_requirements_allow() -> None:
    from packaging.requirements import Requirement

    version = re.search(r"^sdk_version: (\S+)$", TEXTS["README.md"], flags=re.M).group(1)
    wanted = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if line.startswith("gradio")]
    assert Requirement(wanted[0]).specifier.contains(version)


def test_every_requirement_has_both_bounds() -> None:
    from packaging.requirements import Requirement

    wanted = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if line and not line.startswith("#")]
    for line in wanted:
        assert {part.operator for part in Requirement(line).specifier} == {">=", "<"}, line


def test_the_table_of_claims_is_what_the_published_reports_found(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "docs" / "reports", tmp_path / "reports")
    assert {p.name for p in (tmp_path / "reports").iterdir()} == {"residual", "disentangling", "lambda", "twins"}
    assert write_index(tmp_path).read_text() == (ROOT / "docs" / "reports.md").read_text()
    for page in (tmp_path / "reports").glob("*/report.md"):
        links = re.findall(r"\]\((figures/[^)]+)\)", page.read_text())
        assert links and all((page.parent / link).is_file() for link in links)
