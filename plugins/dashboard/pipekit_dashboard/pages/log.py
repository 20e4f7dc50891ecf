"""The log of a run: its events, or what one of its programs printed, page by page and followed."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse

from pipekit import Event
from pipekit.reading import (
    Line,
    Output,
    Page,
    PipelineState,
    lines_after,
    lines_before,
    offset_of,
    parse_events,
    search,
)
from pipekit_dashboard.context import Context, context_of, project_of, run_of
from pipekit_dashboard.project import WatchedProject
from pipekit_dashboard.streams import PATIENCE, Message

_EVENTS = "events"
_LINES = 500  # on a page
_MATCHES = 200
_BYTES = 64 * 1024  # of output on a page
_EVENT_BYTES = 512 * 1024
_LONGEST = 4_000  # characters of a line that are shown
_CHUNK = 256 * 1024


class Source(NamedTuple):
    """What the page shows. `of`: as the address names it; `path`: the file, which may be gone."""

    of: str
    title: str
    path: Path
    size: int

    @property
    def is_events(self) -> bool:
        """Whether it is the journal."""
        return self.of == _EVENTS


class Shown(NamedTuple):
    """A line of the page: `kind` is its class; `event` is None for output."""

    text: str
    kind: str = ""
    event: Event | None = None


def page(request: Request) -> Response:
    """A page of the log: its end, what is before or after a byte, or what a search finds."""
    context, project, run = context_of(request), project_of(request), run_of(request)
    sources = _sources(project, run)
    source = _source(request, sources)
    text = request.query_params.get("q", "")[:200]
    found, is_search = _page(request, source, text), bool(text)
    at_end = found.end >= found.size and not is_search
    html = context.render(
        "log.html",
        request,
        project=project,
        run=run,
        sources=sources,
        source=source,
        text=text,
        page=found,
        lines=list(_shown(source, found.lines)),
        follow=run.status is None and at_end,
        links=_links(source, found, text),
    )
    return HTMLResponse(html)


def stream(request: Request) -> Response:
    """The lines that come after a byte; the id of a message says where to go on."""
    context, project, run = context_of(request), project_of(request), run_of(request)
    source = _source(request, _sources(project, run))
    last = request.headers.get("last-event-id") or request.query_params.get("last", "")
    known, _, offset = last.rpartition(":")
    at = int(offset) if known == run.run_id and offset.isdecimal() and len(offset) < 20 else 0
    return context.streams.answer(_messages(context, run, source, at))


def raw(request: Request) -> Response:
    """The whole file, to be saved."""
    project, run = project_of(request), run_of(request)
    source = _source(request, _sources(project, run))
    try:
        file = open(os.open(source.path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0)), "rb")  # noqa: SIM115  # closed by _chunks
    except OSError as error:
        raise HTTPException(404, f"cannot read it: {error.strerror}") from error
    name = f"run-{run.number}-{source.of.replace('/', '-')}"
    disposition = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(_chunks(file), headers=disposition, media_type="text/plain")


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while data := file.read(_CHUNK):
            yield data


async def _messages(
    context: Context, run: PipelineState, source: Source, at: int
) -> AsyncIterator[Message | None]:
    with context.followers.follow(source.path, at) as followed:
        news = followed.news(at, PATIENCE)
        try:
            async for found in news:
                if found is None:
                    yield None
                    continue
                if found.restarted:
                    yield Message("restart", "")
                    continue
                shown = list(_shown(source, found.lines))
                html = context.part("parts/lines.html", lines=shown)
                end = f"{run.run_id}:{found.lines[-1].end}"
                yield Message("lines", {"html": html, "count": len(shown)}, end)
        finally:
            await news.aclose()  # type: ignore[attr-defined]  # it is a generator


def _sources(project: WatchedProject, run: PipelineState) -> list[Source]:
    """The journal, and each output of a program."""
    journal = project.reader.journal(run)
    found = [Source(_EVENTS, "events", journal, journal.stat().st_size if journal.is_file() else 0)]
    found += [_of_output(each) for each in project.reader.outputs(run)]
    return found


def _of_output(output: Output) -> Source:
    of = f"{output.stage}/{output.name}"
    return Source(of, of, output.path, output.size)


def _source(request: Request, sources: Sequence[Source]) -> Source:
    """The one that is asked for: by its name in the list, or the first of a stage with output."""
    of = request.query_params.get("of", _EVENTS)
    exact = [each for each in sources if each.of == of]
    of_stage = [each for each in sources if each.of.startswith(f"{of}/")]
    found = exact or [each for each in of_stage if each.size] or of_stage
    if not found:
        raise HTTPException(404, "there is no such output; it may be gone (see [retention])")
    return found[0]


def _page(request: Request, source: Source, text: str) -> Page:
    values = {name: _number(request, name) for name in ("before", "after", "seq", "from")}
    most = _EVENT_BYTES if source.is_events else _BYTES
    try:
        if text:
            return search(source.path, text, values["from"] or 0, count=_MATCHES)
        if values["seq"] is not None and source.is_events:
            at = offset_of(source.path, values["seq"])
            return lines_after(source.path, at, count=_LINES, most=most)
        if values["after"] is not None:
            return lines_after(source.path, values["after"], count=_LINES, most=most)
        return lines_before(source.path, values["before"], count=_LINES, most=most)
    except FileNotFoundError:
        return Page((), 0, 0, 0)
    except OSError as error:
        raise HTTPException(404, f"cannot read it: {error.strerror}") from error


def _number(request: Request, name: str) -> int | None:
    text = request.query_params.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 18 else None


def _links(source: Source, page: Page, text: str) -> dict[str, str]:
    """Queries of the pages beside this one."""
    found: dict[str, dict[str, object]] = {"newest": {"of": source.of}}
    if text:
        if page.end < page.size:
            found["more"] = {"of": source.of, "q": text, "from": page.end}
    else:
        if page.start > 0:
            found["earlier"] = {"of": source.of, "before": page.start}
            found["oldest"] = {"of": source.of, "after": 0}
        if page.end < page.size:
            found["later"] = {"of": source.of, "after": page.end}
    return {name: f"?{urlencode(query)}" for name, query in found.items()}


def _shown(source: Source, lines: Sequence[Line]) -> Iterator[Shown]:
    if source.is_events:
        for _, event in parse_events(lines):
            text = event.msg or " ".join(f"{key}={value}" for key, value in event.data.items())
            yield Shown(text[:_LONGEST], event.event, event)
        return
    kind = "err" if source.of.endswith(".err") else ""
    for line in lines:
        text = line.data.decode("utf-8", "backslashreplace").rstrip("\r")
        for piece in text.split("\r")[-20:]:  # of a progress bar, the last states
            cut = len(piece) > _LONGEST or len(line.data) < line.end - line.start - 1
            yield Shown(f"{piece[:_LONGEST]} ..." if cut else piece, kind)
