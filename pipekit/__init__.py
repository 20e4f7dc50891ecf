"""pipekit: a pipeline for one machine. The public names, imported when they are first used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "1.0.0"

if TYPE_CHECKING:
    from pipekit.errors import ConfigError as ConfigError
    from pipekit.errors import DefinitionError as DefinitionError
    from pipekit.errors import PipekitError as PipekitError
    from pipekit.errors import PluginError as PluginError
    from pipekit.hookspecs import hookimpl as hookimpl
    from pipekit.model.command import Command as Command
    from pipekit.model.command import Outcome as Outcome
    from pipekit.model.command import ProcessResult as ProcessResult
    from pipekit.model.event import Emit as Emit
    from pipekit.model.event import Event as Event
    from pipekit.model.event import EventKind as EventKind
    from pipekit.model.event import SinkContext as SinkContext
    from pipekit.model.executor import Engine as Engine
    from pipekit.model.executor import ExecutorContext as ExecutorContext
    from pipekit.model.executor import Order as Order
    from pipekit.model.executor import OrderState as OrderState
    from pipekit.model.executor import OrderStatus as OrderStatus
    from pipekit.model.file import Consumption as Consumption
    from pipekit.model.file import ContentState as ContentState
    from pipekit.model.file import FileStat as FileStat
    from pipekit.model.file import Input as Input
    from pipekit.model.file import Inspection as Inspection
    from pipekit.model.file import Pending as Pending
    from pipekit.model.file import Published as Published
    from pipekit.model.file import Why as Why
    from pipekit.model.policy import ActionKind as ActionKind
    from pipekit.model.policy import FileAction as FileAction
    from pipekit.model.policy import LifecycleView as LifecycleView
    from pipekit.model.run import PipelineReport as PipelineReport
    from pipekit.model.run import PipelineState as PipelineState
    from pipekit.model.run import RunContext as RunContext
    from pipekit.model.specs import EventSink as EventSink
    from pipekit.model.specs import Executor as Executor
    from pipekit.model.specs import LifecyclePolicy as LifecyclePolicy
    from pipekit.model.specs import StageSpec as StageSpec
    from pipekit.model.stage import StagePlan as StagePlan
    from pipekit.model.stage import StageResult as StageResult
    from pipekit.model.status import FailureKind as FailureKind
    from pipekit.model.status import PipelineStatus as PipelineStatus
    from pipekit.model.status import StageStatus as StageStatus
    from pipekit.model.task import Task as Task
    from pipekit.model.task import TaskResult as TaskResult
    from pipekit.model.task import Watch as Watch
    from pipekit.scripts import script_stage as script_stage
    from pipekit.settings import Duration as Duration
    from pipekit.settings import Size as Size
    from pipekit.settings import setting as setting
    from pipekit.worker import ABSENT as ABSENT

_HOMES = {
    "pipekit.errors": ("ConfigError", "DefinitionError", "PipekitError", "PluginError"),
    "pipekit.hookspecs": ("hookimpl",),
    "pipekit.model.command": ("Command", "Outcome", "ProcessResult"),
    "pipekit.model.event": ("Emit", "Event", "EventKind", "SinkContext"),
    "pipekit.model.executor": (
        "Engine",
        "ExecutorContext",
        "Order",
        "OrderState",
        "OrderStatus",
    ),
    "pipekit.model.file": (
        "Consumption",
        "ContentState",
        "FileStat",
        "Input",
        "Inspection",
        "Pending",
        "Published",
        "Why",
    ),
    "pipekit.model.policy": ("ActionKind", "FileAction", "LifecycleView"),
    "pipekit.model.run": ("PipelineReport", "PipelineState", "RunContext"),
    "pipekit.model.specs": ("EventSink", "Executor", "LifecyclePolicy", "StageSpec"),
    "pipekit.model.stage": ("StagePlan", "StageResult"),
    "pipekit.model.status": ("FailureKind", "PipelineStatus", "StageStatus"),
    "pipekit.model.task": ("Task", "TaskResult", "Watch"),
    "pipekit.scripts": ("script_stage",),
    "pipekit.settings": ("Duration", "Size", "setting"),
    "pipekit.worker": ("ABSENT",),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = ["__version__", *sorted(_HOME)]  # noqa: PLE0604  # the names stand in _HOMES, once


if not TYPE_CHECKING:  # else every misspelt name would pass the type checker

    def __getattr__(name: str) -> Any:
        if name not in _HOME:
            raise AttributeError(f"module 'pipekit' has no attribute {name!r}")
        value = getattr(importlib.import_module(_HOME[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
