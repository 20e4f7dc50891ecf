"""The stylesheet, the script and the icon: our own, and nothing else."""

from __future__ import annotations

from importlib import resources

from pipekit_html import resource
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

_SCRIPT = resources.files("pipekit_dashboard").joinpath("static/dashboard.js")
_ICON = resources.files("pipekit_dashboard").joinpath("static/icon.svg")


def static(request: Request) -> Response:
    """One of the three, by its name in this list."""
    name = request.path_params["name"]
    if name == "pipekit.css":
        return Response(resource("pipekit.css"), media_type="text/css")
    if name == "dashboard.js":
        return Response(_SCRIPT.read_text("utf-8"), media_type="text/javascript")
    if name == "icon.svg":
        return Response(_ICON.read_text("utf-8"), media_type="image/svg+xml")
    raise HTTPException(404, "there is no such file")
