"""The sink `ping`: a dead-man's switch hears of every run, and costs none of them anything."""

from __future__ import annotations

import time

import pytest
from pipekit_ping.plugin import Settings, pipekit_event_sinks

from pipekit.testing import SinkContract

from .conftest import SECRET


class TestPing(SinkContract):
    """Against a service on the loopback."""

    (sink,) = pipekit_event_sinks()

    @pytest.fixture(autouse=True)
    def _switch(self, switch):
        self.settings = Settings(url=switch.url)


def told(switch):
    return [ping.path.removeprefix(f"/{SECRET}/").partition("?")[0] for ping in switch.pings]


@pytest.mark.parametrize(("code", "last"), [("", "0"), ("0", "0"), ("5", "2"), ("7", "1")])
def test_each_run_is_told_with_its_exit_code_idle_ones_too(work, switch, code, last):
    if code:
        work.write("code.txt", code)
    run = work.pipekit("run")
    assert run.code == int(last)
    assert told(switch) == ["start", last]
    run_id = work.report()["run_id"]
    assert [ping.path.partition("?")[2] for ping in switch.pings] == [f"rid={run_id}"] * 2


def test_a_failure_is_told_with_what_went_wrong_and_the_last_lines(work, switch):
    work.write("code.txt", "5")
    work.pipekit("run")
    first, *lines = switch.pings[-1].body.splitlines()
    assert first.startswith("run 1: failure")
    assert lines[1:] == ["    one: exited with code 5", "    Disk of ES is broken"]


def test_a_partial_run_may_count_as_a_success(work, switch):
    work.write("code.txt", "7")
    work.pipekit("run", env={"PIPEKIT_SINKS__PING__PARTIAL": "false"})
    assert told(switch) == ["start", "0"]


def test_a_busy_service_is_tried_again(work, switch):
    switch.answers = [200, 503, 429]
    assert work.pipekit("run").code == 0
    assert told(switch) == ["start", "0", "0", "0"]
    assert "sink" not in work.pipekit("status").out


def test_a_service_that_knows_no_such_address_is_not_tried_again(work, switch):
    switch.answers = [404, 404]
    run = work.pipekit("run")
    assert run.code == 0
    assert told(switch) == ["start", "0"]
    assert "sink 'ping' failed on 2 events" in run.err
    assert "ping start: the service answered 404 Not Found" in run.err
    assert work.pipekit("status", "--check").code == 1


@pytest.mark.parametrize("how", ["nobody listens", "no answer", "no such host"])
def test_a_service_that_is_away_changes_no_run_and_is_told(work, switch, how):
    switch.hang = how == "no answer"
    addresses = {"nobody listens": "http://127.0.0.1:9/x", "no such host": "http://none.invalid/x"}
    env = {"PIPEKIT_SINKS__PING__URL": addresses.get(how, switch.url)}
    started = time.monotonic()
    run = work.pipekit("run", env=env)
    assert time.monotonic() - started < 20  # twice 2 s, and ample slack
    assert (run.code, work.report()["status"]) == (0, "idle")
    assert "sink 'ping' failed on 2 events: PingError: ping start: " in run.err
    assert "WARNING: sink 'ping'" in work.pipekit("status", "--check").out


def test_the_address_is_a_secret(work, switch):
    """Also where it is in the file and the service refuses it: who knows it can ping."""
    switch.answers = [404, 404]
    work.config(f'[pipeline]\nstages = ["work"]\n[sinks.ping]\nurl = "{switch.url}"\n')
    del work.env["PIPEKIT_SINKS__PING__URL"]
    run = work.pipekit("run", "--json")
    shown = [work.pipekit(*words) for words in (("show",), ("events",), ("config", "show"))]
    texts = [run.out, run.err, *(each.out + each.err for each in shown)]
    kept = [path for path in work.root.rglob("*") if path.is_file() and path.suffix != ".toml"]
    assert kept
    for path in kept:
        texts.append(path.read_bytes().decode("utf-8", "replace"))
    assert not [text for text in texts if SECRET in text]


@pytest.mark.parametrize(
    "table",
    [
        'url = "file:///etc/passwd"',
        'url = "https://x/y?z=1"',
        "",
        'url = "https://x"\nlimit = "1m"',
    ],
)
def test_what_is_no_address_is_refused_before_the_run(work, table):
    del work.env["PIPEKIT_SINKS__PING__URL"]
    work.config(f'[pipeline]\nstages = ["work"]\n[sinks.ping]\n{table}\n')
    check = work.pipekit("config", "check")
    assert check.code == 3
    assert "sinks.ping." in check.out
