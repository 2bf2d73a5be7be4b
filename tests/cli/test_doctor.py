"""The doctor sees what is wrong, and says it in its line."""

from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from facevae.__main__ import main
from facevae.cli.doctor import doctor, requirements


def look(**how) -> tuple[int, dict[str, str]]:
    lines: list[str] = []
    code = doctor(say=lines.append, **how)
    return code, {line[:18].strip(): line for line in lines}


def test_a_fit_machine() -> None:
    code, lines = look()
    assert code == 0 and lines["All is well."]
    assert not [line for line in lines.values() if line.startswith("!")]
    assert {"torch", "gradio", "device", "disk", "face detector", "checkpoint", "one edit"} <= set(lines)
    assert "SHA-256" in lines["checkpoint"] and " ms, save " in lines["one edit"]


def test_what_is_missing_is_marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "nowhere"))
    monkeypatch.setattr("cv2.data.haarcascades", str(tmp_path))
    wanted = {name: Requirement(f"{name}>={least}") for name, least in (("torch", 99), ("facevae-none", 1))}
    monkeypatch.setattr("facevae.cli.doctor.requirements", lambda: wanted)
    code, lines = look(source=tmp_path)
    assert code == 1
    for what, words in {
        "! torch": "required: >=99",
        "! facevae-none": "is not installed",
        "! disk": "nothing can be written",
        "! face detector": "haarcascade_profileface.xml missing",
        "! checkpoint": "lacks config.json",
    }.items():
        assert words in lines[what], lines
    assert "Not as it should be: 5, marked with an exclamation mark." in lines.values()


def test_versions_are_compared_as_the_requirements_say() -> None:
    limits = requirements()["torch"].specifier
    assert limits == SpecifierSet(">=2.11,<3") and "gradio" in requirements()
    assert "2.11.0+cu130" in limits and "3.0" not in limits and "2.9.1" not in limits


def test_an_installed_wheel_knows_its_requirements_without_the_extras(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("facevae.cli.doctor.ROOT", tmp_path)
    monkeypatch.setattr("importlib.metadata.requires", lambda name: ["torch<3,>=2.11", 'tyro<2,>=0.9; extra == "train"'])
    assert list(requirements()) == ["torch"]


def test_the_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["doctor", "--checkpoint", str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert f"! checkpoint              the checkpoint {tmp_path} lacks config.json\n" in said.out and not said.err
