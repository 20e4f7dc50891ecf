"""The stage `three`."""

from pipekit import StageSpec, hookimpl
from pipekit_benchmark import plan

PIPEKIT_API = "1"


@hookimpl
def pipekit_stages():
    yield StageSpec("three", plan, after={"two": "success"})
