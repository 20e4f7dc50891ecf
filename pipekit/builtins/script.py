"""The stage `script`: a program of the project's own, named in pipekit.toml and not in a plugin."""

from __future__ import annotations

from collections.abc import Iterator

from pipekit import StageSpec, hookimpl, script_stage

PIPEKIT_API = "1"


@hookimpl
def pipekit_stages() -> Iterator[StageSpec]:
    """The stage `script`."""
    yield script_stage("script")
