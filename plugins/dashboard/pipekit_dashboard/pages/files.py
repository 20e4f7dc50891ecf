"""The files that the ledger knows, and the story of one of them."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from pipekit_dashboard.context import context_of, project_of

_SHOWN = 200
STATES = ("consumed", "rejected", "published", "removed")


def page(request: Request) -> Response:
    """Files of a stage, page by page."""
    context, project = context_of(request), project_of(request)
    query = request.query_params
    stages = project.reader.stages()
    stage = query.get("stage", "")
    stage = stage if stage in stages else next(iter(stages), "")
    state = query.get("state", "")
    state = state if state in STATES else ""
    text, after = query.get("q", "")[:200], query.get("after", "")
    found = project.reader.files(stage, state=state, text=text, after=after, limit=_SHOWN + 1)
    html = context.render(
        "files.html",
        request,
        project=project,
        stages=stages,
        states=STATES,
        stage=stage,
        state=state,
        text=text,
        files=found[:_SHOWN],
        next=found[_SHOWN - 1].path if len(found) > _SHOWN else "",
    )
    return HTMLResponse(html)


def story(request: Request) -> Response:
    """What became of a file that the ledger knows; other files are not looked at."""
    context, project = context_of(request), project_of(request)
    path = request.query_params.get("path", "")
    if not project.reader.knows(path):
        raise HTTPException(404, "no run has seen such a file")
    html = context.render(
        "file.html", request, project=project, path=path, story=project.reader.file(path)
    )
    return HTMLResponse(html)
