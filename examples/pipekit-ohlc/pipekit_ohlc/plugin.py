"""The stage `daily`: for each instrument whose minute bars changed, its file of daily bars."""

import attrs

from pipekit import Command, StagePlan, StageSpec, Task, hookimpl, setting
from pipekit_ohlc.request import Request

PIPEKIT_API = "1"


@attrs.frozen
class Settings:
    """Where to read and write, and in which zone a day begins."""

    processed: str = setting("Folder of the translator's bars.", default="data/processed")
    daily: str = setting("Folder of the daily bars.", default="data/daily")
    timezone: str = setting("The time zone whose days these are.", default="America/Chicago")


def plan(ctx, settings):
    months = ctx.files(f"{settings.processed}/*/1m/*/*.parquet")
    new = ctx.pending(months, growing=True)  # published by a rename, so never half written
    if not new:
        return StagePlan.skip(new.sentence(settings.processed), new)
    folder = settings.processed.count("/") + 1
    changed = sorted({month.path.split("/")[folder] for month in new})
    jobs = {i: [m.path for m in months if m.path.split("/")[folder] == i] for i in changed}
    request = Request(jobs=jobs, daily=settings.daily, timezone=settings.timezone)
    command = Command.python("pipekit_ohlc.worker", request=request)
    task = Task(name="daily", command=command, units=changed)
    return StagePlan(reason=new.sentence(settings.processed), tasks=[task], inputs=new.inputs)


@hookimpl
def pipekit_stages():
    yield StageSpec("daily", plan, settings=Settings, after={"translator": "partial"})
