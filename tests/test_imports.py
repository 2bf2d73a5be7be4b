"""Who may know whom (design, section 2), read from the syntax; importing has no effect."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PARTS = ("studio", "opening", "drawing", "guiding", "interpolation", "saving", "controls")
EDITOR = ("facevae.editor", *(f"facevae.{part}" for part in PARTS))
FORBIDDEN = {
    "facevae": ("train",),
    "facevae/photo": ("facevae.nets", "facevae.latent", "facevae.ui", *EDITOR),
    "facevae/nets": ("facevae.photo", "facevae.latent", "facevae.ui", *EDITOR, "facevae.checkpoint"),
    "facevae/latent": ("facevae.photo", "facevae.nets", "facevae.ui", *EDITOR, "facevae.checkpoint"),
    "facevae/cli": ("facevae.ui", "train"),
    "facevae/ui": ("torch", "facevae.nets", "facevae.latent", "train"),
    "train": ("facevae.ui", "gradio"),
}


def imported(path: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(path.read_text())))
    plain = {a.name for n in nodes if isinstance(n, ast.Import) for a in n.names}
    return plain | {n.module for n in nodes if isinstance(n, ast.ImportFrom) and n.module}


@pytest.mark.parametrize("room", FORBIDDEN)
def test_rooms_keep_to_their_doors(room: str) -> None:
    files = list((ROOT / room).rglob("*.py"))
    assert files
    for file in files:
        wrong = [m for m in imported(file) for f in FORBIDDEN[room] if m == f or m.startswith(f + ".")]
        assert not wrong, f"{file.relative_to(ROOT)} imports {wrong}"


@pytest.mark.parametrize("part", PARTS)
def test_the_parts_of_the_editor_do_not_know_the_whole(part: str) -> None:
    assert "facevae.editor" not in imported(ROOT / "facevae" / f"{part}.py")


def test_gradio_lives_in_ui_alone() -> None:
    for file in (ROOT / "facevae").rglob("*.py"):
        if "ui" not in file.relative_to(ROOT / "facevae").parts:
            assert not [m for m in imported(file) if m.split(".")[0] == "gradio"], file


def test_the_app_starts_with_nothing_drawn_and_without_compilers_and_model_zoos() -> None:
    """Each of these takes longer to import than the page to build; importing draws no random number and makes no CUDA context."""
    program = (
        "import sys, torch; before = torch.get_rng_state(); from facevae.editor import Editor; from facevae.ui.page import build_page; "
        "assert torch.equal(before, torch.get_rng_state()) and not torch.cuda.is_initialized(); build_page(Editor()); "
        "print(sorted({'torchvision', 'torch._dynamo', 'sympy', 'sklearn', 'matplotlib', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip().splitlines()[-1] == "[]"
