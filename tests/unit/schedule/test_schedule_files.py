"""What each scheduler is told, from one description."""

from __future__ import annotations

import datetime as dt
import plistlib
import re
import shlex
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from pipekit.errors import UsageError
from pipekit.model.timetable import INTERVALS, Timetable
from pipekit.schedule.cron import Cron, times, without_job
from pipekit.schedule.job import Job, command_line, job_name, stop_time
from pipekit.schedule.launchd import Launchd, intervals
from pipekit.schedule.log import LOG_NAME, shorten_log
from pipekit.schedule.missed import look_for
from pipekit.schedule.systemd import Systemd, calendar
from pipekit.schedule.task_scheduler import NAMESPACE, TaskScheduler

ROOT = Path('/srv/price bars 100%/$HOME\'s "x"')
NIGHT = Timetable(900, ("mon", "sun"), "22:00-01:00")
MONDAY = dt.datetime(2026, 6, 1).timestamp()


def job(timetable=NIGHT, **more):
    return Job("pipekit-x-1", ROOT, command_line(ROOT), timetable, ROOT / "logs/l", **more)


def files(scheduler, **more):
    return {Path(file.place).suffix[1:]: file.text for file in scheduler.files(job(**more))}


def test_two_projects_never_have_the_same_job():
    names = [
        job_name(Path(path)) for path in ("/a/bars", "/b/bars", "/b/ bärs", "/", "/" + "x" * 99)
    ]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"pipekit-[A-Za-z0-9_-]{1,40}-[0-9a-f]{8}", name) for name in names)
    assert names[0].startswith("pipekit-bars-")


def test_a_path_that_no_file_of_a_scheduler_can_hold_is_refused():
    with pytest.raises(UsageError, match="rename the folder"):
        command_line(Path("/srv/new\nline"))


@pytest.mark.parametrize("every", INTERVALS)
def test_all_schedulers_have_the_starts_of_the_timetable(every):
    """As each of them writes them, read back: hours and minutes of one day."""
    table = Timetable(every, between="22:00-06:00")
    wanted = {(hour, minute) for hour in table.hours for minute in table.minutes}

    def each(text, full):
        return range(full) if text == "*" else map(int, text.split(","))

    minutes, hours = times(table).split()[:2]
    assert {(h, m) for h in each(hours, 24) for m in each(minutes, 60)} == wanted
    hours, minutes, seconds = calendar(table).split()[1].split(":")
    assert {(h, m) for h in each(hours, 24) for m in each(minutes, 60)} == wanted
    assert seconds == "00"
    every_minute = range(60)
    there = {
        (one["Hour"], minute)
        for one in intervals(table)
        for minute in ([one["Minute"]] if "Minute" in one else every_minute)
    }
    assert there == wanted


def test_cron_has_numbers_for_days():
    assert times(NIGHT) == "0,15,30,45 0,22,23 * * 1,0"
    assert times(Timetable(60)) == "* * * * *"


def test_the_crons_line_is_one_shell_command_with_a_comment():
    [line] = Cron().files(job())
    command = line.text.split(" ", 5)[5].replace(r"\%", "%")
    assert "%" not in line.text.replace(r"\%", "")
    assert shlex.split(command, comments=True) == list(command_line(ROOT))
    assert ">" not in line.text


def test_a_command_that_is_too_long_for_cron_is_refused():
    far = Path("/" + "x" * 1000)
    with pytest.raises(UsageError, match="too long for cron"):
        Cron().files(job()._replace(argv=command_line(far)))


def test_only_the_line_of_this_job_leaves_a_crontab():
    ours = Cron().files(job())[0].text.encode()
    other = Cron().files(job()._replace(name="pipekit-x-12"))[0].text.encode()
    foreign = b"# pipekit-x-1\r\n\n* * * * * echo '\xff # pipekit-x-1'\n" + other + b"@daily last"
    table = foreign.replace(b"@daily", ours + b"@daily")
    assert without_job(table, "pipekit-x-1") == foreign
    assert without_job(foreign, "pipekit-x-1") == foreign


@pytest.mark.posix("paths")
def test_the_service_leaves_the_grace_and_counts_no_failure_as_success():
    text = files(Systemd(), stop_time=stop_time([5.0, 300.0]))["service"]
    assert "\nSuccessExitStatus=75\n" in text
    assert "\nKillMode=mixed\nTimeoutStopSec=360\n" in text
    assert "User=" not in text
    assert r""" "/srv/price bars 100%%/$$HOME's \"x\"" run --quiet-idle""" in text
    assert "\nSuccessExitStatus=1 75\n" in files(Systemd(), partial_is_success=True)["service"]
    assert "\nUser=bars\n" in files(Systemd(system=True), user="bars")["service"]


@pytest.mark.posix("paths")
def test_new_files_start_a_run_only_if_that_was_asked_for():
    folders = (Path("/srv/raw"), Path("/srv/raw/100% new"))
    assert set(files(Systemd())) == {"service", "timer"}
    text = files(Systemd(), watched=folders)["path"]
    assert "[Path]\nPathChanged=/srv/raw\nPathChanged=/srv/raw/100%% new\n" in text
    agent = plistlib.loads(files(Launchd(), watched=folders)["plist"].encode())
    assert agent["WatchPaths"] == ["/srv/raw", "/srv/raw/100% new"]


def test_the_agent_has_all_that_launchd_needs():
    agent = plistlib.loads(files(Launchd())["plist"].encode())
    assert agent["ProgramArguments"] == list(command_line(ROOT))
    assert {"Weekday": 0, "Hour": 22, "Minute": 15} in agent["StartCalendarInterval"]
    assert len(agent["StartCalendarInterval"]) == 2 * 3 * 4
    assert agent["StandardErrorPath"] == agent["StandardOutPath"] == str(ROOT / "logs/l")
    assert "WatchPaths" not in agent


def test_the_task_has_the_elements_of_its_schema_in_their_order():
    """Those of triggers are a sequence in the schema, so their order counts."""
    [file] = TaskScheduler().files(job())
    root = ET.fromstring(file.text.partition("\n")[2])
    assert root.tag == f"{{{NAMESPACE}}}Task"
    tags = {element.tag.partition("}")[2]: element for element in root.iter()}
    assert [child.tag.partition("}")[2] for child in root] == [
        "RegistrationInfo", "Triggers", "Principals", "Settings", "Actions",
    ]  # fmt: skip
    trigger = [child.tag.partition("}")[2] for child in tags["CalendarTrigger"]]
    assert trigger == ["StartBoundary", "Repetition", "ScheduleByWeek"]
    assert [child.tag.partition("}")[2] for child in tags["DaysOfWeek"]] == ["Monday", "Sunday"]
    assert tags["Interval"].text == "PT15M"
    assert tags["Command"].text == command_line(ROOT)[0]
    hours = [e.text for e in root.iter(f"{{{NAMESPACE}}}StartBoundary")]
    assert hours == [f"2020-01-01T{hour:02}:00:00" for hour in (0, 22, 23)]
    assert 'version="1.2"' in file.text


def test_a_day_without_repetition_is_one_trigger():
    [file] = TaskScheduler().files(job(Timetable(86_400)))
    assert file.text.count("<CalendarTrigger>") == 1
    assert "Repetition" not in file.text


def test_a_path_cannot_add_elements_to_the_task():
    folder = Path("/srv/</Arguments><Evil/>&")
    evil = job()._replace(argv=command_line(folder))
    [file] = TaskScheduler().files(evil)
    root = ET.fromstring(file.text.partition("\n")[2])
    assert "Evil" not in {element.tag for element in root.iter()}
    assert str(folder) in (root.findtext(f".//{{{NAMESPACE}}}Arguments") or "")


@pytest.mark.parametrize(
    ("known", "missed"),
    [
        ([], [0, 15, 30]),
        ([(1, 2), (15.1, 16), (34.9, 40)], []),
        ([(1, 2), (20.1, 21), (35.1, 36)], [15, 30]),
        ([(0.5, 40)], []),
        ([(-20, 16)], [30]),
        ([(-20, -10)], [0, 15, 30]),
    ],
    ids=["nothing", "in time", "too late", "a long run", "a longer one", "before"],
)
def test_a_start_is_missed_if_nothing_was_there(known, missed):
    """Minutes from the first start. The last one is not due yet: it may still come."""
    known = [(MONDAY + 60 * first, MONDAY + 60 * last) for first, last in known]
    found = look_for(Timetable(900), MONDAY, MONDAY + 60 * 48, known)
    assert (found.expected, [(at - MONDAY) / 60 for at in found.missed]) == (3, missed)


def test_the_log_of_launchd_does_not_grow_without_bound(tmp_path):
    path = tmp_path / LOG_NAME
    shorten_log(tmp_path)
    assert not path.exists()
    path.write_bytes(b"a line\n" * 100)
    shorten_log(tmp_path)
    assert path.stat().st_size == 700
    with path.open("ab") as open_by_launchd:
        open_by_launchd.write(b"a line\n" * 200_000)
        open_by_launchd.flush()
        shorten_log(tmp_path)
        open_by_launchd.write(b"the end\n")
    data = path.read_bytes()
    assert len(data) < 300_000
    assert data.startswith(b"a line\n")
    assert data.endswith(b"a line\nthe end\n")
    assert b"\0" not in data
