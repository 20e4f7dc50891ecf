"""The executor `batch`: tasks as jobs of a batch system, by three command lines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pipekit import Engine, Executor, ExecutorContext, hookimpl
from pipekit_batch.settings import Settings

PIPEKIT_API = "1"  # the hook API that this plugin is written for


@contextmanager
def open_batch(context: ExecutorContext, settings: Settings) -> Iterator[Engine]:
    """Watch the system's queue while the block runs."""
    from pipekit_batch.engine import BatchEngine  # only when a stage uses it

    engine = BatchEngine(context, settings, settings.template())
    try:
        yield engine
    finally:
        engine.close()


@hookimpl
def pipekit_executors() -> Iterator[Executor]:
    """The executor `batch`."""
    yield Executor("batch", open_batch, settings=Settings)
