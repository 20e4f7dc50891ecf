"""Decides which published days are rebuilt, from which files, and which cannot be.

A day is rebuilt when the format of a file that fed it has changed, when its processed file is
missing, and on `--rebuild`. It is left alone if one of the raw files that fed it is missing.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from pipekit import Consumption, Input, Pending, RunContext
from pipekit_translator import layout
from pipekit_translator.layout import Days
from pipekit_translator.request import Composed
from pipekit_translator.settings import Settings
from pipekit_translator.survey import Group, names, pending_in

_FROM = "from the trash (`pipekit lifecycle restore` lists it) or your archive"


@attrs.define(kw_only=True)
class Rebuild:
    """`days` to rebuild, and those `left` alone because a file that fed them is missing or waiting.

    `stale`: pending files that fed some of these days in another format. `helpers`: other files to
    read again for these days. `restored`: files whose late rows can be published now. Both with the
    index of their group. `postponed`: files that wait for another one. `removed`: processed files
    that the lifecycle has removed; `lost`: those missing for other reasons. `compose`: by key, the
    rule and the parts that are missing and are put together from contracts.
    """

    days: Days = attrs.field(factory=dict)
    left: Days = attrs.field(factory=dict)
    stale: set[str] = attrs.field(factory=set)
    helpers: list[tuple[int, Input]] = attrs.field(factory=list)
    restored: list[tuple[int, Input]] = attrs.field(factory=list)
    postponed: set[str] = attrs.field(factory=set)
    removed: list[str] = attrs.field(factory=list)
    lost: list[str] = attrs.field(factory=list)
    compose: dict[str, Composed] = attrs.field(factory=dict)
    warnings: list[str] = attrs.field(factory=list)

    @property
    def more(self) -> list[tuple[int, Input]]:
        """Inputs in addition to the pending ones."""
        return [*self.helpers, *self.restored]

    def reason(self) -> str:
        """Why there is work although no file is pending."""
        reasons = []
        lost = self.lost if self.helpers or self.compose else []
        if lost:
            verb = "is" if len(lost) == 1 else "are"
            reasons.append(f"{names(lost)} {verb} missing and will be rebuilt")
        if self.restored:
            paths = sorted(item.path for _, item in self.restored)
            reasons.append(f"late rows of {names(paths)} can be published now")
        return "; ".join(reasons)


def rebuild_for(
    ctx: RunContext,
    settings: Settings,
    groups: list[Group],
    pendings: list[Pending],
    known: Mapping[str, Consumption],
) -> Rebuild:
    """What has to be done, besides reading new files, for pending files and by the ledger."""
    if not known:
        return Rebuild()
    found = Rebuild()
    _look_at_published(ctx, settings, found)
    late = ctx.consumed("late")
    outdated = _outdated(ctx, settings)
    stale = _stale(ctx, groups, pendings)
    if not (stale or found.lost or late or outdated):
        return found
    paths = {file.path for group in groups for file in group.files}
    waiting = {path for pending in pendings for path in pending.waiting}
    busy = waiting.union(item.path for pending in pendings for item in pending.inputs)
    wanted_again: set[str] = set()
    if stale or found.lost:  # otherwise nothing needs the details of thousands of files
        fed = {path: row.detail["days"] for path, row in known.items() if row.detail.get("days")}
        gone = [path for path in known if path not in paths]
        _decide_days(found, stale, waiting, gone, fed)
        spare = fed.keys() & paths - busy
        wanted_again = {path for path in spare if layout.both(fed[path], found.days)}
        found.helpers = _again(ctx, groups, wanted_again)
    _name_outdated(found, [path for path in outdated if path not in paths])
    ready = {path for path in late if path in paths and _can_be_taken(late[path], found, ctx)}
    found.restored = _again(ctx, groups, ready - busy - wanted_again)
    return found


def _decide_days(
    found: Rebuild, stale: list[str], waiting: set[str], gone: list[str], fed: Mapping[str, Days]
) -> None:
    """Decide which days are rebuilt, and which are left alone."""
    unread = layout.union(fed[path] for path in waiting if path in fed)
    found.postponed = {path for path in stale if layout.both(fed[path], unread)}
    found.stale = set(stale) - found.postponed
    lost = _days_of(found.lost, fed)
    wanted = layout.with_roots(layout.union([*(fed[path] for path in found.stale), lost]))
    wanted = layout.without(wanted, _days_of(found.removed, fed))
    gone = [path for path in gone if path in fed and layout.both(fed[path], wanted)]
    left = layout.both(layout.union(fed[path] for path in gone), wanted)
    found.left = layout.union([left, layout.both(unread, wanted)])
    found.days = layout.without(wanted, found.left)
    if left:
        found.warnings.append(
            f"not rebuilt: {layout.named(left)}, because {names(gone)} "
            f"{'is' if len(gone) == 1 else 'are'} gone. To rebuild them, put the raw files back "
            f"{_FROM} and run `pipekit run --rebuild`"
        )


def _look_at_published(ctx: RunContext, settings: Settings, found: Rebuild) -> None:
    """Find the processed files that the lifecycle has removed, and those missing otherwise."""
    folders = (settings.processed, settings.contracts)
    here = {file.path for file in ctx.files(*(f"{folder}/**/*.parquet" for folder in folders))}
    for file in {file.path: file for file in ctx.published(ctx.stage)}.values():
        if file.path not in here:
            (found.lost if file.present else found.removed).append(file.path)
            covered = layout.covered(file.path)
            if file.present and covered and (rule := file.detail.get("roll")):
                found.compose.setdefault(covered[0], Composed(rule)).parts.append(covered[1])


def _stale(ctx: RunContext, groups: list[Group], pendings: list[Pending]) -> list[str]:
    """Pending files that fed days in another format; on `--rebuild`, in any."""
    return [
        item.path
        for group, pending in zip(groups, pendings, strict=True)
        for item in pending.inputs
        if item.previous is not None
        and item.previous.detail.get("days")
        and (ctx.rebuild or item.previous.detail.get("reading") != group.digest)
    ]


def _days_of(paths: list[str], fed: Mapping[str, Days]) -> Days:
    """The days in some processed files that known files fed."""
    found = [covered for path in paths if (covered := layout.covered(path))]
    whole = layout.union({key: layout.days_of(part)} for key, part in found)
    return layout.both(layout.union(fed.values()), whole) if whole else {}


def _outdated(ctx: RunContext, settings: Settings) -> list[str]:
    """Files that fed days in a format that their source no longer has; a thousand each at most."""
    now = {
        source.glob: settings.format(source, accepted=True).digest for source in settings.sources
    }
    return [
        path
        for source, reading in ctx.details("source", "reading")
        if now.get(source, reading) != reading
        for path, row in ctx.consumed(details={"source": source, "reading": reading}).items()
        if row.detail.get("days")
    ]


def _name_outdated(found: Rebuild, gone: list[str]) -> None:
    """Warn of missing files whose source has another format now."""
    if gone:
        found.warnings.append(
            f"the settings of the source have changed, but {names(gone)} "
            f"{'is' if len(gone) == 1 else 'are'} gone: days from there are not rebuilt. To "
            f"rebuild them, put the raw files back {_FROM}"
        )


def _can_be_taken(row: Consumption, found: Rebuild, ctx: RunContext) -> bool:
    """Whether all processed files that a file's rows were too late for exist again."""
    late = [path for path in row.detail.get("late", ()) if path not in found.removed]
    return bool(late) and all(ctx.files(path) for path in late)


def _again(ctx: RunContext, groups: list[Group], paths: set[str]) -> list[tuple[int, Input]]:
    """Known files as inputs to read again, with the index of their group."""
    if not paths:
        return []
    return [
        (at, item)
        for at, group in enumerate(groups)
        for item in pending_in(
            ctx, group, [file for file in group.files if file.path in paths], force=True
        ).inputs
    ]
