"""The health of a project: what is wrong, what waits, how much room there is."""

from __future__ import annotations

from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from pipekit_dashboard.actions import WrongActionError, latest
from pipekit_dashboard.context import context_of, project_of

_LARGEST = 16_000  # bytes of a form


def page(request: Request) -> Response:
    """The page; it loads itself again every 30 seconds."""
    context, project = context_of(request), project_of(request)
    overview = project.overview()
    values = {"overview": overview, "actions_done": latest(project.reader.paths.logs)}
    if request.query_params.get("part"):
        return HTMLResponse(context.part("parts/health.html", project=project, **values))
    html = context.render(
        "health.html", request, project=project, said=request.query_params.get("said", ""), **values
    )
    return HTMLResponse(html)


async def act(request: Request) -> Response:
    """Start a command; the guard has let this request through."""
    context, project = context_of(request), project_of(request)
    body = b""
    async for data in request.stream():
        body += data
        if len(body) > _LARGEST:
            return Response(status_code=413)
    fields = dict(parse_qsl(body.decode("utf-8", "replace"), max_num_fields=10))
    peer = request.client.host if request.client else "?"
    paths = project.reader.paths
    name = request.path_params["name"]
    try:
        await context.actions.start(name, paths.root, paths.logs, fields, peer)
    except WrongActionError as error:
        raise HTTPException(400, str(error)) from error
    return RedirectResponse(f"{project.base}/health?said={name}", 303)
