"""The page of one run, which follows it while it goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from pipekit.reading import PipelineState
from pipekit_dashboard.context import Context, context_of, project_of, run_of
from pipekit_dashboard.live import Live, Moment, Parts
from pipekit_dashboard.project import WatchedProject
from pipekit_dashboard.streams import PATIENCE, Message


def page(request: Request) -> Response:
    """One run."""
    context, project, run = context_of(request), project_of(request), run_of(request)
    view = project.run_view(run)
    html = context.render(
        "run.html",
        request,
        project=project,
        run=run,
        view=view,
        parts=_parts(context, project, run, Moment(run)),
    )
    return HTMLResponse(html)


def stream(request: Request) -> Response:
    """What changes on the page, until the run has ended."""
    context, project, run = context_of(request), project_of(request), run_of(request)
    return context.streams.answer(_messages(context, project, run))


async def _messages(
    context: Context, project: WatchedProject, run: PipelineState
) -> AsyncIterator[Message | None]:
    key = f"run {project.number} {run.number}"
    live = context.live.get(key)
    if live is None:
        live = context.live[key] = Live(
            project.reader,
            context.followers,
            lambda: run,
            lambda moment: _parts(context, project, run, moment),
            every=0.5,
            ends=True,
        )
    changes = live.changes(PATIENCE)
    try:
        async for parts in changes:
            for name, html in parts.items():
                yield Message("part", {"id": name, "html": html})
            if not parts:
                yield None
        context.live.pop(key, None)
        yield Message("end", "")
    finally:
        await changes.aclose()  # type: ignore[attr-defined]  # it is a generator


def _parts(context: Context, project: WatchedProject, run: PipelineState, moment: Moment) -> Parts:
    now = run if moment.run is None else moment.run  # one that has failed is false
    view = project.run_view(now, moment.timeline)
    base = f"{project.base}/runs/{run.number}"
    links = {"log": f"{base}/log", "file": f"{project.base}/file"}
    return {
        f"run-{name}": context.part(f"parts/run_{name}.html", view=view, links=links)
        for name in ("head", "timeline", "stages")
    }
