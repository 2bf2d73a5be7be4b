"""Runs a task over many photos, in one or more processes; skips what is done."""

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from facevae.cli.files import Job
from facevae.cli.rows import Row, RowPrinter, error_sentence
from facevae.cli.sources import STDIO

if TYPE_CHECKING:
    from facevae.editor import Editor


FIRST = 3
"""Photos after which the time of the others is told."""
LEAST_REST_SEC = 20


class Task(Protocol):
    """What is done to each photo. It travels to other processes, so it is plain values."""

    def finished_row(self, job: Job) -> Row | None:
        """What to say where nothing is left to do. Without torch."""

    def do(self, editor: "Editor", job: Job) -> Row:
        """Do it; `ValueError` or `OSError` where it cannot be done."""


def work(
    jobs: Sequence[Job],
    task: Task,
    printer: RowPrinter,
    checkpoint: str | None,
    revision: str | None,
    workers: int = 1,
    remark: str = "",
) -> int:
    """Do all of them; the exit code is 1 where anything failed. A stopped run goes on where it was.

    On standard error: `remark`, where there is anything to do, and after the first photos how long the others will take.
    """
    from tqdm import tqdm

    left = []
    for job in jobs:
        if (row := row_without_work(job, task)) is not None:
            printer.add(row)
        else:
            left.append(job)
    if left:
        if remark:
            print(remark, file=sys.stderr)
        rows = (
            in_processes(left, task, checkpoint, revision, min(workers, len(left)))
            if workers > 1
            else in_this_process(left, task, checkpoint, revision)
        )
        with tqdm(total=len(jobs), initial=len(jobs) - len(left), unit="photo", file=sys.stderr, disable=None, leave=False) as bar:
            begun = time.monotonic()
            for done, row in enumerate(rows, 1):
                bar.update()
                if done == FIRST and (sentence := forecast(time.monotonic() - begun, done, len(left))):
                    with bar.external_write_mode(file=sys.stderr):
                        print(sentence, file=sys.stderr)
                with bar.external_write_mode(file=printer.stream):
                    printer.add(row)
    return printer.end()


def forecast(seconds: float, done: int, count: int) -> str:
    """How long the rest will take if it goes on like this; empty where that is not worth a word."""
    rest = seconds / done * (count - done)
    if rest < LEAST_REST_SEC:
        return ""
    return f"{done} of {count} photos took {in_words(seconds)}: about {in_words(rest)} for the others."


def in_words(seconds: float) -> str:
    """A length of time, rounded as people say it."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 100 * 60 else f"{seconds / 3600:.1f} h"


def row_without_work(job: Job, task: Task) -> Row | None:
    """The row of a job that is over before it begins."""
    if job.trouble:
        return Row(job.source, "failed", message=job.trouble)
    if job.idle:
        return Row(job.source, "skipped", message=job.idle)
    if job.source != STDIO and Path(job.source).is_dir():
        return Row(job.source, "failed", message="there is no photo in this folder, but for those that facevae made")
    return task.finished_row(job)


def attempt(editor: "Editor", job: Job, task: Task) -> Row:
    """One photo; what is wrong with it stands in its row."""
    begun = time.monotonic()
    try:
        return task.do(editor, job)
    except (ValueError, OSError) as error:
        message = error_sentence(error, job.source)
    except MemoryError:
        message = f"{job.source} needs more memory than there is"
    return Row(job.source, "failed", message=message, seconds=time.monotonic() - begun)


def in_this_process(jobs: Sequence[Job], task: Task, checkpoint: str | None, revision: str | None) -> Iterator[Row]:
    """One after the other, in this process."""
    from facevae.editor import Editor

    editor = Editor(checkpoint, revision)
    return (attempt(editor, job, task) for job in jobs)


def in_processes(jobs: Sequence[Job], task: Task, checkpoint: str | None, revision: str | None, workers: int) -> Iterator[Row]:
    """Several at a time, as they are done. A process that is killed takes those with it that were not done; they are reported."""
    context = multiprocessing.get_context("spawn")  # a fork of a process with threads may hang
    pool = ProcessPoolExecutor(workers, context, start_process, (checkpoint, revision))
    left, running = iter(jobs), {}
    try:
        while True:
            for job in islice(left, workers - len(running)):  # no more than that, or Ctrl-C would have to wait for those, too
                running[pool.submit(attempt_here, job, task)] = job
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                job = running.pop(future)
                yield lost_row(job) if isinstance(future.exception(), BrokenProcessPool) else future.result()
    except BrokenProcessPool:  # nobody is there to take another photo
        yield from map(lost_row, (*running.values(), job, *left))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def lost_row(job: Job) -> Row:
    """The row of a photo that was lost with its process."""
    return Row(
        job.source, "failed", message="a process ended before it was done, perhaps for want of memory: try again with fewer --workers"
    )


_editor: "Editor | ValueError | None" = None
"""Of this process: what `start_process` has opened, or why it could not."""


def start_process(checkpoint: str | None, revision: str | None) -> None:
    """A process of its own: its model, one thread, and Ctrl-C left to the one that started it."""
    global _editor
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=end_with_parent, daemon=True).start()
    os.environ["OMP_NUM_THREADS"] = "1"
    import cv2
    import torch

    from facevae.editor import Editor

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        _editor = Editor(checkpoint, revision)
    except ValueError as error:  # raised here, it would say nothing but that the process has ended
        _editor = error


def end_with_parent() -> None:
    """A process whose parent was killed would wait for ever for another photo."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def attempt_here(job: Job, task: Task) -> Row:
    """One photo, in a process that has begun."""
    assert _editor is not None
    if isinstance(_editor, ValueError):
        return Row(job.source, "failed", message=str(_editor))
    return attempt(_editor, job, task)
