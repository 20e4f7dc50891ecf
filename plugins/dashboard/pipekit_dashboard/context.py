"""What every page needs: the projects, the templates, and what is shared between requests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import field, frozen
from jinja2 import Environment
from starlette.exceptions import HTTPException
from starlette.requests import Request

from pipekit.reading import PipelineState
from pipekit_dashboard.actions import Actions
from pipekit_dashboard.ask import Asker, page_names
from pipekit_dashboard.follow import Followers
from pipekit_dashboard.live import Live, Parts
from pipekit_dashboard.project import Overview, WatchedProject
from pipekit_dashboard.security import Access
from pipekit_dashboard.streams import Streams


@frozen(kw_only=True, eq=False)
class Context:
    """Shared by all requests. `live`: what is watched now, by the key of its page.

    `made`: parts of the grid, by project and whether nothing runs, for the latest overview.
    """

    projects: Sequence[WatchedProject]
    access: Access
    templates: Environment
    followers: Followers
    streams: Streams
    asker: Asker
    actions: Actions
    live: dict[str, Live] = field(factory=dict)
    made: dict[tuple[int, bool], tuple[Overview | None, Parts]] = field(factory=dict)
    pages: Sequence[str] = field(factory=page_names)

    def render(self, template: str, request: Request, /, **values: Any) -> str:
        """A page, with what all of them show."""
        return self.templates.get_template(template).render(
            projects=self.projects,
            actions=self.access.actions,
            plugin_pages=self.pages,
            here=request.url.path,
            **{"project": None, **values},
        )

    def part(self, template: str, /, **values: Any) -> str:
        """A piece of a page."""
        return self.templates.get_template(template).render(actions=self.access.actions, **values)


def context_of(request: Request) -> Context:
    """The context of a request."""
    found: Context = request.app.state.context
    return found


def project_of(request: Request) -> WatchedProject:
    """The project in the address. Raises HTTPException if there is none."""
    number: int = request.path_params["project"]
    projects = context_of(request).projects
    if not 1 <= number <= len(projects):
        raise HTTPException(404, "there is no such project here")
    return projects[number - 1]


def run_of(request: Request) -> PipelineState:
    """The run in the address, by its number. Raises HTTPException if there is none."""
    number = request.path_params["run"]
    found = project_of(request).reader.run(str(number))
    if found is None:
        raise HTTPException(404, f"there is no run {number}")
    return found
