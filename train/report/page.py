"""The page of a report: sections, tables, figures, and "claimed / found"."""

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import UInt8
from matplotlib.figure import Figure
from PIL import Image

from facevae.files import write_atomic, write_json
from train.report.plots import enlarge
from train.vae.sample_sheets import save_png

INDEX = """\
Written by `python -m train report NAME --publish docs`. A claim is *found* where all of its parts hold by the rule that its sentence
states, *partly* where some do. The short budget sees a fiftieth to a quarter of the full one's images: a claim that is not found here may
still hold for a net that saw more pictures, and the other way round."""
Verdict = Literal["found", "partly", "not found", "not testable"]


@dataclass(frozen=True)
class Claim:
    """What a report claimed, what was found here, with the figures, and whether the two agree."""

    claimed: str
    found: str
    verdict: Verdict


class ReportPage:
    """Collects in reading order; `write` makes `report.md` and `results.json`.

    Figures lie in `figures/`. Those that show photos of the data are `private`: they lie in `private/`, the page only
    names them, and `publish` leaves them behind.
    """

    def __init__(self, folder: Path, report: str, budget: str, title: str, introduction: str) -> None:
        self.folder, self.report, self.budget, self.title, self.introduction = folder, report, budget, title, introduction
        self.claims: list[Claim] = []
        self.numbers: dict[str, Any] = {}
        self.body: list[str] = []

    def section(self, title: str, text: str = "") -> None:
        """A heading, and a paragraph of Markdown below it."""
        self.body.append(f"## {title}")
        self.text(text)

    def text(self, text: str) -> None:
        """A paragraph of Markdown."""
        if text:
            self.body.append(text)

    def claim(self, claimed: str, found: str, verdict: Verdict) -> None:
        """A row of the table at the top."""
        self.claims.append(Claim(claimed, found, verdict))

    def number(self, key: str, value: Any) -> None:
        """A measured value, or a table of values, for `results.json`; plain Python types."""
        self.numbers[key] = value

    def table(self, columns: list[str], rows: list[list[Any]]) -> None:
        """A table; floats with three significant digits, None as a dash."""
        self.body.append(markdown_table(columns, rows))

    def figure(self, name: str, figure: Figure | UInt8[np.ndarray, "h w c"], caption: str, private: bool = False, scale: int = 1) -> None:
        """A plot, or a picture `scale` times as large with hard pixels, as `name`.png."""
        path = self.folder / ("private" if private else "figures") / f"{name}.png"
        if isinstance(figure, Figure):
            write_atomic(path, lambda temporary: figure.savefig(temporary, format="png", dpi=110))
        else:
            save_png(path, enlarge(figure, scale))
        self._show(path, caption, private)

    def animation(self, name: str, frames: list[UInt8[np.ndarray, "h w c"]], caption: str, scale: int = 1, frame_ms: int = 400) -> None:
        """Frames as an endless `name`.webp."""
        pictures = [Image.fromarray(enlarge(f, scale).repeat(3 // f.shape[-1], axis=-1)) for f in frames]
        path = self.folder / "figures" / f"{name}.webp"
        options = {"format": "WebP", "save_all": True, "append_images": pictures[1:], "duration": frame_ms, "loop": 0, "quality": 85}
        write_atomic(path, lambda temporary: pictures[0].save(temporary, **options))
        self._show(path, caption, private=False)

    def _show(self, path: Path, caption: str, private: bool) -> None:
        if private:
            self.body.append(f"*{caption}* (shows photos of the data set: kept in the run folder, `private/{path.name}`)")
        else:
            self.body.append(f"![{caption}](figures/{path.name})\n\n*{caption}*")

    def write(self) -> Path:
        """Write the page; gives the path of `report.md`."""
        rows = [[c.claimed, c.found, f"**{c.verdict}**"] for c in self.claims]
        claims = markdown_table(["claimed", "found here", ""], rows)
        text = "\n\n".join([f"# {self.title}", self.introduction, "## Claimed and found", claims, *self.body]) + "\n"
        path = self.folder / "report.md"
        write_atomic(path, lambda temporary: temporary.write_text(text))
        head = {"report": self.report, "budget": self.budget, "title": self.title}
        write_json(self.folder / "results.json", head | {"claims": [asdict(c) for c in self.claims], "numbers": self.numbers})
        return path


def markdown_table(columns: list[str], rows: list[list[Any]]) -> str:
    """GitHub's tables; floats with three significant digits, None as a dash."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(in_words(cell) for cell in line) + " |" for line in lines)


def in_words(value: Any) -> str:
    """A cell of a table."""
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return str(value)


def publish(folder: Path, docs: Path) -> Path:
    """Copy the page, its numbers and the public figures to docs/reports/NAME, and list all published claims in docs/reports.md."""
    if not (folder / "report.md").is_file():
        raise ValueError(f"{folder} holds no report yet")
    target = docs / "reports" / json.loads((folder / "results.json").read_text())["report"]
    if target.is_dir():
        shutil.rmtree(target)
    shutil.copytree(folder / "figures", target / "figures")
    for name in ("report.md", "results.json"):
        shutil.copyfile(folder / name, target / name)
    return write_index(docs)


def write_index(docs: Path) -> Path:
    """docs/reports.md: every claim of the reports in docs/reports, in one table."""
    reports = {path.parent.name: json.loads(path.read_text()) for path in sorted((docs / "reports").glob("*/results.json"))}
    verdicts = [c["verdict"] for found in reports.values() for c in found["claims"]]
    counts = ", ".join(f"{verdicts.count(v)} {v}" for v in get_args(Verdict) if v in verdicts)
    lines = ["# Four reports, reproduced", INDEX, f"{len(verdicts)} claims: {counts}."]
    for name, found in reports.items():
        rows = [[c["claimed"], c["found"], f"**{c['verdict']}**"] for c in found["claims"]]
        lines += [f"## [{found['title']}](reports/{name}/report.md), budget `{found['budget']}`"]
        lines += [markdown_table(["claimed", "found here", ""], rows)]
    write_atomic(docs / "reports.md", lambda temporary: temporary.write_text("\n\n".join(lines) + "\n"))
    return docs / "reports.md"
