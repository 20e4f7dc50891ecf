"""Reads all files of a request, several at once, and reports those that cannot be used.

One file's trouble never stops the others; what becomes of the rows is not known here.
"""

from __future__ import annotations

import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from pipekit.worker import report
from pipekit_translator.columns import RejectedError
from pipekit_translator.dialects import Reading
from pipekit_translator.kernel import LARGE, Kernel
from pipekit_translator.pieces import Shelf
from pipekit_translator.rawfile import BusyError, Job, Means, Raw, read


class UnreadError(Exception):
    """A file could not be read at all; it stays pending."""


class Intake(NamedTuple):
    """What was read, and the files that were not: for now (`again`) or as they are (`rejected`)."""

    raws: list[Raw]
    again: list[Job]
    rejected: list[Job]


class _Progress:
    """Bytes read by all threads, reported as the task's progress."""

    def __init__(self, total: int) -> None:
        self._total = max(total, 1)
        self._done = 0
        self._lock = threading.Lock()

    def __call__(self, count: int) -> None:
        with self._lock:
            self._done += count
            report.progress(min(self._done, self._total), self._total)


_Read = tuple[Raw, RejectedError | None]


def read_all(
    jobs: list[Job],
    readings: list[Reading],
    shelf: Shelf,
    final_after: float,
    workers: int,
    total: int,
    cache: str,
) -> Intake:
    """Read the files (`total` bytes) with so many threads; results in the order of the jobs.

    `cache`: a folder for compiled code, which much input is read by.
    """
    kernel = Kernel(cache) if total >= LARGE else None
    intake = Intake([], [], [])
    with ThreadPoolExecutor(max(workers, 1)) as threads:
        means = Means(shelf, final_after, _Progress(total), threads, kernel)

        def attempt(job: Job) -> _Read | Exception:
            try:
                return read(job, readings[job.reading], means)
            except Exception as error:  # the isolation boundary between files
                return error

        for job, result in zip(jobs, threads.map(attempt, jobs), strict=True):
            if isinstance(result, Exception):
                _not_now(job, result)
                intake.again.append(job)
            else:
                _sort(intake, *result)
    return intake


def _sort(intake: Intake, raw: Raw, rejected: RejectedError | None) -> None:
    if rejected is None:
        intake.raws.append(raw)
    else:
        report.rejected(raw.path, str(rejected), raw.fingerprint, raw.signature)
        intake.rejected.append(raw.job)


def _not_now(job: Job, error: Exception) -> None:
    """A file that changes or has gone waits for the next run; other trouble is a failed unit."""
    if isinstance(error, BusyError | FileNotFoundError):
        reason = error if isinstance(error, BusyError) else "it is gone"
        report.warning(f"{job.path}: {reason}; nothing of it was taken", path=job.path)
        return
    if not isinstance(error, OSError):
        traceback.print_exception(error)
    with report.unit(job.path):
        raise UnreadError(f"{job.path} cannot be read ({error}); see its rights and its disk")
