"""The order for an attempt at a task: what its node carries out, and what the engine gets."""

from __future__ import annotations

import hashlib

from pipekit.model.executor import Order
from pipekit.model.task import Task
from pipekit.process.remote.folder import AttemptFolder, write_json
from pipekit.process.remote.spec import TaskSpec


def write_order(folder: AttemptFolder, spec: TaskSpec, task: Task, run_id: str) -> Order:
    """Write the file that `pipekit exec-task` carries out on a node. Raises OSError."""
    data = write_json(folder.spec, spec.record(), spec.mode)
    stage = spec.name.removesuffix(f"/{task.name}")
    return Order(
        key=f"{run_id}-{stage}-{task.name}-{spec.attempt}",
        run_id=run_id,
        stage=stage,
        task=task.name,
        attempt=spec.attempt,
        cores=task.cores,
        memory=task.memory,
        spec=str(folder.spec),
        digest=hashlib.sha256(data).hexdigest(),
        grace=spec.command.grace,
    )
