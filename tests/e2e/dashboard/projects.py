"""Projects whose runs succeed, fail, hang or go on, as a file in them says."""

from __future__ import annotations

import json

PLUGIN = """
import sys, time
from pathlib import Path

from pipekit import Command, StagePlan, StageSpec, Task, hookimpl


def plan(ctx, settings):
    what = Path(ctx.root, f"{ctx.stage}.txt")
    text = what.read_text() if what.exists() else ""
    if not text:
        return StagePlan.skip("nothing new in data/raw")
    task = Task(name="work", command=Command.python(__name__, request=[ctx.stage, text]))
    return StagePlan(reason=f"{text.splitlines()[0]} asked for", tasks=[task])


@hookimpl
def pipekit_stages():
    for name in ("load", "check", "merge"):
        yield StageSpec(name, plan)


if __name__ == "__main__":
    from pipekit.worker import hasher, look, report, request

    stage, text = request()
    what, *words = text.split("\\n")
    if what == "fail":
        report.progress(1, 4)
        print("reading data/raw/ES.csv", file=sys.stderr)
        print("ValueError: line 1371: expected 7 columns, got 5", file=sys.stderr)
        sys.exit(7)
    if what == "print":
        sys.stdout.write("\\n".join(words))
    if what in ("ok", "slow", "hang"):
        units = words[1:] or ["ES", "NQ", "CL"]
        for number, unit in enumerate(units):
            with report.unit(unit):
                for step in range(4):
                    report.progress(step + 1, 4)
                    print(f"{unit}: step {step + 1} of 4", flush=True)
                    time.sleep(float(words[0]) if words else 0.0)
                report.metric("rows", 1000 + 37 * number)
        for path in sorted(Path("data/raw").glob("*.csv")) if stage == "load" else ():
            signature = look(str(path))
            report.consumed(str(path), hasher(path.read_bytes()).hexdigest(), signature)
    if what == "hang":
        time.sleep(1000)
"""

CONFIG = """
[pipeline]
stages = ["load", "check", "merge"]

[paths]
data = "data"

[stages.load]
hang_timeout = "2s"
grace = "1s"

[stages.check]
after = {{ load = "partial" }}

[stages.merge]
after = {{ check = "partial" }}

[sinks.console]
{more}
"""


def prepare(project, more: str = "") -> None:
    """Give a ProjectFolder the stages and a configuration."""
    project.config(CONFIG.format(more=more).replace("after = {", "# after = {"))
    project.plugin("stages", PLUGIN)
    for name in ("ES", "NQ"):
        project.write(f"data/raw/{name}.csv", "a,b\n1,2\n")


def ask_for(project, **stages: str) -> None:
    """What each stage does in the next run; empty: it is skipped."""
    for stage in ("load", "check", "merge"):
        project.write(f"{stage}.txt", stages.get(stage, ""))


def many_runs(project, count: int, *, every: int = 20) -> None:
    """Write so many past runs into the ledger, of which each `every`-th had work."""
    import time

    from pipekit import PipelineStatus
    from pipekit.storage.ledger import Ledger

    now = time.time()
    with Ledger(project.root / ".pipekit/state.db") as ledger:
        connection = ledger._connection
        connection.execute("BEGIN")
        for number in range(count):
            started = now - 900.0 * (count - number)
            status = PipelineStatus.IDLE if number % every else PipelineStatus.SUCCESS
            entry = {"status": "skipped" if number % every else "success", "duration": 1.5}
            stages = json.dumps(dict.fromkeys(("load", "check", "merge"), entry | {"tasks": 1}))
            row = (f"run-{number:06}", started, started + 2.0, status, stages, started)
            connection.execute(
                "INSERT INTO runs (run_id, started, ended, status, exit_code, stages, recorded, "
                "dated) VALUES (?, ?, ?, ?, 0, ?, 1, ?)",
                row,
            )
        connection.execute("COMMIT")
