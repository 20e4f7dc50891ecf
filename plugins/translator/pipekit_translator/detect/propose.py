"""Proposes sources for raw files. Nothing is ever read by a proposal: a person pastes it."""

from __future__ import annotations

import datetime as dt
import fnmatch
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence

import attrs

from pipekit_translator.detect.fit import ANYTHING, Fit, fits_of
from pipekit_translator.detect.proposal import Proposal, Unread
from pipekit_translator.dialects import FileFormat, InstrumentRule
from pipekit_translator.layout import BARS, TICKS, is_instrument, seconds_of
from pipekit_translator.parts import Parts
from pipekit_translator.settings import RAW
from pipekit_translator.work.read.held import BusyError
from pipekit_translator.work.read.preview import Head, head_of

_HEAD = 256 << 10  # bytes of text that are looked at
_TEXTS = InstrumentRule(pattern=r"(?i)^(.*\.csv)")  # what is wanted of an archive, if it is there
_CLOSE = "whether the program or vendor stamps bars by their open or their close"
_NAME = re.compile(r"^([A-Za-z0-9]+(?:\.[A-Za-z])?)(?=[_ ,.\-]|$)")
_OTHERS = ", among others: without a header, many look alike"
_SUFFIX = re.compile(r"(?:\.(?:Last|Bid|Ask))?\.[A-Za-z0-9]+(?:\.(?:gz|zip|zst|bz2|xz))?$")


def propose(files: Iterable[str], root: str = "") -> list[Proposal | Unread]:
    """A source for each kind of these raw files, and why others cannot be read.

    `root`: the project's folder, to which globs are relative; without one, or for files elsewhere,
    they are below `{raw}`. Nothing is written, and no file is changed. Raises nothing for a file:
    what is wrong with it is in its `Unread`.
    """
    found = [_of_file(file) for file in files]
    merged: list[Proposal | Unread] = []
    for each in found:
        alike = next((i for i, other in enumerate(merged) if _are_alike(each, other)), None)
        if alike is None:
            merged.append(each)
        else:
            merged[alike] = _together(merged[alike], each)  # type: ignore[arg-type]  # both are
    return _with_globs(merged, root)


def _are_alike(one: Proposal | Unread, other: Proposal | Unread) -> bool:
    if isinstance(one, Unread) or isinstance(other, Unread):
        return False
    return (one.dialect, one.parts) == (other.dialect, other.parts)


def _together(one: Proposal, other: Proposal) -> Proposal:
    names = dict.fromkeys((*one.instruments, *other.instruments))
    reasons = dict.fromkeys((*one.reasons, *other.reasons))
    return attrs.evolve(
        one,
        files=(*one.files, *other.files),
        instruments=tuple(names),
        reasons=tuple(reasons),
    )


def _of_file(file: str) -> Proposal | Unread:
    try:
        head = _head(file)
    except (OSError, BusyError) as error:
        return Unread(file=file, reason=_trouble(file, error))
    if head.rejected:
        return Unread(file=file, reason=head.rejected)
    if not head.data.strip():
        return Unread(file=file, reason="it is empty: there is nothing to tell a format by")
    fits = fits_of(head, os.path.basename(file))
    if not fits:
        return Unread(file=file, reason=_unlike(head))
    return _proposal(file, head, fits)


def _unlike(head: Head) -> str:
    """Why nothing can be told of a text."""
    lines = [line for line in head.lines() if line.strip()]
    if len(lines) == 1:
        return "it has one line: there are no rows to tell a format by"
    first, second = (line[:80].decode("utf-8", "replace") for line in lines[:2])
    return (
        f"its columns are not recognized as those of bars or ticks: it begins with {first!r} and "
        f"{second!r}. Write a source, with separator, header, columns (by their names, or as in "
        "open=#3) and timestamp_format, and look at the result with `pipekit sources try`"
    )


def _trouble(file: str, error: Exception) -> str:
    if os.path.isdir(file):
        return "it is a folder: name the files in it"
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    return f"it cannot be read ({getattr(error, 'strerror', None) or error})"


def _head(file: str) -> Head:
    if os.path.isdir(file):
        raise IsADirectoryError(file)
    first = head_of(file, _neutral(_TEXTS), _HEAD)
    return head_of(file, _neutral(ANYTHING), _HEAD) if first.rejected else first


def _neutral(rule: InstrumentRule) -> FileFormat:
    return FileFormat(
        separator=",",
        header=False,
        columns=(),
        timestamp_format="",
        timezone="UTC",
        bar_time="open",
        instrument=rule,
        exchange_timezone="UTC",
        max_bad_fraction=1.0,
        instruments=("*",),
    )


def _proposal(file: str, head: Head, fits: Sequence[Fit]) -> Proposal:
    best = [fit for fit in fits if fit.named == fits[0].named]
    fit = max(best, key=lambda each: len(each.missing))  # what others say cannot be known then
    parts = fit.parts
    if fit.preset is None and fit.format.series_read is not TICKS:
        parts = parts._replace(bar_time=fit.format.bar_time)
    unknown = {name: _how(fit, name) for name in fit.missing}
    names = sorted({name for name, _, _ in fit.preview.rows})
    if "instrument" in unknown:
        rule = _rule_of(head.name)
        names = []
        if rule is not None:
            del unknown["instrument"]
            parts = parts._replace(instrument=rule)
            names = [name for name in rule.of_names([head.name]) if name]
    return Proposal(
        files=(file,),
        glob=os.path.basename(file),
        dialect=fit.dialect,
        parts=parts,
        reasons=tuple(_reasons(file, head, fit)),
        unknown=unknown,
        alternatives=tuple(_other(fit, each) for each in fits if each is not fit)[:4],
        check=(*_checks(fit, parts), *_choices(fit, best)),
        instruments=tuple(names),
    )


def _how(fit: Fit, part: str) -> str:
    preset = fit.preset
    if preset and part in preset.asks:
        return preset.asks[part]
    if part == "timezone":
        return "the zone of the time stamps, which the file does not say"
    return "where the instrument's name is"


def _rule_of(name: str) -> InstrumentRule | None:
    """A rule by which a name begins with its instrument."""
    found = _NAME.search(name.rpartition(".")[0] or name)
    if found is None or not is_instrument(found[1]) or found[1].isdigit():
        return None
    return InstrumentRule(pattern=r"^([A-Za-z0-9]+)")


def _reasons(file: str, head: Head, fit: Fit) -> Iterable[str]:
    read, series = fit.preview, fit.format.series_read
    packed = f" ({head.kind})" if head.kind else ""
    first, last = _span(fit)
    part = "" if head.whole else " of its beginning"
    yield (
        f"{file}{packed}: {series.counted(read.count)}{part}, {first} to {last} "
        f"{'UTC' if 'timezone' not in fit.missing else 'by its clock'}"
    )
    if fit.preset is not None:
        yield f"{fit.preset.title}: {_likeness(fit)}"
    if read.bad:
        count, bad = len(read.bad), read.bad[0]
        noun = "1 row is" if count == 1 else f"{count:,} rows are"
        yield f"{noun} invalid; line {bad.line}: {bad.reason}"
    if fit.parts.interval is not None:
        shorter = seconds_of(fit.parts.interval) < BARS.seconds
        remedy = f'; aggregate = "{BARS.name}" makes bars of {BARS.name} of them' if shorter else ""
        yield f"the bars are {fit.parts.interval} apart{remedy}"


def _likeness(fit: Fit) -> str:
    """Why it is taken for what a preset describes."""
    if fit.named:
        return "its columns, its time stamps and its name are usual for them"
    return f"columns and time stamps are usual for them{'' if fit.format.header else _OTHERS}"


def _checks(fit: Fit, parts: Parts) -> Iterable[str]:
    sure = fit.preset is not None and (fit.named or fit.format.header)
    if fit.format.series_read is not TICKS and not sure:
        yield f'bar_time is "{fit.format.bar_time}"; see {_CLOSE}'
    if re.match(r"%[dm][/\-]%[dm]", fit.format.timestamp_format) and not _tells_day(fit):
        yield "day and month could be the other way round in timestamp_format"
    if "timezone" in fit.missing and (busy := _busiest(fit)):
        yield f"by its clock, the busiest half hour of the file begins at {busy}"
    if parts.instrument and "instrument" in fit.missing:
        yield "the instrument is what the file's name begins with"


def _choices(fit: Fit, best: Sequence[Fit]) -> Iterable[str]:
    """That others are as likely, and mean other times."""
    if any(each.format.timezone != fit.format.timezone for each in best):
        yield "which of these wrote the file; they mean different times"


def _other(fit: Fit, other: Fit) -> str:
    """How another source that reads the file differs."""
    one, two = fit.format, other.format
    differ = [
        f"{name} = {getattr(two, name)!r}"
        for name in ("timestamp_format", "bar_time", "price_scale", "volume_type")
        if getattr(one, name) != getattr(two, name)
    ]
    zone = "to be said" if "timezone" in other.missing else (two.timezone or "in the stamps")
    title = f" ({other.preset.title})" if other.preset else ""
    what = f'dialect = "{other.dialect}"{title}' if other.dialect else "the same"
    return ", ".join([f"{what}: timezone {zone}", *differ])


def _times(fit: Fit) -> list[int]:
    """Seconds since 1970 of the rows."""
    unit = fit.format.series_written.unit
    return [time // unit for _, table, _ in fit.preview.rows for time in table.time.tolist()]


def _span(fit: Fit) -> tuple[str, str]:
    times = _times(fit)
    first, last = (dt.datetime.fromtimestamp(t, dt.UTC) for t in (min(times), max(times)))
    return f"{first:%Y-%m-%d %H:%M}", f"{last:%Y-%m-%d %H:%M}"


def _tells_day(fit: Fit) -> bool:
    """Whether a day after the 12th tells it from the month."""
    return any(dt.datetime.fromtimestamp(t, dt.UTC).day > 12 for t in _times(fit))


def _busiest(fit: Fit) -> str:
    """The half hour of the day with the most volume, by the file's clock; empty if unclear."""
    volumes: Counter[int] = Counter()
    unit = fit.format.series_written.unit
    for _, table, _ in fit.preview.rows:
        for time, volume in zip(table.time.tolist(), table.volume.tolist(), strict=True):
            if volume > 0:
                volumes[time // unit % 86_400 // 1800] += volume
    if len(volumes) < 12:
        return ""
    slot = volumes.most_common(1)[0][0]
    return f"{slot // 2:02}:{slot % 2 * 30:02}"


def _with_globs(found: list[Proposal | Unread], root: str) -> list[Proposal | Unread]:
    """The same, each with a glob for its files that no other one shares."""
    globs = [_glob(each, root) if isinstance(each, Proposal) else "" for each in found]
    return [
        attrs.evolve(each, glob=_narrow(each, root, found) if globs.count(glob) > 1 else glob)
        if isinstance(each, Proposal)
        else each
        for each, glob in zip(found, globs, strict=True)
    ]


def _glob(proposal: Proposal, root: str) -> str:
    names = [os.path.basename(file) for file in proposal.files]
    suffixes = {found[0] if (found := _SUFFIX.search(name)) else "" for name in names}
    suffix = suffixes.pop() if len(suffixes) == 1 else ""
    return f"{_folder(proposal, root)}/*{suffix}"


def _narrow(proposal: Proposal, root: str, found: Iterable[Proposal | Unread]) -> str:
    """The names themselves, with `*` for their numbers unless that is another one's file too."""
    names = {re.sub(r"\d+", "*", os.path.basename(file)) for file in proposal.files}
    name = names.pop() if len(names) == 1 else os.path.basename(proposal.files[0])
    others = [file for each in found if isinstance(each, Proposal) for file in each.files]
    others = [os.path.basename(file) for file in others if file not in proposal.files]
    if any(fnmatch.fnmatchcase(other, name) for other in others):
        name = os.path.basename(proposal.files[0])
    return f"{_folder(proposal, root)}/{name}"


def _folder(proposal: Proposal, root: str) -> str:
    """The folder of the files, relative to the project; `{raw}` for files elsewhere."""
    folders = {os.path.dirname(os.path.abspath(file)) for file in proposal.files}
    folder = os.path.commonpath(folders)
    below = os.path.relpath(folder, os.path.abspath(root)) if root else ".."
    if below.split(os.sep)[0] in ("..", "."):
        return RAW
    return below.replace(os.sep, "/") + ("" if len(folders) == 1 else "/**")
