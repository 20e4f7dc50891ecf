"""The connection to a Dask cluster, or a cluster of local processes for one run."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from tempfile import TemporaryDirectory
from typing import Any

import dask
from distributed import Client, LocalCluster, Security

from pipekit import ExecutorContext
from pipekit_dask.settings import LOCAL, Settings

RESOURCE = "pipekit"  # cores, as workers offer them: `dask worker --resources pipekit=4`
MEMORY = "pipekit_memory"  # bytes; asked for only by tasks that say how much they need
_CLOSE_SECONDS = 10.0
_LOOPBACK = "127.0.0.1:0"
_PLAIN = {  # of the scheduler and the workers that are started here
    "distributed.scheduler.allowed-failures": 0,  # retries are pipekit's, by kind
    "distributed.scheduler.work-stealing": False,
    "distributed.scheduler.no-workers-timeout": "60s",
    "distributed.worker.daemon": True,
    "distributed.admin.system-monitor.gil.enabled": False,
    "distributed.admin.large-graph-warning-threshold": "1GB",
}


class ClusterError(RuntimeError):
    """The cluster cannot be used; the message says why and what to do."""


@contextmanager
def connected(context: ExecutorContext, settings: Settings) -> Iterator[Client]:
    """A client of the cluster. Raises ClusterError, or OSError if it cannot be reached."""
    for name in ("distributed", "distributed.nanny", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # a run says in its events what counts
    with ExitStack() as opened:
        opened.enter_context(dask.config.set(_PLAIN))
        address: Any = settings.address
        if address == LOCAL:
            address = opened.enter_context(_local(context, settings))
        client = Client(
            address,
            security=_security(settings),
            timeout=settings.connect_timeout,
            set_as_default=False,
            name="pipekit",
        )
        opened.callback(_close, client)
        _check(client)
        yield client


@contextmanager
def _local(context: ExecutorContext, settings: Settings) -> Iterator[LocalCluster]:
    cores = settings.cores or max(1, context.cores // settings.workers)
    context.state.mkdir(exist_ok=True)
    with TemporaryDirectory(prefix="dask-", dir=context.state, ignore_cleanup_errors=True) as own:
        cluster = LocalCluster(
            n_workers=settings.workers,
            threads_per_worker=cores,
            processes=True,
            host="127.0.0.1",
            dashboard_address=_LOOPBACK,  # each has a small web server, which is not for others
            worker_dashboard_address=_LOOPBACK,
            resources={RESOURCE: cores},
            memory_limit=0,
            local_directory=own,
            silence_logs=logging.CRITICAL,
        )
        try:
            yield cluster
        finally:
            _close(cluster)


def _security(settings: Settings) -> Security | None:
    if not settings.address.startswith("tls://"):
        return None
    return Security(
        require_encryption=True,
        tls_ca_file=settings.ca or None,
        tls_client_cert=settings.cert or None,
        tls_client_key=settings.key or None,
    )


def _close(opened: Any) -> None:
    """Close a client or a cluster; one whose scheduler has died cannot say goodbye."""
    with suppress(Exception):
        opened.close(timeout=_CLOSE_SECONDS)


def largest_worker(client: Client) -> int:
    """The most cores that one worker offers; 0 without workers."""
    workers = client.scheduler_info()["workers"].values()
    return int(max((each["resources"].get(RESOURCE, 0) for each in workers), default=0))


def _check(client: Client) -> None:
    """Raise ClusterError if there are workers, and none of them could ever get a task."""
    workers = client.scheduler_info()["workers"]
    if workers and not largest_worker(client):
        raise ClusterError(
            f"none of its {len(workers)} workers offers the resource {RESOURCE!r}: start them with "
            f"`dask worker --resources {RESOURCE}=CORES`"
        )
