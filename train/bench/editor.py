"""Benchmark: the editor's calls against ONNX Runtime, bare gradients and a copy in memory.

Each call is measured next to the least time that it could take, its floor.
"""

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from facevae.editor import Editor, Face
from facevae.latent import moves
from facevae.latent.inversion import InversionConfig
from facevae.memory import limit_malloc
from facevae.photo import images
from train.bench.timing import SCREEN_PX, large_photo, machine, print_goals, print_machine
from train.publish.served_page import APP, checkpoint_flags, served

APP_THREADS = 2
USERS = 8  # whose decodes are batched
MOST_DECODE, MOST_GUIDANCE, MOST_MEMORY_MB = 1.1, 1.2, 1.2 * 1024
REST_SEC = 0.1  # ONNX Runtime's threads spin for a while after each call, and would take the next call's cores
IN_A_ROW = 5
WANTED = {"Eyeglasses": True}
LONG = 16
"""Steps of a search before it begins anew."""


def bench_editor(editor: Editor, rounds: int, checkpoint: Path | None = None) -> dict[str, Any]:
    """Milliseconds (medians) of each call and of its floor, in turn, on two threads as the app has them; the app's peak memory.

    `ValueError` where ONNX Runtime is missing.
    """
    before, threads = machine(), torch.get_num_threads()
    torch.set_num_threads(APP_THREADS)
    limit_malloc()  # as app.py does
    try:
        pairs = list_pairs(editor, WANTED)
        calls = {f"{name}{end}": call for name, pair in pairs.items() for end, call in zip(("", FLOOR), pair, strict=True)}
        timed = time_rows(calls, rounds)
    finally:
        torch.set_num_threads(threads)
    rows = {}
    for name in pairs:
        (rested, ms), (rested_floor, floor_ms) = (1e3 * timed[f"{name}{end}"] for end in ("", FLOOR))
        each = USERS if name == BATCHED else 1
        ratios = {"ratio": ms / floor_ms, "rested_ratio": rested / rested_floor}
        rows[name] = {"ms": ms / each, "floor_ms": floor_ms / each, "rested_ms": rested / each} | ratios
    return {**before, "threads": APP_THREADS, "rounds": rounds, "rows": rows, "app_peak_mb": app_peak_mb(checkpoint)}


def time_rows(calls: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, np.ndarray]:
    """Median seconds of each call, (2,): as the first one after a rest, when threads have to be woken, and in a row after it.

    All take their turns in each round, so that a busy machine is busy for all. One round warms up.
    """
    seconds: dict[str, list[list[float]]] = {name: [] for name in calls}
    for number in range(rounds + 1):
        for name, call in calls.items():
            time.sleep(REST_SEC)
            at = [time.perf_counter()]
            for _ in range(1 + IN_A_ROW):
                call()
                at.append(time.perf_counter())
            if number:
                seconds[name].append(list(np.diff(at)))
    return {name: np.array([np.median([r[0] for r in row]), np.median([r[1:] for r in row])]) for name, row in seconds.items()}


FLOOR = ", floor"
DECODE, BATCHED, GUIDANCE = "decode", f"decode, {USERS} users at once, each", "guidance step"
FIRST_TOUCH = "first touch of a flow slider"


def list_pairs(editor: Editor, wanted: Mapping[str, bool]) -> dict[str, tuple[Callable[[], object], Callable[[], object]]]:
    """Name -> our call, and the one that bounds it."""
    net, guide, content = editor.checkpoint.net, editor.checkpoint.classifier, large_photo()
    face = editor.open_photo(content)
    strengths = {control.name: control.high / 2 for control in editor.controls[:1]}
    z, x = torch.from_numpy(face.latent), images.to_float(face.crop)
    users = torch.randn((USERS, len(z)), generator=torch.Generator().manual_seed(0))
    screen, other = editor.edit(face, max_side_px=SCREEN_PX).photo, editor.generate([2])[0]
    photo = content_pixels(face)

    def drawn(latent: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            return editor.renderer.decode(latent)

    def encoded() -> object:
        with torch.inference_mode():
            return editor.renderer.fast_net.encode(x).mode

    def together() -> object:
        with torch.inference_mode():
            return editor.renderer.fast_net.decode(users)

    def gradient(views: int, look: Callable[[torch.Tensor], Any]) -> Callable[[], object]:
        def call() -> object:
            moved = z.repeat(views, 1).requires_grad_(True)
            seen = look(net.decode(moved))
            value = sum(s.square().mean() for s in seen) if isinstance(seen, list) else seen.square().mean()
            return torch.autograd.grad(value, [moved])

        return call

    decoder, encoder = onnx_call(net.decoder, z[None]), onnx_call(net.encoder, x)
    refinement = Repeated(lambda: editor.refine(face, InversionConfig(steps=LONG, plateau=0.0)))
    guidance = Repeated(lambda: editor.guide(face, wanted, target=0.9999, steps=LONG))
    pairs = {
        DECODE: (lambda: drawn(z), decoder),
        "encode": (encoded, encoder),
        BATCHED: (together, lambda: [drawn(user) for user in users]),
        "refinement step": (refinement, gradient(1, guide.features)),
        GUIDANCE: (guidance, gradient(2, guide)),
        "preview of an edit, 1024 px": (lambda: editor.edit(face, strengths, max_side_px=SCREEN_PX).photo, lambda: screen.copy()),
        "edit of 12 megapixels": (lambda: editor.edit(face, strengths).photo, lambda: photo.copy()),
        "morph frame": (lambda: editor.morph(face, other, [0.4]), decoder),
    }
    curved = [name for name in editor.directions if editor.renderer.is_curved(name)]
    return pairs | ({FIRST_TOUCH: (lambda: touch(editor, face, curved[0]), velocities(editor))} if curved else {})


def touch(editor: Editor, face: Face, name: str) -> None:
    """Move a slider that follows the latent flow, of a face that nothing is remembered of."""
    moves.forget()
    editor.slide(face.latent, name, editor.directions[name].high)


def velocities(editor: Editor) -> Callable[[], object]:
    """The velocity net alone, as often as a first touch needs it: there with one latent, and back with two for each knot."""
    flow_moves = editor.renderer.flow_moves
    assert flow_moves is not None
    net, config = flow_moves.flow.net, flow_moves.flow.config
    there, back = (torch.zeros(rows, config.latent + 1 + config.labels) for rows in (1, 2 * len(moves.KNOTS)))

    def call() -> None:
        with torch.inference_mode():
            for query in (there, back):
                for _ in range(2 * moves.STEPS):  # Heun's method asks twice a step
                    net(query)

    return call


def content_pixels(face: Face) -> np.ndarray:
    """The photo of a face that has one."""
    assert face.photo is not None
    return face.photo


class Repeated:
    """The next step of a search at each call; a new search where one has ended."""

    def __init__(self, begin: Callable[[], Iterator[object]]) -> None:
        self.begin, self.search = begin, begin()

    def __call__(self) -> None:
        while next(self.search, None) is None:
            self.search = self.begin()
            next(self.search)


def onnx_call(net: nn.Module, example: torch.Tensor) -> Callable[[], object]:
    """The same weights in ONNX Runtime, float32, on as many threads."""
    try:
        import onnx  # noqa: F401  (torch's exporter needs it)
        import onnxruntime
    except ImportError:
        raise ValueError("ONNX Runtime is missing: pip install -e '.[bench]'") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = APP_THREADS
    with tempfile.TemporaryDirectory(prefix="facevae-bench-") as folder:
        path = Path(folder) / "net.onnx"
        torch.onnx.export(net, (example,), path, dynamo=False, input_names=["x"])
        session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    given = {"x": example.contiguous().numpy()}
    with torch.inference_mode():
        assert np.abs(session.run(None, given)[0] - net(example).numpy()).max() < 1e-3
    return lambda: session.run(None, given)


def app_peak_mb(checkpoint: Path | None) -> float:
    """Most memory that app.py ever held, in a process of its own, for opening, refining, editing and saving a 12 MP photo."""
    from gradio_client import Client, handle_file

    with tempfile.NamedTemporaryFile(suffix=".jpg") as file, served(APP, *checkpoint_flags(checkpoint)) as server:
        file.write(large_photo())
        file.flush()
        client = Client(server.url, verbose=False)
        client.predict(handle_file(file.name), {"Smiling": 2.0}, api_name="/edit")
        client.close()
        return server.peak_mb


def print_editor(found: dict[str, Any]) -> None:
    """A row for each call, and the goals."""
    print_machine(found)
    print(f"{found['threads']} threads, medians of {found['rounds']} rounds: {IN_A_ROW} in a row; the first after {REST_SEC:g} s of rest\n")
    print(f"{'':34}{'ms':>9}{'floor, ms':>12}{'ratio':>9}{'rested, ms':>13}{'ratio':>9}")
    for name, row in found["rows"].items():
        print(f"{name:34}{row['ms']:9.2f}{row['floor_ms']:12.2f}{row['ratio']:9.2f}{row['rested_ms']:13.2f}{row['rested_ratio']:9.2f}")
    ratio = {name: row["ratio"] for name, row in found["rows"].items()}
    goals = [
        (f"decoding takes {ratio[DECODE]:.2f} times ONNX Runtime (goal {MOST_DECODE:g})", ratio[DECODE] <= MOST_DECODE),
        (f"{USERS} users at once take {ratio[BATCHED]:.2f} times one by one (goal 1)", ratio[BATCHED] <= 1),
        (
            f"a guidance step takes {ratio[GUIDANCE]:.2f} times its gradient alone (goal {MOST_GUIDANCE:g})",
            ratio[GUIDANCE] <= MOST_GUIDANCE,
        ),
        (f"the app held {found['app_peak_mb']:.0f} MB at most (goal {MOST_MEMORY_MB:.0f})", found["app_peak_mb"] <= MOST_MEMORY_MB),
    ]
    print_goals(goals)
