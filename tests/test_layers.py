"""Import rules: each room may import itself and what stands below it, read from the syntax. Importing has no effect."""

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
# From the top down. Rooms of one line do not import each other; a module belongs to the longest name that fits.
LAYERS = (
    ("train.__main__",),
    ("train.commands",),
    ("train.bench",),
    ("train.report",),
    ("train.publish",),
    ("train.evaluate",),
    ("train.latent",),
    ("train.measure",),
    ("train.networks",),
    ("train.vae",),
    ("train.data",),
    ("facevae.__init__", "facevae.__main__"),
    ("facevae.ui.serve", "facevae.cli"),
    ("facevae.ui.page",),
    ("facevae.ui.edit", "facevae.ui.generate", "facevae.ui.morph", "facevae.ui.latent_space", "facevae.ui.about", "facevae.ui.server"),
    ("facevae.ui",),
    ("facevae.request",),
    ("facevae.editor",),
    ("facevae.exhibits",),
    ("facevae.checkpoint",),
    ("facevae.latent", "facevae.photo"),
    ("facevae.nets",),
    ("facevae.settings", "facevae.attributes", "facevae.files", "facevae.memory"),
    ("facevae.version",),
)
DEPTH = {room: depth for depth, rooms in enumerate(LAYERS) for room in rooms}
# Of other people's packages: who alone may import them.
ONLY = {"gradio": ("facevae.ui",)}
NEVER = {"facevae.ui": ("torch", "facevae.nets", "facevae.latent"), "train": ("facevae.ui", "gradio")}


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 2 else parts)


MODULES = {module_of(path): path for package in ("facevae", "train") for path in sorted((ROOT / package).rglob("*.py"))}
PACKAGES = {module for module, path in MODULES.items() if path.name == "__init__.py"}


def room_of(module: str) -> str | None:
    fits = [room for room in DEPTH if module == room or module.startswith(room + ".")]
    return max(fits, key=len, default=None)


def imported(path: Path) -> set[str]:
    """Modules that a file imports anywhere in it, `from package import module` as the module."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else node.module for name in names}
    return found


def test_a_module_imports_its_own_room_and_those_below() -> None:
    for module, path in MODULES.items():
        room = "train" if module == "train.__init__" else room_of(module)
        assert room is not None, f"{module} stands in no room of LAYERS"
        for other in imported(path):
            if other.split(".")[0] not in ("facevae", "train"):
                continue
            other_room = room_of(other if other not in ("facevae", "train") else f"{other}.__init__")
            assert other_room is not None, f"{module} imports {other}, which stands in no room of LAYERS"
            assert other_room == room or DEPTH[other_room] > DEPTH[room], f"{module} imports {other}, which stands beside or above it"


def test_modules_of_the_editor_import_each_other_and_not_the_package() -> None:
    for module, path in MODULES.items():
        assert not module.startswith("facevae.editor.") or "facevae.editor" not in imported(path), module


def test_gradios_internals_are_used_in_one_module() -> None:
    for module, path in MODULES.items():
        if module != "facevae.ui.gradio_patches":
            assert not [other for other in imported(path) if other.startswith("gradio.")], module


def test_gradio_is_known_to_the_page_alone_and_the_page_knows_no_torch() -> None:
    for module, path in MODULES.items():
        others = imported(path)
        for package, rooms in ONLY.items():
            if not module.startswith(rooms):
                assert not [other for other in others if other.split(".")[0] == package], module
        for room, wrong in NEVER.items():
            if module.startswith(room):
                assert not [other for other in others for name in wrong if other == name or other.startswith(name + ".")], module


def test_folders_stay_small() -> None:
    for folder, most in (("facevae", 8), ("facevae/ui", 10), ("train", 3)):
        flat = [path.name for path in (ROOT / folder).glob("*.py") if not path.name.startswith("__")]
        assert len(flat) <= most, f"{folder} holds {len(flat)} modules side by side: {', '.join(sorted(flat))}"


def test_no_class_is_longer_than_300_lines() -> None:
    for module, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                assert node.end_lineno - node.lineno < 300, f"{module}.{node.name}"


def test_the_first_line_of_a_module_fits_a_search_result() -> None:
    for module, path in MODULES.items():
        text = ast.get_docstring(ast.parse(path.read_text()))
        assert text, module
        assert len(text.splitlines()[0]) <= 90, f"{module}: {text.splitlines()[0]}"


def test_the_app_starts_with_nothing_drawn_and_without_compilers_and_model_zoos() -> None:
    """Each of these takes longer to import than the page to build; importing draws no random number and makes no CUDA context."""
    program = (
        "import sys, torch; before = torch.get_rng_state(); from facevae.editor import Editor; from facevae.ui.page import build_page; "
        "assert torch.equal(before, torch.get_rng_state()) and not torch.cuda.is_initialized(); build_page(Editor()); "
        "print(sorted({'torchvision', 'torch._dynamo', 'sympy', 'sklearn', 'matplotlib', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip().splitlines()[-1] == "[]"
