"""What a run's events make the sink `notify` tell: from run to run, with its memory in a file."""

from __future__ import annotations

import datetime as dt
import json

import pytest
from pipekit_notify import watch
from pipekit_notify.digest import due, text_of
from pipekit_notify.memory import MOST_UNSENT, Digest, load
from pipekit_notify.plugin import open_notify
from pipekit_notify.send import combined, without_secrets
from pipekit_notify.settings import Rule, Settings

from pipekit import Event, SinkContext

ALL_DAY = "00:00-23:59"


@pytest.fixture
def run(tmp_path):
    """Passes the sink the events of a run; returns what it has yet to send, as `TO: TITLE`.

    Quiet hours keep it from sending; each test but one is about what is told.
    """
    count = iter(range(1, 10_000))

    def play(*events, end="success", rules=None, addresses=("me",)):
        number = next(count)
        quiet = {
            name: Rule(**{"quiet": ALL_DAY, **rule}) for name, rule in (rules or {"r": {}}).items()
        }
        settings = Settings(addresses=dict.fromkeys(addresses, "json://127.0.0.1:9/"), rules=quiet)
        context = SinkContext(f"run{number}", tmp_path, tmp_path, tmp_path)
        stamp = "2026-11-29T12:00:00.000+00:00"
        begin = ("pipeline", "start", "", {"run": number})
        final = ("pipeline", end, f"run {number}: {end}", {"exit_code": 0})
        before = len(load(tmp_path).unsent)
        with open_notify(context, settings) as emit:
            for seq, (stage, kind, msg, *data) in enumerate((begin, *events, final), 1):
                emit(Event(context.run_id, seq, stage, kind, stamp, msg, *data))
        return [f"{m.to}: {m.title}" for m in load(tmp_path).unsent[before:]]

    return play


@pytest.fixture(autouse=True)
def _always_quiet(monkeypatch):
    monkeypatch.setattr(Rule, "is_quiet", lambda self, now: self.quiet == ALL_DAY)


FAILED = ("s", "failure", "s: failure", {"kind": "exit", "error": "e", "last_lines": ["l"]})
HUNG = ("s", "failure", "s: failure", {"kind": "hang"})
PARTIAL = ("s", "partial", "s: partial", {})
WELL = ("s", "success", "s: success", {})
STALE = ("pipeline", "stale", "nothing new since noon", {"expect": "data/*"})
FRESH = ("pipeline", "fresh", "it has come", {"expect": "data/*"})


def title(tmp_path, text):
    return f"me: {tmp_path.name}: {text}"


def test_what_became_worse_is_told_again(run, tmp_path):
    assert run(PARTIAL, end="partial") == [title(tmp_path, "s was partial")]
    assert run(PARTIAL, end="partial") == []
    (told,) = run(FAILED, end="failure")
    assert told == title(tmp_path, "s failed (in 3 runs, since run 1)")
    assert run(HUNG, end="failure") == [title(tmp_path, "s failed (in 4 runs, since run 1)")]
    assert run(FAILED, end="failure") == []
    assert run(WELL) == [title(tmp_path, "s has recovered")]
    assert run(WELL) == []
    assert run(FAILED, end="failure") == [title(tmp_path, "s failed")]


def test_a_rule_about_hangs_is_silent_about_other_failures(run, tmp_path):
    rules = {"r": {"on": ["hang"]}}
    assert run(FAILED, end="failure", rules=rules) == []
    assert run(HUNG, end="failure", rules=rules) == [
        title(tmp_path, "s failed (in 2 runs, since run 1)")
    ]
    assert run(WELL, rules=rules) == []


def test_a_rule_is_about_its_stages_and_goes_to_its_addresses(run, tmp_path):
    rules = {"a": {"stages": ["t"], "to": ["x"]}, "b": {"to": ["y"]}}
    told = run(FAILED, end="failure", rules=rules, addresses=("x", "y"))
    assert told == [f"y: {tmp_path.name}: s failed"]


def test_who_was_not_told_of_a_failure_is_not_told_of_its_end(run):
    rules = {"r": {"in_a_row": 2}}
    assert run(FAILED, end="failure", rules=rules) == []
    assert run(WELL, rules=rules) == []
    assert run(FAILED, end="failure", rules=rules) == []  # counted anew


def test_a_stage_that_had_nothing_to_do_is_not_well_by_that(run):
    assert len(run(FAILED, end="failure")) == 1
    assert run(("s", "skipped", "", {}), end="idle") == []
    assert run(FAILED, end="failure") == []


def test_stale_and_fresh_are_told_once_each(run, tmp_path):
    assert run(STALE, end="idle") == [title(tmp_path, "STALE")]
    assert run(end="idle") == []
    assert run(FRESH) == [title(tmp_path, "FRESH")]
    assert run(FRESH) == []


def test_a_run_that_failed_by_itself_is_told(run, tmp_path):
    """An internal error, with no stage that failed."""
    assert run(end="failure") == [title(tmp_path, "the run failed")]
    assert run(end="failure") == []
    assert run(end="idle") == [title(tmp_path, "the run has recovered")]


def test_a_run_that_somebody_stopped_is_not_told(run):
    assert run(("s", "cancelled", "", {}), end="cancelled") == []


def test_warnings_are_told_where_wanted_and_once_for_the_same(run, tmp_path):
    rules = {"r": {"on": ["warning"]}}
    disk = [("pipeline", "warning", f"only {n} MB free", {}) for n in (90, 80)]
    assert run(disk[0], rules=rules) == [title(tmp_path, "warning")]
    assert run(disk[1], rules=rules) == []
    assert run(rules=rules) == []
    assert run(disk[1], rules=rules) == [title(tmp_path, "warning")]
    died = [("pipeline", "warning", f"run {n} died", {}) for n in (5, 6)]
    assert [len(run(each, rules=rules)) for each in died] == [1, 1]
    assert run(died[0]) == []  # the usual rule has no warnings


def test_a_damaged_memory_is_begun_anew(run, tmp_path):
    for text in ("{", "[]", '{"troubles": 5}', "[" * 100_000):
        (tmp_path / "notify.json").write_text(text)
        assert len(run(FAILED, end="failure")) == 1


def test_the_memory_is_bounded(run, tmp_path):
    for _ in range(MOST_UNSENT // 2 + 5):
        run(FAILED, end="failure")
        run(WELL)
    assert len(load(tmp_path).unsent) == MOST_UNSENT


def test_what_is_to_be_told_is_on_disk_before_it_is_sent(run, tmp_path, monkeypatch):
    """A process that is killed while it sends tells it again, rather than never."""
    kept = []

    def killed(messages, *_):
        kept.append(json.loads((tmp_path / "notify.json").read_text())["unsent"])
        raise KeyboardInterrupt

    monkeypatch.setattr("pipekit_notify.send.deliver", killed)
    with pytest.raises(KeyboardInterrupt):
        run(FAILED, end="failure", rules={"r": {"quiet": ""}})
    assert [message["title"] for message in kept[0]] == [f"{tmp_path.name}: s failed"]
    assert len(load(tmp_path).unsent) == 1


def test_several_messages_to_one_address_are_one(run, tmp_path):
    run(WELL, ("t", "partial", "t: partial", {}), FAILED, end="failure")
    heading, text, kind = combined(load(tmp_path).unsent, "footer")
    assert (heading, kind) == (f"{tmp_path.name}: s failed and 1 more", "failure")
    for said in ("t was partial", "s: failure\ne\n| l", "footer"):
        assert said in text


def test_a_digest_has_a_line_for_each_run_with_work_and_sums(run, tmp_path, monkeypatch):
    rules = {"r": {"digest": "daily", "on": ["failure"]}}

    def rows(unit, value):
        return ("s", "metric", "", {"task": "t", "unit": unit, "name": "rows", "value": value})

    ratio = ("s", "metric", "", {"task": "t", "name": "ratio", "value": 0.5})
    run(rows("ES", 5), rows("ES", 1200), ratio, WELL, rules=rules)
    run(end="idle", rules=rules)
    monkeypatch.setattr(watch.time, "time", lambda: dt.datetime.now().timestamp() + 2 * 86400)
    assert run(
        rows("ES", 1200), rows("NQ", 1200), ratio, ratio, PARTIAL, end="partial", rules=rules
    ) == [title(tmp_path, "digest")]
    lines = load(tmp_path).unsent[-1].text.splitlines()
    assert lines[0].endswith("2 with work, 1 with nothing to do")
    assert lines[1:] == [
        "2026-11-29 12:00 run 1: success",
        "2026-11-29 12:00 run 3: partial",
        "",
        "s: ratio 1",
        "s: rows 3,600",
    ]
    assert run(WELL, rules=rules) == []


@pytest.mark.parametrize(
    ("kind", "since", "now", "is_due"),
    [
        ("daily", "2026-11-28 07:01", "2026-11-29 06:59", False),
        ("daily", "2026-11-28 07:01", "2026-11-29 07:01", True),
        ("daily", "2026-11-20 07:01", "2026-11-29 06:00", True),  # nothing ran for days
        ("weekly", "2026-11-23 07:01", "2026-11-29 23:00", False),
        ("weekly", "2026-11-23 07:01", "2026-11-30 07:01", True),  # a Monday
    ],
)
def test_when_a_digest_is_due(kind, since, now, is_due):
    moments = [dt.datetime.fromisoformat(text).timestamp() for text in (since, now)]
    assert due(Rule(digest=kind), *moments) == is_due


def test_a_digest_without_sums_is_one_line_and_the_runs():
    assert len(text_of(Digest(since=0.0, lines=["a"])).splitlines()) == 2


@pytest.mark.parametrize(
    ("quiet", "quiet_at"),
    [
        ("22:00-07:00", {0, 1, 2, 3, 4, 5, 6, 22, 23}),
        ("09:30-11:00", {10}),
        ("", set()),
        ("05:00-05:00", set()),
    ],
)
def test_quiet_hours(quiet, quiet_at, monkeypatch):
    monkeypatch.undo()
    hours = {
        hour for hour in range(24) if Rule(quiet=quiet).is_quiet(dt.datetime(2026, 1, 1, hour))
    }
    assert hours == quiet_at


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mailto://me:p%40ssword@mail.test:25/?to=you@there.test", "me: p@ssword refused"),
        ("slack://TokenA123/TokenB456/#room", "bad TokenA123/TokenB456"),
    ],
)
def test_nothing_of_an_address_but_its_host_is_said(url, said):
    hidden = without_secrets(url, f"{said} at mail.test")
    assert not any(secret in hidden for secret in ("p@ssword", "TokenA123", "TokenB456"))
