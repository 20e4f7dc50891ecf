"""Executes the plan of a stage: its tasks, the verdict, and the entry in the ledger."""

from __future__ import annotations

from pipekit.config.digest import output_digest
from pipekit.model.event import EventKind
from pipekit.model.stage import StagePlan, StageResult
from pipekit.process import Cancel
from pipekit.run.current_run import CurrentRun
from pipekit.run.execution import TaskExecutor
from pipekit.run.project import Stage
from pipekit.run.running_task import StageOrders
from pipekit.run.verdict import judge_stage
from pipekit.storage.lock import RunLock


class StageExecutor:
    """Executes the stages of one run."""

    def __init__(self, run: CurrentRun, lock: RunLock, cancel: Cancel) -> None:
        self._run = run
        project = run.project
        self._tasks = TaskExecutor(
            project.files,
            workers=project.configuration.pipeline.cores,
            cancel=cancel,
            hold_fds=(lock.descriptor,),
        )

    def execute(self, stage: Stage, plan: StagePlan) -> StageResult:
        """Run the tasks of a plan, and record in the ledger what they consumed and published."""
        run = self._run
        names = [task.name for task in plan.tasks]
        run.events.emit(stage.name, EventKind.START, plan.reason, tasks=names)
        tasks = self._tasks.run(
            plan.tasks,
            self._orders(stage),
            lambda event, msg, /, **data: run.events.emit(stage.name, event, msg, **data),
        )
        for task in tasks:
            if task.process is not None:
                name = f"{stage.name}/{task.name}"
                run.events.log.output(name, "stdout", task.process.stdout.spool)
                run.events.log.output(name, "stderr", task.process.stderr.spool)
        result = judge_stage(stage.name, plan, tasks)
        run.ledger.commit(
            stage.name,
            stage.version,
            run.number,
            result.files,
            settings={item.path: item.settings for item in plan.inputs},
            default_settings=output_digest(stage.settings),
        )
        return result

    def _orders(self, stage: Stage) -> StageOrders:
        project = self._run.project
        assert stage.spec is not None
        return StageOrders(
            stage=stage.name,
            config=project.configuration.stages[stage.name],
            run_id=self._run.run_id,
            root=project.paths.root,
            spool_dir=project.paths.runs / self._run.run_id / stage.name,
            watch=stage.spec.watch,
            redact=project.secrets,
            published=self._run.ledger.published_signatures(stage.name),
        )
