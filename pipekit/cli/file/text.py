"""What `pipekit file` has found, for people."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from pipekit.cli.output import print_line, print_text, terminal_width
from pipekit.model.file import Published, Why
from pipekit.model.names import did_you_mean
from pipekit.model.quantity import local_time, plural, rough_size
from pipekit.model.text import escaped
from pipekit.read.file import Answer, Removed, Run, SetAside
from pipekit.run.lifecycle.permission import Permission
from pipekit.run.trace import Relative, Relatives, StageTrace, State, Trace

_SHOWN = 5  # files of a stage, without --verbose
_COLOURS = {
    State.CONSUMED: "green",
    State.PENDING: "cyan",
    State.WAITING: "cyan",
    State.PART: "cyan",
    State.REJECTED: "red",
    State.CHANGED: "yellow",
}
_WHY = {
    Why.NEW: "not read yet",
    Why.CHANGED: "changed since {last}",
    Why.SETTINGS: "a setting has changed since {last}",
    Why.VERSION: "rejected in {last}, by another version of the plugin",
    Why.PART: "read in part in {last}",
    Why.FORCED: "as asked",
}


def print_answer(answer: Answer, root: Path, *, verbose: bool, planned: bool = True) -> None:
    """Print everything; `verbose`: all files that came of it, or of which it came.

    `planned`: whether the stages could be asked what they read.
    """
    found = answer.trace
    print_text(
        _appearance(found, answer.removed),
        f"{click.style(escaped(found.path), bold=True)}: ",
        hang=2,
    )
    for stage, published in found.published.items():
        _print_published(stage, published, answer)
    for each in found.stages:
        _print_stage(each, answer)
    if not found.is_known:
        _print_unknown(found, root, planned)
    shown = None if verbose else _SHOWN
    _print_relatives("came of it", found.made, shown)
    _print_relatives("came from", found.sources, shown)
    if answer.permission is not None:
        _print_permission(answer.permission)


def _appearance(found: Trace, removed: Removed | None) -> str:
    if removed is not None:
        where = f"archived to {removed.target} by" if removed.target else "moved to the trash by"
        return (
            f"{where} run {removed.run}; `pipekit lifecycle restore {removed.run}` brings it back"
        )
    if found.file is None:
        return "no longer there" if found.is_known else "there is no such file"
    size, changed = rough_size(found.file.size), local_time(found.file.mtime_ns / 1e9)
    return f"{size}, last changed {changed}"


def _print_published(stage: str, published: Published, answer: Answer) -> None:
    when = _when(published.run_number, answer.runs)
    print_text(f"written in {when}{_content(published.detail)}", f"  {stage}: ", hang=4)
    if not published.present:
        print_line("    removed by the lifecycle since")
    elif not answer.trace.is_as_published:
        print_line("    changed since, by something else than a stage")


def _print_stage(found: StageTrace, answer: Answer) -> None:
    lead, text = click.style(found.state, fg=_COLOURS.get(found.state)), _said(found, answer)
    print_text(text, f"  {escaped(found.stage)}: {lead}", hang=4)
    if found.problem:
        print_text(f"not planned, so it may be pending: {found.problem}", "    ", hang=6)
    rows = answer.set_aside.get(found.stage)
    if rows is not None:
        print_text(_rows(rows), "    ", hang=6)
    for note in answer.notes.get(found.stage, ()):
        print_text(note, "    ", hang=6)
    unread = found.last.detail.get("unread") if found.last else None
    if isinstance(unread, int) and unread:
        print_text(f"its last {plural(unread, 'byte')} not read yet", "    ", hang=6)
    for warning in found.warnings:
        print_text(f"warning: {warning}", "    ", hang=6)


def _said(found: StageTrace, answer: Answer) -> str:
    """What is to be said beside the state."""
    last = found.last
    when = _when(last.run_number, answer.runs) if last else ""
    if found.state is State.PENDING:
        return f": {_WHY[found.why or Why.NEW].format(last=when)}"
    if found.state is State.WAITING:
        before = f"; {last.state} in {when} before that" if last else ""
        return f" until it is complete{before}"
    if found.state is State.LEFT or last is None:
        now = " now" if found.stage in answer.notes else ""
        return f": it has found the file, and does not read it{now}"
    if found.state is State.REJECTED:
        return f" in {when}: {last.reason.removeprefix(f'{last.path}: ')}"
    if found.state is State.CHANGED:
        return f": {last.state} in {when} with another content"
    return f" in {when}{_content(last.detail)}"


def _when(number: int, runs: Mapping[int, Run]) -> str:
    return f"run {number}{f' ({local_time(runs[number].started)})' if number in runs else ''}"


def _content(detail: Mapping[str, Any]) -> str:
    """For example `: 11,460 rows, 2024-01-21 to 2024-02-01`; empty if not known."""
    rows, span = detail.get("rows"), detail.get("span", (detail.get("first"), detail.get("last")))
    parts = [plural(rows, "row")] if isinstance(rows, int) else []
    if isinstance(span, list | tuple) and all(isinstance(time, str) for time in span):
        parts.append(" to ".join(dict.fromkeys(time[:10] for time in span)))
    return f": {', '.join(parts)}" if parts else ""


def _rows(rows: SetAside) -> str:
    text = f"{plural(rows.rows, 'row')} set aside"
    if not rows.place:
        return text
    first = f"line {rows.line}: {rows.reason}"
    return f"{text}: {rows.place}; {first if rows.rows == 1 else f'the first is {first}'}"


def _print_unknown(found: Trace, root: Path, planned: bool) -> None:
    if found.file is None:
        path = root / found.path
        beside = [each.name for each in path.parent.glob("*")] if path.parent.is_dir() else []
        print_text(f"no run has seen one{did_you_mean(path.name, beside)}", "  ", hang=4)
    elif not found.stages:
        reads = "no stage reads it" if planned else "whether a stage reads it is not known"
        print_text(f"{reads}, and no stage has written it", "  ", hang=4)
    for near in found.near:
        print_text(f"{near.stage} looks for {near.pattern}: {near.difference}", "  ", hang=4)


def _print_relatives(title: str, relatives: Relatives, shown: int | None) -> None:
    if not relatives.steps:
        return
    print_line(f"{title}:")
    for number, step in enumerate(relatives.steps):
        for stage, files in _by_stage(step).items():
            print_line(f"  {_whose(stage, len(files))}{', through these' if number else ''}:")
            _print_files(files, shown)
    for stage, count in relatives.further.items():
        print_line(f"  {_whose(stage, count)}, further on")


def _by_stage(step: Iterable[Relative]) -> dict[str, list[Relative]]:
    stages: dict[str, list[Relative]] = {}
    for each in step:
        stages.setdefault(each.stage, []).append(each)
    return stages


def _whose(stage: str, count: int) -> str:
    return f"{plural(count, 'file')} {f'of {stage}' if stage else 'that no stage wrote'}"


def _print_files(files: list[Relative], shown: int | None) -> None:
    width = terminal_width() or sys.maxsize
    for each in files[:shown]:
        known = each.published
        content = f"{_content(known.detail)} (run {known.run_number})" if known else ""
        line = f"{each.path}{content}"
        if len(line) <= width - 4:
            print_line(f"    {line}")
        else:  # the path in one piece
            print_line(f"    {each.path}")
            print_text(content.removeprefix(": ").strip(), "      ")
    left = len(files) - len(files[:shown])
    if left:
        print_line(f"    and {left:,} more (--verbose lists them)")


def _print_permission(permission: Permission) -> None:
    if permission.allowed:
        text = f"yes: policy {permission.policy} proposes to {permission.action} it: "
        print_text(text + permission.reasons[0], "may it go? ", hang=2)
        return
    first, *others = permission.reasons
    print_text(f"no: {first}", "may it go? ", hang=2)
    for reason in others:
        print_text(reason, "  ", hang=4)
