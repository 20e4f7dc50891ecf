"""`status` says why a stage failed, with the last lines, and what a silent run is at."""

from __future__ import annotations

import os

from tests.e2e.test_run import shell_stage

CONFIG = '[pipeline]\nstages = ["talks"]\n'


def test_the_last_lines_of_a_failed_stage_and_the_command_to_read_more(project):
    script = "for n in 1 2 3 4; do echo line $n >&2; done; exit 7"
    project.plugin("talks", shell_stage("talks", script))
    project.config(CONFIG)
    for _ in range(2):
        assert project.pipekit("run").code == 2
    lines = project.pipekit("status").out.splitlines()
    assert lines[0].startswith("FAILED: talks has failed since run 1: script: exited with code 7")
    assert [line for line in lines if line.startswith("    | ")] == [
        f"    | line {n}" for n in (2, 3, 4)
    ]
    assert "    Full output: pipekit logs 2 talks" in lines
    for report in (project.root / "logs").glob("pipeline_report_*"):
        report.write_text("{}")
    assert "    | " not in project.pipekit("status").out


def test_a_run_that_says_nothing_is_silent(project, eventually):
    project.plugin("talks", shell_stage("talks", "echo here; sleep 60"))
    project.config(CONFIG)
    run = project.start("run")
    try:
        logs = project.root / "logs"
        eventually(lambda: any(p.stat().st_size for p in logs.glob("runs/*/talks/*.out")), 20)
        assert "silent" not in project.pipekit("status").out
        for path in (*logs.glob("events/*"), *logs.glob("runs/*/talks/*")):
            os.utime(path, (0, path.stat().st_mtime - 600))
        done = project.pipekit("status")
        assert "\n  now talks: began at " in done.out
        assert "\n  silent for 10m" in done.out
    finally:
        run.terminate()
        run.communicate()
