"""Prints what nobody has looked at yet, and notes that somebody has: `status --acknowledge`."""

from __future__ import annotations

import time

from pipekit.cli.output import print_line, print_text
from pipekit.model.quantity import local_time, plural
from pipekit.model.run import Paths
from pipekit.read.attention import Attention, counts
from pipekit.storage.acknowledged import Acknowledged, AcknowledgedFile
from pipekit.worker._files import make_folder

_NAMED = 5  # shrunken files


def acknowledge(found: Attention, paths: Paths, reason: str) -> None:
    """Note that all of this has been looked at, and print what that was. Raises OSError."""
    if not found:
        print_line("nothing to acknowledge")
        return
    seen, latest = found.seen, found.latest
    make_folder(paths.state, paths.file_mode)
    new = Acknowledged(
        run=seen.run if latest is None else latest.number,
        run_id=seen.run_id if latest is None else latest.run_id,
        at=time.time(),
        reason=" ".join(reason.split()),
        rows=seen.rows + sum(each.rows for each in found.set_aside),
        refused=seen.refused + sum(each.times for each in found.refused),
    ).with_refusals(found.refused)
    new = new._replace(refusals=(*(seen.refusals or ()), *(new.refusals or ())))
    AcknowledgedFile(paths.state, paths.file_mode).store(new)
    print_text(f"acknowledged: {found.counts}", hang=2)


def print_attention(found: Attention, paths: Paths) -> None:
    """Print what nobody has looked at, and in a word what somebody has."""
    for text in found.sentences:
        print_text(text, hang=2)
    folders = [paths.quarantine / each.run_id for each in found.set_aside[-1:]]
    for folder in (each for each in folders if each.is_dir()):
        print_text(folder.relative_to(paths.root).as_posix(), "  ", hang=4)
    for each in found.shrunk[:_NAMED]:
        print_text(f"{each.path}: {each} (run {each.run})", hang=2)
    if len(found.shrunk) > _NAMED:
        print_line(f"and {plural(len(found.shrunk) - _NAMED, 'more such file')}")
    if found:
        print_line("`pipekit status --acknowledge`, once you have looked at this")
    seen, (rejected, shrunk) = found.seen, found.known
    if seen.at:
        known = counts(rejected, shrunk, seen.rows, seen.refused) or "all gone by now"
        reason = f": {seen.reason}" if seen.reason else ""
        print_text(f"acknowledged: {known} (at {local_time(seen.at)}{reason})", hang=2)
