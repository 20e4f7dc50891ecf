"""The merger's worker process: merge run files into months, then bring the summary up to date.

A unit is a stream, an instrument that cannot be read, or the summary. Each thread reads, merges and
releases the run files of one instrument after the other, some months at a time: memory grows with
the number of threads, not with the number of instruments or the years of history. `work.merge`
explains the merge itself.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from pipekit.worker import leave, loading, report, request
from pipekit_merger.layout import find_months
from pipekit_merger.request import Request

with loading():
    from pipekit_merger.work.instrument import by_instrument, merge_instrument
    from pipekit_merger.work.reading import instrument_of
    from pipekit_merger.work.summary import SummedMonths, update_summary

DISK_THREADS = 4  # wait for the disk, which works on all their files at once; 16 are no faster


def main(words: list[str]) -> int:
    """Carry out the request on standard input; `--check` only tests that all can be imported."""
    if words != ["--check"]:
        asked = request(Request)
        summed = SummedMonths()
        failed = _merge(asked, summed) if asked.run_files else []
        if asked.summary and not failed:
            update_summary(summed, asked.merged, asked.ledger_digest, asked.workers)
    return 0


def _merge(asked: Request, summed: SummedMonths) -> list[str]:
    """Merge the run files; returns the instruments and streams that failed."""
    existing = set(find_months(asked.merged))
    with ThreadPoolExecutor(asked.workers) as pool, ThreadPoolExecutor(DISK_THREADS) as disks:
        merge = partial(
            merge_instrument, request=asked, existing=existing, disks=disks, summed=summed
        )
        results = list(pool.map(merge, by_instrument(asked)))
    failed = [name for _, names in results for name in names]
    # an instrument that failed names no months
    unread = tuple({instrument_of(each.path) for each in asked.run_files}.intersection(failed))
    others = existing.difference(*(months for months, _ in results))
    kept = [
        str(month)
        for month in sorted(others)
        if month.stream not in failed and not month.stream.startswith(unread)
    ]
    if asked.rebuild and kept:
        what = "1 month that is" if len(kept) == 1 else f"{len(kept)} months that are"
        named = kept[0] if len(kept) == 1 else f"{kept[0]} to {kept[-1]}"
        report.warning(f"kept {what} no longer in any run file: {named}", months=kept)
    return failed


if __name__ == "__main__":
    leave(main(sys.argv[1:]))
