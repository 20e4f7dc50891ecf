"""The application: which address is which page."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from jinja2 import PackageLoader
from pipekit_html import environment
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from pipekit import PipekitError
from pipekit_dashboard.actions import Actions
from pipekit_dashboard.ask import Asker
from pipekit_dashboard.context import Context
from pipekit_dashboard.follow import Followers
from pipekit_dashboard.pages import assets, files, grid, health, log, parts, run
from pipekit_dashboard.project import WatchedProject
from pipekit_dashboard.security import Access, Guard
from pipekit_dashboard.streams import Streams

_PROJECT = "/p/{project:int}"


def application(
    projects: Sequence[WatchedProject], access: Access, is_stopping: Callable[[], bool]
) -> ASGIApp:
    """The whole application, with the guard around it."""
    context = Context(
        projects=projects,
        access=access,
        templates=environment(PackageLoader("pipekit_dashboard")),
        followers=Followers(),
        streams=Streams(is_stopping),
        asker=Asker(),
        actions=Actions(),
    )
    of_run = f"{_PROJECT}/runs/{{run:int}}"
    routes = [
        Route("/", grid.page),
        Route("/stream", grid.stream),
        Route("/static/{name}", assets.static),
        Route(f"{_PROJECT}/runs", grid.runs),
        Route(of_run, run.page),
        Route(f"{of_run}/stream", run.stream),
        Route(f"{of_run}/log", log.page),
        Route(f"{of_run}/log/stream", log.stream),
        Route(f"{of_run}/log/raw", log.raw),
        Route(f"{_PROJECT}/files", files.page),
        Route(f"{_PROJECT}/file", files.story),
        Route(f"{_PROJECT}/health", health.page),
        Route(f"{_PROJECT}/settings", parts.settings),
        Route(f"{_PROJECT}/pages/{{name}}", parts.plugin_page),
        Route(f"{_PROJECT}/part/{{kind}}", parts.part),
        Route(f"{_PROJECT}/actions/{{name}}", health.act, methods=["POST"]),
    ]

    async def problem(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        text = error.detail if isinstance(error, HTTPException) else str(error)
        html = context.render("error.html", request, status=status, text=text)
        return HTMLResponse(html, status)

    app = Starlette(
        routes=routes, exception_handlers={HTTPException: problem, PipekitError: problem}
    )
    app.state.context = context
    return Guard(app, access)
