"""app.py with one thing changed for a benchmark: python -m train.bench.altered_page [FLAGS].

No module of training imports it. Training knows neither Gradio nor the page (tests/test_layers.py), and this program does not, either: it
opens app.py as Python does, and changes what app.py is about to launch.
"""

import argparse
import base64
import functools
import importlib
import inspect
import io
import os
import runpy
import sys
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from facevae.files import ROOT
from train.bench.slider_client import JPEG, WIDGET

MARK_PX = 16
"""A square of two JPEG blocks: no quantisation makes two colours of it one."""


def main() -> None:
    """Parse our own flags, change the launch, and run app.py with the others."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trivial", action="store_true", help="what draws the edit while a slider moves computes nothing")
    parser.add_argument("--keep-sec", type=int, help="uploads and results are deleted after so long, not after an hour")
    ours, others = parser.parse_known_args()
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    blocks = importlib.import_module("gradio").Blocks
    launch = blocks.launch

    def altered_launch(page: Any, *args: Any, **options: Any) -> Any:
        if ours.trivial:
            empty_sliders(page)
        if ours.keep_sec:
            page.delete_cache = (max(ours.keep_sec // 6, 1), ours.keep_sec)
        return launch(page, *args, **options)

    if ours.keep_sec:
        cleaning = importlib.import_module("facevae.ui.server.temp_files")
        cleaning.SWEEP_SEC, cleaning.OLDEST_SEC = ours.keep_sec / 20, ours.keep_sec * 1.1
    blocks.launch = altered_launch
    sys.argv = ["app.py", *others]
    runpy.run_path(str(ROOT / "app.py"), run_name="__main__")


def empty_sliders(page: Any) -> None:
    """What draws the edit when a slider of an attribute moves, or rests, answers from memory: same widgets, same outputs, no work.

    What else listens stays as it is: it has a pace of its own, and each answer of it costs the browser as much as a picture.
    """
    widget = next(block for block in page.blocks.values() if getattr(block, "elem_id", None) == WIDGET)
    widget.draw = remembering(widget.draw)
    for function in page.fns.values():
        drawn = [getattr(widget, "elem_id", None) for widget in function.outputs]
        if (widget._id, "rest") in function.targets and "result" in drawn:
            assert not inspect.isgeneratorfunction(function.fn)
            function.fn = remembering(function.fn)


def remembering(function: Callable[..., Any]) -> Callable[..., Any]:
    """Computes once and gives that answer ever after, its pictures marked by the numbers that were sent."""
    answers: list[Any] = []

    @functools.wraps(function)
    def answer(*values: Any) -> Any:
        if not answers or answers[0] is None:  # there may be nothing to show yet
            answers[:] = [function(*values)]
        sent = repr(sorted(value for value in numbers(values) if isinstance(value, int | float)))  # in any order: Gradio has its own
        return marked(answers[0], zlib.crc32(sent.encode()))

    return answer


def numbers(values: Any) -> list[Any]:
    """What was sent, the values of widgets by their names among it."""
    return [inner for value in values for inner in (value.values() if isinstance(value, dict) else [value])]


def marked(answer: Any, number: int) -> Any:
    """The same answer with a square in its pictures whose colour tells the number."""
    if isinstance(answer, np.ndarray):
        answer = Image.fromarray(answer)
    if isinstance(answer, Image.Image):
        answer = answer.copy()
        answer.paste((number & 255, number >> 8 & 255, number >> 16 & 255), (0, 0, MARK_PX, MARK_PX))
        return answer
    if isinstance(answer, str) and answer.startswith(JPEG):
        buffer = io.BytesIO()
        with Image.open(io.BytesIO(base64.b64decode(answer.removeprefix(JPEG)))) as image:
            marked(image.convert("RGB"), number).save(buffer, "JPEG")
        return JPEG + base64.b64encode(buffer.getvalue()).decode()
    if isinstance(answer, dict):
        return {key: marked(value, number) for key, value in answer.items()}
    if isinstance(answer, tuple | list):
        return type(answer)(marked(value, number) for value in answer)
    return answer


if __name__ == "__main__":
    main()
