"""Parts that need the code of plugins and load alone: settings, permissions, plugins' pages."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from pipekit_dashboard.ask import AskError
from pipekit_dashboard.context import context_of, project_of


def settings(request: Request) -> Response:
    """Every setting and where it came from."""
    context, project = context_of(request), project_of(request)
    return HTMLResponse(
        context.render(
            "loading.html",
            request,
            project=project,
            title="Settings",
            query="settings",
            is_card=True,
        )
    )


def plugin_page(request: Request) -> Response:
    """A page that a plugin offers."""
    context, project = context_of(request), project_of(request)
    name = request.path_params["name"]
    if name not in context.pages:
        raise HTTPException(404, "no plugin offers such a page")
    query = f"page?name={name}"
    return HTMLResponse(
        context.render(
            "loading.html", request, project=project, title=name, query=query, is_card=False
        )
    )


async def part(request: Request) -> Response:
    """A piece of a page, made in a process of its own; or why it could not be made."""
    context, project = context_of(request), project_of(request)
    kind, query = request.path_params["kind"], request.query_params
    words = [kind]
    if kind == "file" and project.reader.knows(query.get("path", "")):
        words.append(query["path"])
    elif kind == "page" and query.get("name") in context.pages:
        words.append(query["name"])
    elif kind != "settings":
        raise HTTPException(404, "there is no such part")
    try:
        return HTMLResponse(await context.asker.ask(project.reader.root, project.base, words))
    except AskError as error:
        html = context.part("parts/problem.html", text=str(error))
        return HTMLResponse(html)
