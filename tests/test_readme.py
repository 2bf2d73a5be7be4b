"""What the README shows is true: its commands parse, its code runs, its front matter and the requirements agree."""

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest

from train.__main__ import main
from train.report.page import write_index

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def commands() -> list[str]:
    blocks = re.findall(r"```bash\n(.*?)```", README, flags=re.S)
    return [line for block in blocks for line in block.splitlines() if line.startswith("python -m train")]


@pytest.mark.parametrize("line", commands())
def test_training_commands_parse(line: str) -> None:
    assert main([*shlex.split(line)[3:], "--dry-run"]) == 0


def test_python_block_runs_as_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code = re.search(r"```python\n(.*?)```", README, flags=re.S).group(1)
    names: dict = {}
    exec(code.replace('"assets/', f'"{ROOT}/assets/'), names)
    assert names["result"].photo.shape == names["face"].photo.shape
    assert len(names["film"]) == 30
    assert (tmp_path / "glasses.jpg").read_bytes().startswith(b"\xff\xd8\xff")  # the astronaut is a JPEG


def test_numbers_are_those_of_the_embedded_checkpoint() -> None:
    from facevae.checkpoint.checkpoint import Checkpoint
    from train.publish.card import MARKS, numbers

    inside = README.split(MARKS[0] + "\n")[1].split(MARKS[1])[0]
    assert inside == numbers(Checkpoint.from_pretrained().evaluation)


def test_milestones_are_those_that_were_measured() -> None:
    from facevae.checkpoint.checkpoint import Checkpoint
    from train.publish.milestones import KEPT, MARKS, milestones

    inside = README.split(MARKS[0] + "\n")[1].split(MARKS[1])[0]
    assert inside == milestones(json.loads(KEPT.read_text()), Checkpoint.from_pretrained().evaluation)


def test_ablation_is_the_one_that_was_measured() -> None:
    from train.report.ablation import MARKS, ablation_table, note

    found = json.loads((ROOT / "docs" / "ablation.json").read_text())
    assert README.split(MARKS[0] + "\n")[1].split(MARKS[1])[0] == note(found) + ablation_table(found)


def test_pictures_exist() -> None:
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", README)
    assert pictures and not [p for p in pictures if not (ROOT / p).is_file()]


def test_space_runs_a_gradio_that_the_requirements_allow() -> None:
    from packaging.requirements import Requirement

    version = re.search(r"^sdk_version: (\S+)$", README, flags=re.M).group(1)
    lines = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if line.startswith("gradio")]
    assert Requirement(lines[0]).specifier.contains(version)


def test_table_of_claims_is_what_the_published_reports_found(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "docs" / "reports", tmp_path / "reports")
    assert {p.name for p in (tmp_path / "reports").iterdir()} == {"residual", "disentangling", "lambda", "twins"}
    assert write_index(tmp_path).read_text() == (ROOT / "docs" / "reports.md").read_text()
    for page in (tmp_path / "reports").glob("*/report.md"):
        links = re.findall(r"\]\((figures/[^)]+)\)", page.read_text())
        assert links and all((page.parent / link).is_file() for link in links)
