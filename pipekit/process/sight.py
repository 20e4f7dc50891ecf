"""What the processes of a tree are doing, as psutil tells it on any system."""

from __future__ import annotations

from pipekit.model.command import ProcessSnapshot


def snapshot(leader: int) -> list[ProcessSnapshot]:
    """What a process and those below it are doing, as far as the system tells."""
    import psutil

    try:
        process = psutil.Process(leader)
        return [s for p in [process, *process.children(recursive=True)] if (s := _seen(p))]
    except psutil.Error:
        return []


def _seen(process: object) -> ProcessSnapshot | None:
    import psutil

    assert isinstance(process, psutil.Process)
    try:
        with process.oneshot():
            times = process.cpu_times()
            return ProcessSnapshot(
                pid=process.pid,
                parent=process.ppid(),
                state=process.status(),
                cpu=times.user + times.system,
                rss=process.memory_info().rss,
                command=" ".join(process.cmdline()) or process.name(),
            )
    except psutil.Error:
        return None
