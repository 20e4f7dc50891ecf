"""The executor `dask`: tasks on the workers of a Dask cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pipekit import Engine, Executor, ExecutorContext, hookimpl
from pipekit_dask.settings import Settings

PIPEKIT_API = "1"  # the hook API that this plugin is written for


@contextmanager
def open_dask(context: ExecutorContext, settings: Settings) -> Iterator[Engine]:
    """Connect to the cluster, or start one; what is started here ends with the block."""
    from pipekit_dask.cluster import connected  # with distributed, which takes half a second
    from pipekit_dask.engine import DaskEngine

    with connected(context, settings) as client:
        engine = DaskEngine(client, context.wake)
        try:
            yield engine
        finally:
            engine.close()


@hookimpl
def pipekit_executors() -> Iterator[Executor]:
    """The executor `dask`."""
    yield Executor("dask", open_dask, settings=Settings)
