"""The hooks of a plugin: stages, lifecycle policies and event sinks."""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from pipekit.model.specs import EventSink, LifecyclePolicy, StageSpec

API_VERSION = "1"
GROUP = "pipekit"

hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


@hookspec
def pipekit_stages() -> Iterable[StageSpec]:  # type: ignore[empty-body]  # only the signature counts
    """The stages of this plugin.

    Inputs stay pending until the worker reports them (`pipekit.worker.report.consumed`); `wc` below
    does not, so this stage runs again in every run.

    ```python
    from pipekit import Command, StagePlan, StageSpec, Task, hookimpl

    def plan(ctx, settings):
        new = ctx.pending(ctx.files("data/in/*.txt"))
        if not new:
            return StagePlan.skip(new.sentence("data/in"), new)
        task = Task(name="count", command=Command(argv=["wc", "-l", *[i.path for i in new]]))
        return StagePlan(reason=new.sentence("data/in"), tasks=[task], inputs=new.inputs)

    @hookimpl
    def pipekit_stages():
        yield StageSpec("count", plan)
    ```
    """


@hookspec
def pipekit_lifecycle_policies() -> Iterable[LifecyclePolicy]:  # type: ignore[empty-body]  # only the signature counts
    """The lifecycle policies of this plugin.

    ```python
    from pipekit import ActionKind, FileAction, LifecyclePolicy, hookimpl

    def propose(view, settings):
        for file in view.files("data/scratch/**"):
            if view.age(file) > 86400:
                yield FileAction(kind=ActionKind.DELETE, path=file.path, reason="a day old")

    @hookimpl
    def pipekit_lifecycle_policies():
        yield LifecyclePolicy("scratch", propose)
    ```
    """


@hookspec
def pipekit_event_sinks() -> Iterable[EventSink]:  # type: ignore[empty-body]  # only the signature counts
    """The event sinks of this plugin.

    ```python
    from contextlib import contextmanager
    from pipekit import EventSink, hookimpl

    @contextmanager
    def open_text(ctx, settings):
        with open(ctx.logs / "events.txt", "a", encoding="utf-8") as file:
            yield lambda event: print(event.timestamp, event.stage, event.event, file=file)

    @hookimpl
    def pipekit_event_sinks():
        yield EventSink("text", open_text)
    ```
    """
