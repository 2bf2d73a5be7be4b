"""Command `bench`: what is timed, and against what."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from train.vae.config import PRESETS


@dataclass(frozen=True)
class Bench:
    """Time the app and the training: each against what it is measured by, in the same run."""

    what: Annotated[Literal["photo", "page", "start", "load", "editor", "step", "peers", "data"], tyro.conf.Positional] = "photo"
    """photo: opening and saving 12 megapixels. page: from a slider's move to the picture, in Chromium. start: from `python app.py`
    to the first answer and the first edit. load: users of the page over HTTP, each with a face of their own. editor: what it
    computes, against ONNX Runtime, bare gradients and a copy in memory. step: the training loop against its bare step. peers: and
    against the loops of others. data: preparing, packing and reading pictures, and training over ever more of them."""
    checkpoint: Path | None = None
    repeats: int = 7
    """Rounds of photo, editor, step, peers and data, drags of page, starts of start."""
    data: Path | None = None
    """Prepared data, for step and peers."""
    celeba: Path | None = None
    """Folder in CelebA's own layout, for peers and data."""
    preset: Literal[tuple(PRESETS)] = "faces-128"  # type: ignore[valid-type]
    """What step and peers train."""
    steps: int = 8
    """That are counted in each run of step, peers and data."""
    users: int = 20
    minutes: float = 10.0
    json: Path | None = None
    """Where the figures go as JSON."""

    def run(self) -> None:
        from facevae.files import write_json

        if self.repeats < 1:
            raise ValueError(f"--repeats {self.repeats}: at least one is needed")
        if self.steps < 2:
            raise ValueError(f"--steps {self.steps}: at least two are needed")
        found = getattr(self, self.what if self.what != "data" else "growth")()
        if self.json is not None:
            write_json(self.json, found)

    def photo(self) -> dict[str, Any]:
        from facevae.editor import Editor
        from train.bench.timing import bench_photo, print_bench

        print_bench(found := bench_photo(Editor(self.checkpoint), self.repeats))
        return found

    def page(self) -> dict[str, Any]:
        from train.bench.page import bench_page, print_page

        print_page(found := bench_page(self.repeats, self.checkpoint))
        return found

    def start(self) -> dict[str, Any]:
        from train.bench.start import bench_start, print_start

        print_start(found := bench_start(self.repeats, self.checkpoint))
        return found

    def load(self) -> dict[str, Any]:
        from train.bench.load import bench_load, print_load

        print_load(found := bench_load(self.users, self.minutes, self.checkpoint))
        return found

    def editor(self) -> dict[str, Any]:
        from facevae.editor import Editor
        from train.bench.editor import bench_editor, print_editor

        print_editor(found := bench_editor(Editor(self.checkpoint), self.repeats, self.checkpoint))
        return found

    def step(self) -> dict[str, Any]:
        from train.bench.training_step import bench_step, print_step

        print_step(found := bench_step(PRESETS[self.preset], self._prepared(), self.repeats, self.steps))
        return found

    def peers(self) -> dict[str, Any]:
        from train.bench.training_step import bench_peers, print_step

        print_step(found := bench_peers(PRESETS[self.preset], self._prepared(), self._celeba_folder(self.celeba), self.repeats, self.steps))
        return found

    def growth(self) -> dict[str, Any]:
        from train.bench.data import bench_data, print_data

        print_data(found := bench_data(self._celeba_folder(self.celeba), self.repeats, self.steps))
        return found

    def _prepared(self) -> Any:
        from train.data.prepared import PreparedData

        if self.data is None:
            raise ValueError(f"bench {self.what} needs --data, a folder that prepare wrote")
        return PreparedData(self.data).resized(PRESETS[self.preset].net.shape)

    def _celeba_folder(self, celeba: Path | None) -> Path:
        if celeba is None:
            raise ValueError(f"bench {self.what} needs --celeba, a folder in CelebA's own layout")
        return celeba
