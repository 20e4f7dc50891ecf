"""One run as a page: its report, and a timeline of its stages, tasks and units."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from statistics import median
from typing import NamedTuple

from attrs import frozen

from pipekit.reading import (
    RUNNING,
    Bar,
    PipelineState,
    ProjectReader,
    RunReport,
    StageReport,
    TaskReport,
    Timeline,
    events_after,
)
from pipekit_html.environment import file_page

WIDTH = 1000  # of a row of the timeline, in units of its SVG
_NARROWEST = 4  # of a bar: one that can be seen and pointed at
_READ = 16 * 1024 * 1024  # bytes of a journal; of a longer one, the timeline shows the beginning
_COMPARED = 5  # earlier reports that memory and CPU are compared with
_VERBS = ("rejected", "wrote", "consumed", "unchanged")
_SHOWN = 200  # files of a verb that are listed


class Row(NamedTuple):
    """A row of the timeline. `x` and `width`: of its bar; `waited`: of what was before it.

    `level`: 0 a stage, 1 a task, 2 a unit. `progress`: of 1000, None if there is none.
    """

    level: int
    name: str
    anchor: str
    status: str
    x: int
    width: int
    waited: int
    seconds: float
    text: str
    progress: int | None


@frozen(kw_only=True)
class TaskView:
    """A task, and how its process compares: `usual_rss` and `usual_cpu`, None if not known."""

    report: TaskReport
    usual_rss: float | None = None
    usual_cpu: float | None = None
    files: Sequence[tuple[str, int, Sequence[object]]] = ()


@frozen(kw_only=True)
class StageView:
    """A stage. `usual`: the median of its durations, None with fewer than three runs."""

    report: StageReport
    tasks: Sequence[TaskView] = ()
    usual: float | None = None
    has_output: bool = False


@frozen(kw_only=True)
class RunView:
    """All that the page of a run shows. `resume`: the command to go on with, or empty."""

    run: PipelineState
    report: RunReport
    rows: Sequence[Row]
    seconds: float
    stages: Sequence[StageView]
    resume: str
    left_out: int = 0

    @property
    def is_running(self) -> bool:
        """Whether it is going on."""
        return self.report.status == RUNNING


def run_view(
    project: ProjectReader, run: PipelineState, timeline: Timeline | None = None
) -> RunView:
    """What there is to show of a run. `timeline`: if it is known already."""
    report = project.report(run)
    timeline = read_timeline(project, run)[0] if timeline is None else timeline
    is_running = report.status == RUNNING
    now = time.time() if is_running else run.ended or timeline.latest
    began = min(filter(None, (run.started, timeline.began)), default=now)
    with_output = {each.stage for each in project.outputs(run)}
    stages = [_stage(project, run, each, with_output) for each in report.stages]
    return RunView(
        run=run,
        report=report,
        rows=tuple(_rows(timeline.stages, began, max(now - began, 0.001), now)),
        seconds=max(now - began, 0.0),
        stages=tuple(stages),
        resume=f"pipekit run --from {report.resume_from}" if report.resume_from else "",
        left_out=timeline.left_out,
    )


def read_timeline(project: ProjectReader, run: PipelineState) -> tuple[Timeline, int]:
    """The timeline of a run from its journal, and up to which byte; empty if that is gone."""
    timeline, at = Timeline(), 0
    path = project.journal(run)
    with suppress(OSError):
        while at < _READ:
            page = events_after(path, at, count=10_000)
            if page.end == at:
                break
            for _, event in page.events:
                timeline.add(event)
            at = page.end
    return timeline, at


def _rows(bars: Sequence[Bar], began: float, seconds: float, now: float) -> Iterator[Row]:
    """The bars and those in them, in the order in which they are shown."""
    for bar in bars:
        yield from _row(bar, 0, (bar.name,), began, seconds, now)


def _row(
    bar: Bar, level: int, names: tuple[str, ...], began: float, seconds: float, now: float
) -> Iterator[Row]:
    end = now if bar.ended is None else bar.ended
    first = min((each.began for each in bar.bars), default=bar.began)
    x, right = (round(WIDTH * max(at - began, 0.0) / seconds) for at in (bar.began, end))
    x = min(x, WIDTH - _NARROWEST)
    worked = round(WIDTH * max(first - began, 0.0) / seconds)
    share = None
    if bar.ended is None and bar.total and bar.done is not None:
        share = max(0, min(1000, round(1000 * bar.done / bar.total)))
    yield Row(
        level=level,
        name=bar.name if bar.attempt == 1 else f"{bar.name}, attempt {bar.attempt}",
        anchor="-".join(names),
        status=bar.status,
        x=x,
        width=max(min(right, WIDTH) - x, _NARROWEST),
        waited=max(min(worked, WIDTH) - x, 0) if level == 0 else 0,
        seconds=max(end - bar.began, 0.0),
        text=bar.reason,
        progress=share,
    )
    for each in bar.bars:
        yield from _row(each, level + 1, (*names, each.name), began, seconds, now)


def _stage(
    project: ProjectReader, run: PipelineState, report: StageReport, with_output: set[str]
) -> StageView:
    durations, numbers = _before(project, report.stage, run.number)
    used = [_used(project, number, report.stage) for number in numbers if report.tasks]
    return StageView(
        report=report,
        tasks=tuple(
            _task(task, [each[task.task] for each in used if task.task in each])
            for task in report.tasks
        ),
        usual=median(durations) if len(durations) >= 3 else None,
        has_output=report.stage in with_output,
    )


def _task(task: TaskReport, before: Sequence[tuple[int, float]]) -> TaskView:
    rss = [peak for peak, _ in before if peak]
    cpu = [seconds for _, seconds in before if seconds >= 0]
    return TaskView(
        report=task,
        usual_rss=median(rss) if rss else None,
        usual_cpu=median(cpu) if cpu else None,
        files=tuple(_files(task)),
    )


@functools.lru_cache(maxsize=256)  # what was before a run does not change
def _before(project: ProjectReader, stage: str, number: int) -> tuple[list[float], list[int]]:
    """How long the stage took in the runs before this one, and the latest of these runs."""
    earlier = [each for each in project.worked(stage, 21) if each.number < number]
    return [each.duration for each in earlier], [each.number for each in earlier[:_COMPARED]]


@functools.lru_cache(maxsize=256)
def _used(project: ProjectReader, number: int, stage: str) -> dict[str, tuple[int, float]]:
    """The most memory in bytes and the seconds of CPU of each task of a stage in an earlier run."""
    run = project.run(str(number))
    stages = project.report(run).stages if run is not None else ()
    tasks = (task for each in stages if each.stage == stage for task in each.tasks)
    return {
        task.task: (task.process.peak_rss, task.process.cpu_seconds)
        for task in tasks
        if task.process
    }


def _files(task: TaskReport) -> Iterator[tuple[str, int, Sequence[object]]]:
    """What the task did with files: the verb, how many, and the first of them."""
    for verb in _VERBS:
        found = [each for each in task.files if each.verb == verb]
        if found:
            yield verb, len(found), tuple(found[:_SHOWN])


def run_file(project: ProjectReader, run: PipelineState) -> str:
    """The page of a run as one file: `pipekit show RUN --html FILE`."""
    view = run_view(project, run)
    return file_page("run_file.html", project=project, view=view, title=f"run {run.number}")
