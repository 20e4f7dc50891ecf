"""Prints what a run's report says of a stage: last lines, warnings, waiting files."""

from __future__ import annotations

from pipekit.cli.output import print_line, print_text
from pipekit.model.quantity import plural
from pipekit.read.details import Details


def print_details(stage: str, run: int, details: Details) -> None:
    """Print them below the stage; `run`: the number of the run they are of."""
    for line in details.printed:
        print_text(line, "    | ", hang=6)
    if details.printed:
        print_line(f"    Full output: pipekit logs {run} {stage}")
    for warning in details.warnings:
        print_text(f"warning: {warning}", "    ", hang=6)
    if details.more:
        print_line(f"    {plural(details.more, 'more warning')}: pipekit show {run}")
    if details.waiting:
        first, *others = details.waiting
        beside = f" and {len(others)} more" if others else ""
        print_text(f"waiting for the next run: {first}{beside}", "    ", hang=6)
