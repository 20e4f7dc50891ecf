"""Reads all files of a request, several at once; an error in one never stops the others."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from pipekit.worker import report
from pipekit_translator.request import FileJob, Request
from pipekit_translator.work.assemble.file_rows import Assembly
from pipekit_translator.work.parse.kernel import LARGE, Kernel
from pipekit_translator.work.read.held import BusyError
from pipekit_translator.work.read.rawfile import read
from pipekit_translator.work.read.record import RawFile, ReadContext
from pipekit_translator.work.read.together import SMALL, read_together


class UnreadError(Exception):
    """A file could not be read at all; it stays pending."""


def read_all(
    request: Request, assembly: Assembly, take: Callable[[RawFile], None]
) -> tuple[list[FileJob], list[FileJob]]:
    """Read the files of a request, in `workers` threads; small files in this one.

    `take` is called for each, in the order of the jobs. Returns the jobs of files that were
    rejected instead, and those to try again in the next run.
    """
    large = request.size >= LARGE and request.kernels == "auto"
    lock, done, total = threading.Lock(), 0, max(request.size, 1)

    def progress(count: int) -> None:
        nonlocal done
        with lock:
            done += count
            report.progress(min(done, total), total)

    context = ReadContext(
        assembly=assembly,
        final_after=request.final_after,
        progress=progress,
        kernel=Kernel.load(request.cache) if large else None,
    )

    def attempt(job: FileJob) -> RawFile | Exception:
        try:
            return read(job, request.groups[job.group], context)
        except Exception as error:  # the isolation boundary between files
            return error

    rejected, again = [], []
    small = request.size < SMALL * request.count
    with ThreadPoolExecutor(max(request.workers, 1)) as threads:
        results: Iterator[RawFile | Exception] = (
            read_together(request.jobs(), request.groups, context, attempt)
            if small  # threads that read small files mostly wait for each other
            else threads.map(attempt, request.jobs())
        )
        for job, result in zip(request.jobs(), results, strict=True):
            if isinstance(result, Exception):
                _report_unread(job, result)
                again.append(job)
                continue
            if result.rejected:
                report.rejected(job.path, result.rejected, result.fingerprint, result.signature)
                rejected.append(job)
            else:
                take(result)
    return rejected, again


def _report_unread(job: FileJob, error: Exception) -> None:
    """Warn of a file that changed or vanished, which waits for the next run; fail for others."""
    if isinstance(error, BusyError | FileNotFoundError):
        reason = error if isinstance(error, BusyError) else "it has vanished"
        report.warning(f"{job.path}: {reason}; it was not read", path=job.path)
        return
    if not isinstance(error, OSError):
        traceback.print_exception(error)
    with report.unit(job.path):
        raise UnreadError(f"{job.path} cannot be read ({error}); check its permissions and disk")
