"""Finds the raw files, how each is read, and which of them are pending."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import NoReturn

import attrs

from pipekit import ConfigError, Consumption, FileStat, Input, Pending, RunContext, Why
from pipekit_translator import layout
from pipekit_translator.dialects import FileFormat
from pipekit_translator.settings import Settings
from pipekit_translator.sources import Source

_NAMED = 3  # files that a message names
_ARCHIVE = ".zip"


@attrs.frozen
class Group:
    """Files of one source with the same format."""

    source: Source
    format: FileFormat
    files: tuple[FileStat, ...]

    @cached_property
    def growing(self) -> bool:
        """Whether the files may be read while they are written to."""
        return self.source.resolved().growing

    @cached_property
    def digest(self) -> str:
        """Identifies the rows that the files yield."""
        return self.format.digest


def survey(ctx: RunContext, settings: Settings) -> tuple[list[Group], list[str]]:
    """All raw files in groups, and a warning for those that no source matches.

    Raises ConfigError for files that two sources match.
    """
    found = [(source, ctx.files(settings.glob(source))) for source in settings.sources]
    claimed = [file for _, files in found for file in files]
    everything = ctx.files(f"{settings.raw}/**/*") if settings.reads_raw else claimed
    strays: list[str] = []
    if claimed != everything:  # usually one source matches all of them
        matched = {file.path for file in claimed}
        if len(matched) < len(claimed):
            _refuse_double_claims(settings, found)
        strays = [file.path for file in everything if file.path not in matched]
    groups = [group for source, files in found for group in _groups(settings, source, files)]
    return groups, _stray_warning(settings, strays)


def _refuse_double_claims(
    settings: Settings, found: list[tuple[Source, list[FileStat]]]
) -> NoReturn:
    claims: dict[str, tuple[str, ...]] = {}
    for source, files in found:
        for file in files:
            claims[file.path] = (*claims.get(file.path, ()), settings.glob(source))
    problems = []
    for globs in dict.fromkeys(globs for globs in claims.values() if len(globs) > 1):
        paths = sorted(path for path, claimed in claims.items() if claimed == globs)
        more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        problems.append(
            f"translator: {paths[0]}{more} {'match' if more else 'matches'} several sources "
            f"({', '.join(map(repr, globs))}): narrow the globs so that each file matches one"
        )
    raise ConfigError(problems)


def _stray_warning(settings: Settings, strays: list[str]) -> list[str]:
    if not strays:
        return []
    them = "it" if len(strays) == 1 else "them"
    text = (
        f"no source matches {names(strays)}: not read. Add a source whose glob matches {them} "
        "(stages.translator.settings.sources; `pipekit sources detect` proposes one), or keep "
        f"other files out of {settings.raw}"
    )
    return [text]


def _groups(settings: Settings, source: Source, files: list[FileStat]) -> list[Group]:
    """A source's files in two groups: with an accepted instrument in their name, and the rest.

    The name of an archive says nothing: its members have names.
    """
    rule = source.resolved().instrument
    if rule.column:
        return [Group(source, settings.format(source, accepted=False), tuple(files))]
    files = [f for f in files if not rule.ignores(f.path.rpartition("/")[2])]
    named = list(rule.of_names(file.path.rpartition("/")[2] for file in files))
    different = set(named)
    known = {name for name in different if name and settings.accepts(name)}
    archives = [file.path[-4:].lower() == _ARCHIVE for file in files]
    if known == different and not any(archives):  # the usual case
        parts = [files, []]
    else:
        sure = [
            name in known and not archive for name, archive in zip(named, archives, strict=True)
        ]
        pairs = list(zip(files, sure, strict=True))
        parts = [[file for file, each in pairs if each is there] for there in (True, False)]
    return [
        Group(source, settings.format(source, accepted=accepted), tuple(part))
        for accepted, part in zip((True, False), parts, strict=True)
    ]


def pending_of(
    ctx: RunContext, settings: Settings, group: Group, known: Mapping[str, Consumption]
) -> Pending:
    """What is pending in a group.

    A file with an incomplete last line waits until it changes, or for `final_after` if it does not.
    """
    found = pending_in(ctx, group, group.files, force=ctx.force or ctx.rebuild)
    inputs, waiting = [], list(found.waiting)
    for item in found.inputs:
        if _still_open(ctx, settings, item):
            waiting.append(item.path)
        elif not (item.why is Why.FORCED and _outside(ctx, known.get(item.path))):
            inputs.append(item)
    return attrs.evolve(found, inputs=tuple(inputs), waiting=tuple(waiting))


def pending_in(ctx: RunContext, group: Group, files: Iterable[FileStat], *, force: bool) -> Pending:
    """Which of a group's files are pending."""
    return attrs.evolve(ctx, force=force).pending(
        files, group.format.reading, growing=group.growing
    )


def _still_open(ctx: RunContext, settings: Settings, item: Input) -> bool:
    """Whether the writer of an unchanged file may still finish its incomplete last line."""
    quiet = ctx.started - max(item.file.mtime_ns, item.file.ctime_ns) / 1e9
    return item.why is Why.PART and quiet < settings.final_after


def _outside(ctx: RunContext, row: Consumption | None) -> bool:
    """Whether a file is known to hold none of the requested dates."""
    if ctx.dates is None or row is None or not row.detail.get("days"):
        return False
    first, last = (date.isoformat() for date in ctx.dates)
    return not any(first <= day <= last for _, day in layout.dates(row.detail["days"]))


def names(paths: list[str]) -> str:
    """`a, b, c and 4 more`, for messages."""
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return ", ".join(paths[:_NAMED]) + more
