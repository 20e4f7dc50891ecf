"""The grid: how each project is, what runs now, and its latest runs."""

from __future__ import annotations

from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from pipekit_dashboard.context import Context, context_of, project_of
from pipekit_dashboard.live import Live, Moment, Parts
from pipekit_dashboard.project import WatchedProject
from pipekit_dashboard.streams import PATIENCE, Message

_PARTS = ("verdict", "facts", "runs")


def page(request: Request) -> Response:
    """The first page."""
    context = context_of(request)
    parts = {
        each.number: _parts(context, each, Moment(each.current())) for each in context.projects
    }
    return HTMLResponse(context.render("grid.html", request, parts=parts))


def runs(request: Request) -> Response:
    """Earlier runs of a project."""
    context, project = context_of(request), project_of(request)
    before = request.query_params.get("before", "")
    is_number = before.isascii() and before.isdecimal() and len(before) < 15
    rows, _ = project.rows(int(before) if is_number else None)
    html = context.render(
        "runs.html",
        request,
        project=project,
        rows=rows,
        earlier=before,
        stages=_stages(project),
    )
    return HTMLResponse(html)


def stream(request: Request) -> Response:
    """What changes on the first page."""
    context = context_of(request)
    return context.streams.answer(_messages(context))


def _stages(project: WatchedProject) -> list[str]:
    status = project.overview().status
    return list(status.stages) if status else []


async def _messages(context: Context) -> AsyncIterator[Message | None]:
    lives = [_live(context, project) for project in context.projects]
    changes = [live.changes(PATIENCE / len(lives)) for live in lives]
    try:
        while True:
            told = False
            for each in changes:
                for name, html in (await anext(each)).items():
                    yield Message("part", {"id": name, "html": html})
                    told = True
            if not told:
                yield None
    finally:
        for each in changes:
            await each.aclose()  # type: ignore[attr-defined]  # they are generators


def _live(context: Context, project: WatchedProject) -> Live:
    key = f"grid {project.number}"
    if key not in context.live:
        context.live[key] = Live(
            project.reader,
            context.followers,
            project.current,
            lambda moment: _parts(context, project, moment),
        )
    return context.live[key]


def _parts(context: Context, project: WatchedProject, moment: Moment) -> Parts:
    """The parts of a project; those that do not follow the run are made once for each overview."""
    overview, base = project.overview(), f"p{project.number}"
    values = {"project": project, "overview": overview, "moment": moment}
    key = project.number, moment.run is None
    known, parts = context.made.get(key, (None, {}))
    if known is not overview:
        parts = {f"{base}-{n}": context.part(f"parts/{n}.html", **values) for n in _PARTS}
        context.made[key] = overview, parts
    return {**parts, f"{base}-now": context.part("parts/now.html", **values)}
