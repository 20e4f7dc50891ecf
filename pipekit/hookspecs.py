"""The hooks of a plugin: stages, lifecycle policies, event sinks and executors."""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from pipekit.model.specs import EventSink, Executor, LifecyclePolicy, StageSpec

API_VERSION = "1"  # of these hooks; a plugin names the one it is written for in `PIPEKIT_API`
GROUP = "pipekit"  # the entry-point group of plugins, and the project's name for pluggy

hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


@hookspec
def pipekit_stages() -> Iterable[StageSpec]:  # type: ignore[empty-body]  # only the signature counts
    """The stages of this plugin.

    A stage that counts the lines of text files; the module is also its worker:

    ```python
    from pathlib import Path

    from pipekit import Command, StagePlan, StageSpec, Task, hookimpl
    from pipekit.worker import hasher, look, report, request

    def plan(ctx, settings):
        new = ctx.pending(ctx.files("data/in/*.txt"))
        if not new:
            return StagePlan.skip(new.sentence("data/in"), new)
        paths = [item.path for item in new]
        task = Task(name="count", command=Command.python(__name__, request=paths))
        more = {"inputs": new.inputs, "waiting": new.waiting, "rejected": new.rejected}
        return StagePlan(reason=new.sentence("data/in"), tasks=[task], **more)

    @hookimpl
    def pipekit_stages():
        yield StageSpec("count", plan)

    if __name__ == "__main__":  # in the worker process
        for path in request():
            signature = look(path)  # before reading
            data = Path(path).read_bytes()
            print(path, data.count(10))
            report.consumed(path, hasher(data).hexdigest(), signature)
    ```

    Only the worker marks a file as consumed, by `report.consumed`, and only if its task or unit
    succeeds. `StagePlan.inputs` does not: a file that the worker does not report stays pending, and
    every run processes it again.
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


@hookspec
def pipekit_executors() -> Iterable[Executor]:  # type: ignore[empty-body]  # only the signature counts
    """The executors of this plugin: they carry tasks to other machines.

    This example runs each order in a thread of this process. A real engine hands the two texts
    `order.spec` and `order.digest` to a node, which calls `execute` with them or runs
    `pipekit exec-task`:

    ```python
    from contextlib import contextmanager
    from threading import Thread
    from pipekit import Executor, OrderState, OrderStatus, hookimpl
    from pipekit.remote import execute

    class Engine:
        def __init__(self):
            self.threads = {}

        def submit(self, order):
            thread = Thread(target=execute, args=(order.spec, order.digest))
            thread.start()
            self.threads[order.key] = thread
            return order.key

        def poll(self, ids):
            def state(id):
                alive = self.threads[id].is_alive()
                return OrderStatus(OrderState.RUNNING if alive else OrderState.ENDED)
            return {id: state(id) for id in ids}

        def cancel(self, id):
            pass  # its node hears of it from the run

        def close(self):
            for thread in self.threads.values():
                thread.join()

    @contextmanager
    def open_here(ctx, settings):
        engine = Engine()
        try:
            yield engine
        finally:
            engine.close()

    @hookimpl
    def pipekit_executors():
        yield Executor("here", open_here)
    ```
    """
