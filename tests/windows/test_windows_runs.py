"""Runs of a project on Windows: what they recognise, what they leave, and how they end."""

from __future__ import annotations

import json
import time

import psutil

RULE = """
[lifecycle]
roots = ["data"]
[[lifecycle.rules]]
files = "data/raw/**"
consumed_by = ["nap"]
min_age = "0s"
"""


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).is_running()
    except psutil.Error:
        return False


def test_a_path_that_a_worker_reports_with_backslashes_is_known_in_the_next_run(napping):
    done = napping.pipekit("run")
    assert done.code == 0, done
    assert "1 written" in done.out
    again = napping.pipekit("run")
    assert "nothing new" in again.out, again


def test_a_killed_run_leaves_no_process_and_the_next_one_goes_on(napping, eventually):
    first = napping.start("run", "--set", "stages.nap.settings.seconds=60")
    try:
        pids_file = napping.root / "pids"
        eventually(pids_file.exists, 30)
        pids = [int(pid) for pid in pids_file.read_text().split()]
        time.sleep(0.5)  # its lines are in the journal
        second = napping.pipekit("run")
        assert second.code == 75, second
        assert "another run" in second.err
    finally:
        first.kill()
        first.communicate()
    eventually(lambda: not any(map(alive, pids)), 5)
    third = napping.pipekit("run")
    assert third.code == 0, third
    assert "1 written" in third.out
    journals = sorted((napping.root / "logs/events").glob("*.jsonl"))
    assert len(journals) == 2
    for journal in journals:
        events = [json.loads(line) for line in journal.read_bytes().splitlines()]
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1)), journal


def test_lines_of_logs_end_once(napping):
    napping.pipekit("run")
    logs = list((napping.root / "logs").glob("*.log"))
    assert logs
    for log in logs:
        assert b"\r\r\n" not in log.read_bytes()


def test_a_file_is_no_link_to_the_lifecycle(napping):
    napping.pipekit("run")
    napping.config((napping.root / "pipekit.toml").read_text() + RULE)
    planned = napping.pipekit("lifecycle", "plan", "--json")
    assert planned.json, planned
    [proposal] = planned.json
    assert (proposal["path"], proposal.get("refused", "")) == ("data/raw/ü a.txt", "")
