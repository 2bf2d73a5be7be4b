"""Command line: facevae checkpoints list, facevae checkpoints verify."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from facevae.checkpoint.metadata import EMBEDDED, Summary, folders_below, summarize
from facevae.cli.flags import Parser, open_summary
from facevae.cli.rows import Row, RowPrinter, error_sentence


def read_list(args: Sequence[str]) -> Any:
    """facevae checkpoints list"""
    about = "The embedded checkpoint, those in the folders that are named, and those of the Hub that are in its cache."
    parser = Parser("facevae checkpoints list", about, "[FOLDER …]")
    parser.add_argument("folders", nargs="*", metavar="FOLDER", help="checkpoints, or folders with checkpoints in them")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    flags = parser.read(args)
    return lambda: list_checkpoints([Path(folder) for folder in flags.folders], RowPrinter(flags.json))


def read_verify(args: Sequence[str]) -> Any:
    """facevae checkpoints verify"""
    parser = Parser(
        "facevae checkpoints verify",
        "Open checkpoints and compare every file with the hash that manifest.json lists for it.",
        "[CHECKPOINT …]",
    )
    parser.add_argument("checkpoints", nargs="*", metavar="CHECKPOINT", help="folders or Hub names; without one, the embedded checkpoint")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    flags = parser.read(args)
    return lambda: verify_checkpoints(flags.checkpoints or [str(EMBEDDED)], RowPrinter(flags.json))


def list_checkpoints(folders: Sequence[Path], printer: RowPrinter) -> int:
    """A row for each; a folder that neither is nor holds a checkpoint is a failure."""
    from facevae.checkpoint.hub import cached, list_cached

    found: list[tuple[str, Path]] = []
    for folder in [EMBEDDED, *folders]:
        found += [(str(one), one) for one in (folders_below(folder) if folder.is_dir() else []) or [folder]]
    found += [(str(source), folder) for source in list_cached() if (folder := cached(source)) is not None]
    for name, folder in found:
        try:
            summary = summarize(folder)
        except (ValueError, OSError) as error:
            printer.add(Row(name, "failed", message=error_sentence(error, name)))
        else:
            printer.add(Row(name, "done", message=in_words(summary), about=as_json(summary)))
    return printer.end()


def verify_checkpoints(sources: Sequence[str], printer: RowPrinter) -> int:
    """A row for each: that it is whole, or every sentence that says what is wrong with it."""
    from facevae.checkpoint.verify import verify

    for source in sources:
        try:
            summary = open_summary(source, None)
            findings = verify(summary.folder)
        except (ValueError, OSError) as error:
            findings = [error_sentence(error, source)]
        if findings:
            printer.add(Row(source, "failed", message="; ".join(findings)))
        else:
            printer.add(Row(source, "done", message=f"whole: {in_words(summary)}", about=as_json(summary)))
    return printer.end()


def in_words(summary: Summary) -> str:
    """A checkpoint in one line."""
    return (
        f"{summary.size_px} px, {summary.latent} latent dimensions, {len(summary.controls)} sliders, format {summary.format}, "
        f"{summary.bytes / 1e6:.1f} MB, {summary.digest[:12]}"
    )


def as_json(summary: Summary) -> dict[str, Any]:
    """A checkpoint for machines."""
    same = {name: getattr(summary, name) for name in ("format", "size_px", "latent", "bytes")}
    return same | {"sha256": summary.digest, "controls": [control.name for control in summary.controls]}
