"""`pipekit schedule`, against the parsers of the schedulers that are here, and a real crontab."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.test_run import CONFIG, COUNT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="systemd and cron are on Linux")

FOREIGN = "MAILTO=x\n# mine\n*/5 * * * * echo '50\\%' # not pipekit\n"
LATER = """
    from pipekit import StagePlan, StageSpec, hookimpl

    def plan(ctx, settings):
        ctx.files("data/later/**")
        return StagePlan.skip("nothing")

    @hookimpl
    def pipekit_stages():
        yield StageSpec("later", plan, after={"upper": "any"})
"""
CRONTAB = """#!/bin/sh
# As cron's own: prints, replaces or removes a table.
case "$1" in
-l) cat "$TABLE" 2>/dev/null || { echo "no crontab for me" >&2; exit 1; } ;;
-r) rm "$TABLE" ;;
-) cat > "$TABLE" ;;
esac
"""
SYSTEMCTL = """#!/bin/sh
echo "$@" >> "$CALLS"
case "$*" in *"$REFUSED"*) echo "no such bus" >&2; exit 1 ;; esac
"""


@pytest.fixture
def plain(project):
    """A project that an empty environment can run: its stage is really installed."""
    project.config('[pipeline]\nstages = ["translator"]\n')
    project.write("data/raw/kept/readme.skipped", "")
    return project


@pytest.fixture
def cron(plain, tmp_path):
    """The project with a crontab program that keeps its table in a file; returns that file."""
    table, home = tmp_path / "table", tmp_path / "home"
    _program(tmp_path / "bin/crontab", CRONTAB)
    plain.env |= {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "TABLE": str(table)}
    plain.env |= {"HOME": str(home), "XDG_RUNTIME_DIR": str(tmp_path / "none")}
    return table


@pytest.fixture
def systemd(plain, tmp_path):
    """The project with a systemctl that notes its calls; returns the folder of units."""
    _program(tmp_path / "bin/systemctl", SYSTEMCTL)
    _program(tmp_path / "bin/crontab", CRONTAB)
    plain.env |= {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "REFUSED": "nothing"}
    plain.env |= {"CALLS": str(tmp_path / "calls"), "TABLE": str(tmp_path / "table")}
    plain.env["XDG_CONFIG_HOME"] = str(tmp_path / "config")
    return tmp_path / "config/systemd/user"


def _program(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def _tool(name: str) -> str:
    return shutil.which(name) or pytest.skip(f"there is no {name} on this machine")


def test_the_installed_line_runs_in_an_empty_environment(cron, plain):
    assert plain.pipekit("schedule", "install", "--with", "cron").code == 0
    command = cron.read_text().split(" ", 5)[5]
    done = subprocess.run(
        ["env", "-i", "/bin/sh", "-c", command],
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert plain.report()["status"] == "idle"


def test_a_crontabs_other_lines_stay_and_a_second_install_replaces(cron, plain):
    cron.write_text(FOREIGN)
    for every in ("15m", "1h"):
        plain.write("pipekit.toml", f'pipeline.stages = ["translator"]\nschedule.every = "{every}"')
        assert plain.pipekit("schedule", "install", "--with", "cron").code == 0
    assert cron.read_text().startswith(f"{FOREIGN}0 * * * * /")
    assert len(cron.read_text().splitlines()) == 4
    assert plain.pipekit("schedule", "remove").out.startswith("removed from cron: pipekit-project-")
    assert cron.read_text() == FOREIGN
    assert plain.pipekit("schedule", "remove").out.startswith("nothing was installed")


def test_a_crontab_that_has_only_our_line_is_removed(cron, plain):
    plain.pipekit("schedule", "install", "--with", "cron")
    plain.pipekit("schedule", "remove")
    assert not cron.exists()


def test_a_job_is_in_one_scheduler_only(systemd, plain, tmp_path):
    plain.pipekit("schedule", "install", "--with", "cron")
    done = plain.pipekit("schedule", "install", "--with", "systemd")
    assert (done.code, "removed from cron" in done.err) == (0, True)
    assert not (tmp_path / "table").exists()
    units = sorted(path.suffix for path in systemd.iterdir())
    assert units == [".service", ".timer"]


def test_remove_leaves_nothing_of_systemds_units(systemd, plain, tmp_path):
    plain.pipekit("schedule", "install", "--with", "systemd", "--on-arrival")
    assert len(list(systemd.iterdir())) == 3
    [timer] = systemd.glob("*.timer")
    name = timer.stem
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls == ["--user daemon-reload", f"--user enable --now {name}.timer {name}.path"]
    plain.pipekit("schedule", "install", "--with", "systemd")
    assert len(list(systemd.iterdir())) == 2
    assert plain.pipekit("schedule", "remove").code == 0
    assert list(systemd.iterdir()) == []
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls[-2:] == [f"--user disable --now {name}.timer", "--user daemon-reload"]


def test_what_systemd_refuses_is_not_left_behind(systemd, plain):
    plain.env["REFUSED"] = "enable"
    done = plain.pipekit("schedule", "install", "--with", "systemd")
    assert done.code == 3
    assert "failed: no such bus" in done.err
    assert list(systemd.iterdir()) == []


@pytest.mark.parametrize("name", ["bars", "price bars 100% $HOME"])
def test_systemds_own_parser_accepts_the_units(project_in, tmp_path, name):
    analyze = _tool("systemd-analyze")
    (tmp_path / name).mkdir()
    project = project_in(tmp_path / name)
    project.config(
        'pipeline.stages = ["translator"]\nschedule.between = "22:00-02:00"\n'
        'schedule.days = ["mon", "sun"]\nsecrets.credential = "bars"'
    )
    words = ("schedule", "install", "--with", "systemd", "--on-arrival", "--print")
    printed = project.pipekit(*words).out
    units = tmp_path / "units"
    units.mkdir()
    for part in printed.split("# /")[1:]:
        place, _, text = part.partition("\n\n")
        (units / Path(place).name).write_text(text)
    found = sorted(units.iterdir())
    assert [path.suffix for path in found] == [".path", ".service", ".timer"]
    words = [analyze, "verify", *map(str, found)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    [starts] = [line for line in printed.splitlines() if line.startswith("OnCalendar=")]
    words = [analyze, "calendar", "--iterations=13", starts.partition("=")[2]]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    times = [
        line.split(": ", 1)[1].split()[2][:5]
        for line in done.stdout.splitlines()[1:]
        if "Next elapse" in line or "Iter" in line
    ]
    assert set(times) <= {f"{h:02}:{m:02}" for h in (22, 23, 0, 1) for m in (0, 15, 30, 45)}
    assert len(times) == 13


def test_debians_crontab_takes_the_line_and_gives_it_back(plain):
    crontab = _tool("crontab")
    before = subprocess.run([crontab, "-l"], capture_output=True, text=True, check=False)
    if before.returncode == 0:
        pytest.skip("this user has a crontab, which a test must not touch")
    subprocess.run([crontab, "-"], input=FOREIGN, text=True, check=True)
    try:
        assert plain.pipekit("schedule", "install", "--with", "cron").code == 0
        [there] = plain.pipekit("schedule", "show", "--json").json["installed"]
        assert (there["scheduler"], there["current"]) == ("cron", True)
        assert plain.pipekit("schedule", "remove").code == 0
        after = subprocess.run([crontab, "-l"], capture_output=True, text=True, check=True)
        assert after.stdout == FOREIGN
    finally:
        subprocess.run([crontab, "-r"], check=True)


def test_print_writes_nothing(cron, plain):
    done = plain.pipekit("schedule", "install", "--with", "cron", "--print")
    assert done.code == 0
    assert shlex.quote(str(plain.root)) in done.out
    assert not cron.exists()


def test_the_watched_folders_are_those_that_the_first_stages_read(project):
    """Not those that they write, and none of the stages after them."""
    reading = COUNT.replace('"data/in/*.txt"', '"data/in/**"')
    looking = reading.replace("new = ctx", 'ctx.files("data/out/**"); new = ctx')
    project.plugin("upper", looking)
    project.plugin("later", LATER)
    project.config(CONFIG.replace('["upper"]', '["later", "upper"]'))
    project.write("data/in/b.txt", "b")
    (project.root / "data/in/more").mkdir()
    words = ("schedule", "install", "--with", "systemd", "--on-arrival", "--print")
    assert _watched(project.pipekit(*words).out) == ["data/in", "data/in/more", "data/out"]
    assert project.pipekit("run").code == 0
    assert _watched(project.pipekit(*words).out) == ["data/in", "data/in/more"]


def test_a_stage_that_cannot_be_planned_is_told_instead_of_watching_less(project):
    project.plugin(
        "upper", COUNT.replace("new = ctx", "raise ValueError('no plan')\n        new = ctx")
    )
    project.config(CONFIG)
    words = ("schedule", "install", "--with", "systemd", "--on-arrival", "--print")
    done = project.pipekit(*words)
    assert (done.code, done.out) == (3, "")
    assert "upper: its plan raised ValueError: no plan" in done.err


def _watched(printed: str) -> list[str]:
    lines = [line for line in printed.splitlines() if line.startswith("PathChanged=")]
    return [line.partition("/project/")[2] for line in lines]


def test_who_cannot_watch_folders_says_so(cron, plain):
    done = plain.pipekit("schedule", "install", "--with", "cron", "--on-arrival")
    assert (done.code, done.err) == (
        64,
        "pipekit: cron cannot start runs when files arrive; systemd and launchd can\n",
    )
    assert plain.pipekit("schedule", "install", "--with", "cron", "--system").code == 64


def test_show_says_what_is_installed_and_when_it_starts(cron, plain):
    assert plain.pipekit("schedule", "show").out.startswith("nothing is installed; `pipekit sch")
    plain.pipekit("schedule", "install", "--with", "cron")
    plain.pipekit("run")
    shown = plain.pipekit("schedule", "show")
    assert shown.code == 0
    assert "every 15m" in shown.out
    found = plain.pipekit("schedule", "show", "--json").json
    assert found["next_start"] % 900 == 0
    assert 0 < found["next_start"] - time.time() <= 900
    assert (found["expected_starts"], found["missed_starts"]) == (0, [])
    assert [run["status"] for run in found["last_starts"]] == ["idle"]


def test_status_says_the_next_start(cron, plain):
    nothing = "next start: none, nothing is scheduled: `pipekit schedule install`"
    assert plain.pipekit("status").out.splitlines()[-1] == nothing
    plain.pipekit("schedule", "install", "--with", "cron")
    said = plain.pipekit("status").out.splitlines()[-1]
    assert (said[:14], said[-17:]) == ("next start: 20", "(cron, every 15m)")
    at = plain.pipekit("status", "--json").json["next_start"]
    assert (at % 900, 0 < at - time.time() <= 900) == (0, True)
    plain.pipekit("hold", "--for", "1h", "--reason", "x")
    assert plain.pipekit("status", "--json").json["next_start"] > at + 2000
    plain.write("pipekit.toml", 'pipeline.stages = ["translator"]\nschedule.every = "5m"')
    said = plain.pipekit("status").out.splitlines()[-1]
    assert said == "next start: cron, with other settings than now: `pipekit schedule install`"


@pytest.fixture
def findings(plain):
    """What doctor says of the schedule, with its level."""

    def said() -> list[tuple[str, str]]:
        found = plain.pipekit("doctor", "--json").json
        return [(each["level"], each["text"]) for each in found if each["subject"] == "schedule"]

    return said


def test_doctor_says_whether_runs_are_started(cron, plain, findings):
    [(level, text)] = findings()
    assert (level, text.startswith("nothing is installed")) == ("ok", True)
    plain.pipekit("schedule", "install", "--with", "cron")
    [(level, text)] = findings()
    assert (level, text.startswith("cron, every 15m; next start 20")) == ("ok", True)
    _installed_hours_ago(cron, 2)
    [(level, text)] = findings()
    assert (level, text.startswith("cron, every 15m; missed: ")) == ("warning", True)
    plain.write("pipekit.toml", 'pipeline.stages = ["translator"]\nschedule.every = "5m"')
    [(level, text)] = findings()
    assert (level, "that pipekit.toml no longer has" in text) == ("warning", True)


def test_doctor_says_that_runs_start_twice_or_only_after_a_login(cron, plain, findings, tmp_path):
    plain.pipekit("schedule", "install", "--with", "cron")
    line = cron.read_text()
    _program(tmp_path / "bin/systemctl", SYSTEMCTL)
    plain.env |= {"REFUSED": "nothing", "CALLS": str(tmp_path / "calls")}
    plain.env["XDG_CONFIG_HOME"] = str(tmp_path / "config")
    plain.pipekit("schedule", "install", "--with", "systemd")
    cron.write_text(line)
    texts = [text for level, text in findings() if level == "warning"]
    assert "so runs start twice" in texts[0]
    assert texts[-1].startswith("runs start only while ")


def test_show_finds_missed_starts_but_not_held_or_refused_ones(cron, plain):
    """Installed as if nine hours ago; two holds and a refusal account for the first four starts."""
    plain.write("pipekit.toml", 'pipeline.stages = ["translator"]\nschedule.every = "1h"')
    plain.pipekit("schedule", "install", "--with", "cron")
    hour = _installed_hours_ago(cron, 9)
    state = plain.root / ".pipekit"
    plain.pipekit("hold", "--for", "1h", "--reason", "x")
    hold = json.loads((state / "hold.json").read_text())
    past = [[hour - 9 * 3600 - 60, hour - 9 * 3600 + 1]]
    hold |= {"since": hour - 8 * 3600 - 60, "starts": 2, "last": hour - 7 * 3600 + 1, "past": past}
    (state / "hold.json").write_text(json.dumps(hold))
    plain.pipekit("release")
    at = hour - 6 * 3600 + 1
    refused = {"first": at, "last": at, "times": 1, "exit_code": 3, "error": "x"}
    (state / "refused.json").write_text(json.dumps([refused]))
    found = plain.pipekit("schedule", "show", "--json").json
    assert found["missed_starts"][:5] == [hour - ago * 3600 for ago in (5, 4, 3, 2, 1)]
    shown = plain.pipekit("schedule", "show").out
    assert (
        f"missed: {len(found['missed_starts'])} of {found['expected_starts']} starts since "
        in shown
    )


def _installed_hours_ago(cron: Path, hours: int) -> int:
    """Have the line say that it is older; returns the latest full hour."""
    hour = int(time.time()) // 3600 * 3600
    since = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(hour - hours * 3600 - 60))
    line = cron.read_text()
    cron.write_text(f"{line.rpartition(' ')[0]} {since}\n")
    return hour


def test_a_run_that_died_hides_no_missed_starts(cron, plain):
    plain.write("pipekit.toml", 'pipeline.stages = ["translator"]\nschedule.every = "1h"')
    plain.pipekit("schedule", "install", "--with", "cron")
    hour = _installed_hours_ago(cron, 4)
    plain.pipekit("run")
    with sqlite3.connect(plain.root / ".pipekit/state.db") as ledger:
        ledger.execute(
            "UPDATE runs SET started = ?, ended = NULL, status = NULL", (hour - 4 * 3600 + 1,)
        )
    ledger.close()
    for file in (*(plain.root / "logs/events").iterdir(), plain.root / ".pipekit/lock.json"):
        file.unlink()  # they know how it ended
    found = plain.pipekit("schedule", "show", "--json").json
    assert found["missed_starts"][:3] == [hour - ago * 3600 for ago in (3, 2, 1)]
    assert "died" in plain.pipekit("schedule", "show").out


def test_show_knows_that_the_settings_have_changed(cron, plain):
    plain.pipekit("schedule", "install", "--with", "cron")
    plain.write("pipekit.toml", 'pipeline.stages = ["translator"]\nschedule.every = "5m"')
    shown = plain.pipekit("schedule", "show")
    assert "with other settings than now" in shown.out
    assert "next start" not in shown.out
    assert "missed" not in shown.out
    plain.pipekit("schedule", "install", "--with", "cron")
    assert "next start" in plain.pipekit("schedule", "show").out


def test_remove_works_with_a_broken_configuration(cron, plain):
    plain.pipekit("schedule", "install", "--with", "cron")
    plain.write("pipekit.toml", "nonsense")
    assert plain.pipekit("schedule", "remove").code == 0
    assert not cron.exists()


def test_variables_that_scheduled_runs_will_not_have_are_named(cron, plain):
    words = ("schedule", "install", "--with", "cron")
    done = plain.pipekit(*words, env={"PIPEKIT_PIPELINE__WORKERS": "1"})
    assert "scheduled runs do not have PIPEKIT_PIPELINE__WORKERS" in done.err


def test_the_job_of_a_project_that_has_moved_goes_by_its_name(cron, plain):
    plain.pipekit("schedule", "install", "--with", "cron")
    name = plain.pipekit("schedule", "show", "--json").json["name"]
    plain.root.rename(plain.root.with_name("moved"))
    plain.root = plain.root.with_name("moved")
    assert plain.pipekit("schedule", "remove").out.startswith("nothing was installed for /")
    assert plain.pipekit("schedule", "remove", "--job", "../x").code == 64
    assert plain.pipekit("schedule", "remove", "--job", name).out == f"removed from cron: {name}\n"
    assert not cron.exists()


def test_who_installs_need_not_be_able_to_read_the_secrets(cron, plain):
    """As root, who installs system units for somebody else."""
    plain.write("pipekit.toml", 'pipeline.stages = ["translator"]\nsecrets.file = "none"')
    assert plain.pipekit("schedule", "install", "--with", "cron").code == 0
    assert plain.pipekit("schedule", "show").code == 0
    plain.write("pipekit.toml", 'schedule.every = "7m"')
    assert plain.pipekit("schedule", "install", "--with", "cron").code == 3
