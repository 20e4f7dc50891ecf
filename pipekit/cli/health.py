"""Prints how a project is: what is wrong with it, the worst first, and its disks."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import click

from pipekit.cli.output import print_line, print_text
from pipekit.model.quantity import rough_size
from pipekit.model.run import Paths
from pipekit.read.findings import Finding, Level, and_more
from pipekit.storage.space import free_space


def print_findings(found: Sequence[Finding]) -> None:
    """The worst in the first line; then all that is stale or unknown beside it."""
    first, *others = found
    head = click.style(first.word, fg=first.level.colour, bold=True)
    print_text(f"{first.text}{and_more(found)}", f"{head}: ", hang=2)
    for each in others:
        if each.level in (Level.BROKEN, Level.UNKNOWN):
            print_text(each.text, f"  {click.style(each.word, fg=each.level.colour)}: ", hang=4)


def print_disks(paths: Paths) -> None:
    """Print how much is free on each disk of the project."""
    with suppress(OSError):
        disks = list(free_space(paths))
        for folder, free in disks:
            which = f" of {folder.name}" if len(disks) > 1 else ""
            print_line(f"disk{which}: {rough_size(free)} free")
