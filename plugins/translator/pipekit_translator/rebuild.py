"""Decides which published days are rebuilt, from which files, and which cannot be.

A day is rebuilt when the format of a file that fed it has changed, when its processed file is
missing or is not as it was published, and on `--rebuild`. It is left alone if one of the raw files
that fed it is missing.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from pipekit import Consumption, Input, Pending, RunContext, Why
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
    rule and the parts that are missing and are put together from contracts. `altered`: those that
    are not as they were published; `unknown`: those that the ledger does not know, because it was
    lost or somebody put them there. `forgotten`: files to forget, with the days that they fed.
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
    altered: list[str] = attrs.field(factory=list)
    unknown: list[str] = attrs.field(factory=list)
    forgotten: dict[str, Days] = attrs.field(factory=dict)
    warnings: list[str] = attrs.field(factory=list)

    @property
    def more(self) -> list[tuple[int, Input]]:
        """Inputs in addition to the pending ones."""
        return [*self.helpers, *self.restored]

    def __bool__(self) -> bool:
        """Whether there is work although no file is pending."""
        return bool(self.more or self.altered or self.forgotten or self.compose)

    def reason(self) -> str:
        """Why there is work besides the pending files, for the reason of the plan."""
        reasons = []
        if self.forgotten:
            paths = [item.path for _, item in self.helpers]
            sources = names(sorted(paths)) if paths else "no other file"
            days = layout.named(layout.union(self.forgotten.values())) or "no day"
            reasons.append(f"{names([*self.forgotten])} forgotten: {days} from {sources}")
        if (self.helpers or self.compose) and self.lost:
            verb = "is" if len(self.lost) == 1 else "are"
            reasons.append(f"{names(self.lost)} {verb} missing and will be rebuilt")
        if self.altered:
            verb = "is not as it was" if len(self.altered) == 1 else "are not as they were"
            them = "it" if len(self.altered) == 1 else "them"
            reasons.append(
                f"{names(self.altered)} {verb} published: what is wrong in {them} is made again"
            )
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
    found = Rebuild()
    _look_at_published(ctx, settings, found)
    if not known:
        return found
    late = ctx.consumed("late")
    outdated = _outdated(ctx, settings)
    stale = _stale(ctx, groups, pendings)
    again = [*found.lost, *found.altered]
    found.forgotten = {path: known[path].detail.get("days", {}) for path in ctx.forget}
    if not (stale or again or late or outdated or ctx.forget):
        return found
    paths = {file.path for group in groups for file in group.files}
    waiting = {path for pending in pendings for path in pending.waiting}
    busy = waiting.union(item.path for pending in pendings for item in pending.inputs)
    wanted_again: set[str] = set()
    if stale or again or ctx.forget:  # otherwise nothing needs the details of thousands of files
        fed = {
            path: row.detail["days"]
            for path, row in known.items()
            if row.detail.get("days") and path not in found.forgotten
        }
        gone = [path for path in known if path not in paths and path not in found.forgotten]
        days = layout.union([_days_of(again, fed), *found.forgotten.values()])
        stale += _resumed(groups, pendings, fed, days)
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
    if found.postponed:
        found.warnings.append(
            f"left for the next run: {names(sorted(found.postponed))}, because a file that fed the "
            "same days is still being written"
        )
    lost = _days_of([*found.lost, *found.altered], fed)
    forgotten = layout.union(found.forgotten.values())
    wanted = layout.union([*(fed[path] for path in found.stale), lost, forgotten])
    away = _days_of(found.removed, {**fed, **found.forgotten})
    wanted = layout.without(layout.with_roots(wanted), away)
    gone = [path for path in gone if path in fed and layout.both(fed[path], wanted)]
    left = layout.both(layout.union(fed[path] for path in gone), wanted)
    away = layout.both(away, forgotten)
    found.left = layout.union([left, layout.both(unread, wanted), away])
    found.days = layout.without(wanted, found.left)
    if away:
        found.warnings.append(
            f"not rebuilt: {layout.named(away)}, because the lifecycle has removed the processed "
            f"files. To rebuild them, put these back {_FROM} first"
        )
    if left:
        found.warnings.append(
            f"not rebuilt: {layout.named(left)}, because {names(gone)} "
            f"{'is' if len(gone) == 1 else 'are'} gone. To rebuild them, put the raw files back "
            f"{_FROM} and run `pipekit run --rebuild`"
        )


def _look_at_published(ctx: RunContext, settings: Settings, found: Rebuild) -> None:
    """Find the processed files that are gone, and those that are not as they were published."""
    folders = (settings.processed, settings.contracts)
    seen = ctx.inspect(*(f"{folder}/**/*.parquet" for folder in folders))
    found.lost = [file.path for file in seen.missing]
    found.removed = [file.path for file in seen.removed]
    found.altered = [file.path for file in seen.altered]
    found.unknown = [file.path for file in seen.unknown]
    for file in (*seen.missing, *seen.altered):
        covered, rule = layout.covered(file.path), file.detail.get("roll")
        if covered and rule:
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


def _resumed(
    groups: list[Group], pendings: list[Pending], fed: Mapping[str, Days], wanted: Days
) -> list[str]:
    """Files that have grown, and that fed days to rebuild: they are read from their start.

    All days that such a file fed are rebuilt then, or it would win back rows that a newer file has
    replaced; more files may have fed these.
    """
    grown = {
        item.path
        for group, pending in zip(groups, pendings, strict=True)
        for item in pending.inputs
        if is_extended(group, item) and item.path in fed
    }
    found: list[str] = []
    while more := sorted(path for path in grown if layout.both(fed[path], wanted)):
        grown.difference_update(more)
        found += more
        wanted = layout.union([wanted, *(fed[path] for path in more)])
    return found


def is_extended(group: Group, item: Input) -> bool:
    """Whether a file goes on after what was consumed of it, as far as a plan can tell."""
    return item.why is Why.PART or (item.why is Why.CHANGED and group.growing)


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
