"""The engine: submits jobs, and watches the queue in a thread of its own."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import threading
import time
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from pipekit import ExecutorContext, Order, OrderState, OrderStatus
from pipekit_batch.presets import Template, filled
from pipekit_batch.settings import Settings

_MEGABYTE = 1024 * 1024
_LONGEST_ERROR = 500  # characters of what a command of the system says


class Seen(NamedTuple):
    """What `status` has printed of all jobs: their states by id, and when it was asked."""

    at: float
    jobs: dict[str, OrderStatus]


class BatchEngine:
    """Submits orders as jobs. A job that is no longer listed has ended."""

    def __init__(self, context: ExecutorContext, settings: Settings, template: Template) -> None:
        self._context = context
        self._settings = settings
        self._template = template
        self._submitted: dict[str, float] = {}
        self._seen = Seen(0.0, {})
        self._over = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="batch queue", daemon=True)

    def submit(self, order: Order) -> str:
        """Submit a job; returns its id. Raises RuntimeError with what the system says."""
        if self._watcher.ident is None:  # not started yet
            self._watcher.start()
        folder = Path(order.spec).parent
        words = [*self._settings.pipekit, "exec-task", order.spec, "--digest", order.digest]
        # `exec`: a signal to the job reaches pipekit itself, and nobody is left in between
        script = f"#!/bin/sh\nexec {shlex.join(words)}\n"
        values = {
            "key": order.key,
            "stage": order.stage,
            "task": order.task,
            "attempt": order.attempt,
            "cores": order.cores,
            "memory_mb": -(-order.memory // _MEGABYTE) if order.memory else "",
            "root": self._context.root,
            "folder": folder,
            "script": folder / "job.sh",
        }
        (folder / "job.sh").write_text(script)
        printed = self._call(filled(self._template.submit, values), script)
        found = re.search(self._template.id, printed)
        if found is None:
            raise RuntimeError(f"{self._template.submit[0]} printed no id: {printed.strip()!r}")
        self._submitted[found["id"]] = time.monotonic()
        return found["id"]

    def poll(self, ids: Collection[str]) -> dict[str, OrderStatus]:
        """What the last look at the queue has shown."""
        seen = self._seen
        found = {}
        for id in ids:
            if id in seen.jobs:
                found[id] = seen.jobs[id]
            elif seen.at > self._submitted.get(id, float("inf")):
                reason = f"{self._template.status[0]} does not list it any more"
                found[id] = OrderStatus(OrderState.ENDED, reason=reason)
            else:  # not asked since
                found[id] = OrderStatus(OrderState.QUEUED)
        return found

    def cancel(self, id: str) -> None:
        """Remove a job, if it is one of ours. Raises RuntimeError."""
        if self._submitted.pop(id, None) is not None:
            self._call(filled(self._template.cancel, {"id": id}))

    def close(self) -> None:
        """Watch no longer."""
        self._over.set()
        if self._watcher.is_alive():
            self._watcher.join()

    def _watch(self) -> None:
        while not self._over.wait(self._settings.poll):
            asked, ids = time.monotonic(), ",".join(list(self._submitted))
            try:
                printed = self._call(filled(self._template.status, {"ids": ids}))
            except RuntimeError:
                continue  # it does not answer now: what it said before stands
            self._seen = Seen(asked, dict(map(self._job, filter(str.strip, printed.splitlines()))))
            self._context.wake()

    def _job(self, line: str) -> tuple[str, OrderStatus]:
        """A job's id, and its status, from a line of `status`."""
        id, word, node, *_ = [*line.split(), "", ""]
        state = OrderState(self._template.states.get(word, "unknown"))
        reason = f"its state is {word}" if state is OrderState.ENDED else ""
        return id, OrderStatus(state, node, reason)

    def _call(self, words: list[str], script: str = "") -> str:
        """What a command of the system prints. Raises RuntimeError."""
        try:
            done = subprocess.run(
                words,
                input=script,
                capture_output=True,
                text=True,
                timeout=self._settings.limit,
                cwd=self._context.root,
                env=os.environ,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise RuntimeError(f"{words[0]}: {error}") from error
        if done.returncode:
            said = (done.stderr.strip() or done.stdout.strip())[:_LONGEST_ERROR]
            raise RuntimeError(f"{words[0]} exited with {done.returncode}: {said}")
        return done.stdout
