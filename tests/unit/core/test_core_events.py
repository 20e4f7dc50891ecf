"""Events: numbered without gaps from any thread, journal first, and no sink changes a run."""

from __future__ import annotations

import datetime as dt
import os
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from pipekit.errors import DefinitionError
from pipekit.model.event import EventKind, SinkContext
from pipekit.model.quantity import iso
from pipekit.model.specs import EventSink
from pipekit.run import sink_thread
from pipekit.run.events import EventLogger
from pipekit.storage.journal import Journal, RunLog

from ...journals import read_journal


@pytest.fixture
def logger(tmp_path):
    opened = EventLogger("run", Journal(tmp_path / "j.jsonl"), RunLog(tmp_path / "run.log"))
    opened.path = tmp_path / "j.jsonl"
    return opened


@pytest.fixture
def sink(logger, tmp_path):
    """Open a sink made of two functions; returns the list of events that it got."""
    _never.clear()

    def open_sink(name="mine", emit=None, at_open=None, at_close=None, **declared):
        seen = []

        @contextmanager
        def opened(context, settings):
            if at_open:
                at_open()
            yield emit or seen.append
            if at_close:
                at_close()

        context = SinkContext(run_id="run", root=tmp_path, logs=tmp_path)
        logger.open_sink(EventSink(name, opened, **declared), None, context)
        return seen

    yield open_sink
    _never.set()
    for thread in logger._sinks:
        thread.join(10)


def fail(*_):
    raise RuntimeError("broken inside")


def leave(*_):
    raise SystemExit("I quit")


def interrupt(*_):
    raise GeneratorExit("no Exception")


_never = threading.Event()  # set when the test is over


def block(*_):
    _never.wait(3600)


def test_a_sink_that_changes_an_event_changes_it_for_no_other(logger, sink):
    def clear(event):
        event.data["metrics"].clear()
        event.data.clear()

    sink("vandal", emit=clear)
    seen = sink()
    data = {"metrics": {"rows": 1}}
    for _ in range(50):  # whichever of the two is first
        logger.emit("s", EventKind.TASK_END, **data)
    logger.close()
    assert [event.data for event in seen] == [data] * 50
    assert data == {"metrics": {"rows": 1}}


def test_events_of_many_threads_are_numbered_in_the_order_of_the_journal(logger, sink):
    seen = sink()

    def talk(name):
        for n in range(200):
            logger.emit(name, EventKind.METRIC, str(n), n=n)

    threads = [threading.Thread(target=talk, args=(f"s{i}",)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    logger.close()
    records = list(read_journal(logger.path))
    assert [record["seq"] for record in records] == list(range(1, 1601))
    assert [event.seq for event in seen] == list(range(1, 1601))
    for name in ("s0", "s7"):
        assert [r["data"]["n"] for r in records if r["stage"] == name] == list(range(200))


def test_an_event_has_exactly_the_fields_of_the_reference_and_the_zones_offset(logger):
    logger.emit("stage", EventKind.START, "why", x=1)
    logger.close()
    (record,) = read_journal(logger.path)
    assert list(record) == ["v", "run_id", "seq", "stage", "event", "timestamp", "msg", "data"]
    assert record["timestamp"][-6] in "+-"
    assert record["data"] == {"x": 1}


@pytest.mark.parametrize(
    "data",
    [
        {"value": object()},
        {"value": float("nan")},
        {"value": Path("x")},
        {"value": {(1, 2): 3}},
        {"value": "\udcff"},
        {"stage": "x", "event": "y", "msg": "z", "self": 1},
    ],
)
def test_emit_never_raises_for_what_it_is_given(logger, data):
    logger.emit("stage", EventKind.WARNING, "name \udcff", **data)
    logger.emit("pipeline", EventKind.SUCCESS)
    logger.close()
    assert [record["seq"] for record in read_journal(logger.path)] == [1, 2]
    assert logger.healthy


def test_emit_does_not_raise_when_the_journal_can_no_longer_be_written(logger, tmp_path):
    os.close(logger._journal._file.descriptor)
    logger._journal._file.descriptor = os.open(logger.path, os.O_RDONLY)
    logger.emit("pipeline", EventKind.SUCCESS)
    assert not logger.healthy
    logger.close()
    assert any("the journal is incomplete" in warning for warning in logger.warnings)


def dropped(logger):
    records = list(read_journal(logger.path))
    return [r["msg"] for r in records if (r["stage"], r["event"]) == ("sink", "dropped")]


@pytest.mark.parametrize("fault", [fail, leave, interrupt])
@pytest.mark.parametrize("where", ["at_open", "emit", "at_close"])
def test_a_sink_that_ends_is_dropped_and_named_and_others_go_on(logger, sink, fault, where):
    sink("sour", **{where: fault})
    seen = sink("sweet")
    for _ in range(sink_thread.FAILURES_IN_A_ROW):
        logger.emit("stage", EventKind.METRIC)
    if where != "at_close":
        logger._sinks[0].join(10)  # its thread ends when it is dropped
        logger.emit("stage", EventKind.METRIC)
    logger.emit("pipeline", EventKind.SUCCESS)
    logger.close()
    assert {event.event for event in seen if event.stage != "sink"} == {"metric", "success"}
    assert len([w for w in logger.warnings if "sink 'sour' was dropped" in w]) == 1
    records = list(read_journal(logger.path))
    assert records[-1]["event"] == "success"
    assert len(dropped(logger)) == (0 if where == "at_close" else 1)


def test_a_call_that_fails_costs_a_sink_that_event_alone(logger, sink):
    """A network that is away for a moment: the end of the run still reaches the sink."""
    got = []
    caught_up = threading.Event()

    def emit(event):
        if event.stage == "stage" and event.data["n"] % 3 == 0:
            raise ConnectionError("refused")
        got.append(event)
        if event.stage == "stage" and event.data["n"] == 29:
            caught_up.set()

    sink("shaky", emit=emit)
    for n in range(30):
        logger.emit("stage", EventKind.METRIC, n=n)
    caught_up.wait(10)
    logger.emit("stage", EventKind.METRIC, n=31)
    logger.emit("pipeline", EventKind.SUCCESS)
    logger.close()
    assert [e.data["n"] for e in got if e.stage == "stage"] == [
        n for n in [*range(30), 31] if n % 3
    ]
    assert got[-1].event == "success"
    told = [e.msg for e in got if (e.stage, e.event) == ("sink", "warning")]
    fault = f"ConnectionError: refused (test_core_events.py:{emit.__code__.co_firstlineno + 2})"
    assert told == [f"shaky: {fault}; it gets the next events"]
    assert logger.unseen_warnings == [f"sink 'shaky' failed on 10 events: {fault}"]
    assert dropped(logger) == []
    assert [each["sentence"] for each in logger.sinks()] == logger.unseen_warnings


def test_a_sink_that_fails_again_and_again_is_dropped(logger, sink):
    sink("sour", emit=fail)
    for _ in range(sink_thread.FAILURES_IN_A_ROW + 5):
        logger.emit("stage", EventKind.METRIC)
    logger._sinks[0].join(10)
    logger.emit("stage", EventKind.METRIC)
    logger.close()
    fault = f"RuntimeError: broken inside (test_core_events.py:{fail.__code__.co_firstlineno + 1})"
    assert dropped(logger) == [f"sour: it failed on 10 events in a row: {fault}"]
    assert logger._sinks[0].failed == sink_thread.FAILURES_IN_A_ROW


def test_an_important_sink_may_take_longer_than_others_to_finish(logger, sink):
    done = []

    def slow():
        threading.Event().wait(0.6)
        done.append("slow")

    sink("hasty", at_close=block, flush_seconds=0.1)
    sink("slow", at_close=slow, important=True, flush_seconds=20)
    logger.emit("pipeline", EventKind.SUCCESS)
    logger.close()
    assert done == ["slow"]
    assert logger.sinks() == [
        {
            "sink": "hasty",
            "important": False,
            "sentence": "sink 'hasty' was dropped: it did not finish in time",
        }
    ]


@pytest.mark.parametrize(
    ("declared", "text"),
    [
        ({"flush_seconds": 3}, "at most 2 for a sink that is not `important`"),
        ({"flush_seconds": 31, "important": True}, "at most 30"),
        ({"flush_seconds": 0}, "must be greater than 0"),
        ({"flush_seconds": float("nan")}, "must be greater than 0"),
    ],
)
def test_a_limit_that_no_sink_may_have_is_refused(declared, text):
    with pytest.raises(DefinitionError, match=text):
        EventSink("greedy", contextmanager(lambda ctx, settings: iter(())), **declared)


@pytest.mark.parametrize("where", ["at_open", "emit", "at_close"])
def test_a_sink_that_blocks_costs_no_more_than_the_time_to_flush(logger, sink, where):
    for n in range(3):
        sink(f"stuck{n}", flush_seconds=0.3, **{where: block})
    for _ in range(10):
        logger.emit("stage", EventKind.METRIC)
    started = time.monotonic()
    logger.close()
    assert time.monotonic() - started < 5  # 0.3 s for all of them together, and ample slack
    assert len([w for w in logger.warnings if "did not finish in time" in w]) == 3


def test_a_sink_that_lags_too_far_behind_is_dropped(logger, sink, monkeypatch):
    monkeypatch.setattr(sink_thread, "QUEUE_SIZE", 20)
    sink("slow", emit=block, flush_seconds=0.1)
    for _ in range(100):
        logger.emit("stage", EventKind.METRIC)
    logger.close()
    assert any("events are waiting" in warning for warning in logger.warnings)
    records = list(read_journal(logger.path))
    assert [record["seq"] for record in records] == list(range(1, len(records) + 1))
    assert sum(record["event"] == "metric" for record in records) == 100


def test_nothing_follows_the_terminal_event_even_when_a_sink_breaks_on_it(logger, sink):
    def on_the_last(event):
        if event.event == "success":
            raise RuntimeError("too late")

    sink("late", emit=on_the_last)
    logger.emit("stage", EventKind.START)
    logger.report_problems()
    logger.emit("pipeline", EventKind.SUCCESS)
    logger.close()
    assert [r["event"] for r in read_journal(logger.path)] == ["start", "success"]
    assert any("too late" in warning for warning in logger.warnings)


def test_nothing_follows_it_when_a_sink_broke_before(logger, sink):
    sink("sour", emit=leave)
    logger.emit("stage", EventKind.START)
    logger._sinks[0].join(10)
    logger.emit("pipeline", EventKind.SUCCESS)
    logger.close()
    assert [r["event"] for r in read_journal(logger.path)] == ["start", "success"]
    assert any("'sour' was dropped" in warning for warning in logger.warnings)


def test_a_message_is_one_line_that_says_nothing_to_the_terminal(logger, sink):
    """Lines are counted, read by grep, and shown: what others say in them cannot break out."""
    seen = sink("watcher")
    logger.emit("one", EventKind.WARNING, "first\nsecond\x1b[31mred\x9b0m caf\udce9", text="a\nb")
    logger.close()
    assert seen[0].msg == r"first\nsecond\x1b[31mred\x9b0m caf\udce9"
    assert seen[0].data == {"text": "a\nb"}


@pytest.mark.parametrize("zone", ["America/Chicago", "Asia/Kathmandu", "America/St_Johns"])
def test_the_time_of_an_event_is_that_of_the_zone_when_it_was_emitted(zone):
    """Also where the offset changes between two events, and where the clock is set back."""
    change = 1_604_214_000  # 2020-11-01 07:00 UTC: Chicago's clocks go back
    for ms in (-1000, -1, 0, 250, 999, -7_200_500, -(10**11)):
        moment = dt.datetime.fromtimestamp(change, dt.UTC) + dt.timedelta(milliseconds=ms)
        shown = moment.astimezone(ZoneInfo(zone)).isoformat(timespec="milliseconds")
        assert iso(change + ms / 1000 + 0.0004, ZoneInfo(zone)) == shown


def test_time_stamps_follow_the_clock(logger, monkeypatch):
    start = 1_800_000_000.25
    for seconds in (0, 0.4, 0.8, 3600):
        monkeypatch.setattr(time, "time", lambda s=seconds: start + s)
        logger.emit("stage", EventKind.METRIC)
    logger.close()
    stamps = [dt.datetime.fromisoformat(r["timestamp"]) for r in read_journal(logger.path)]
    assert [stamp.timestamp() - start for stamp in stamps] == pytest.approx(
        [0, 0.4, 0.8, 3600], abs=0.0015
    )


def test_only_changes_of_state_wait_for_the_disk(logger, monkeypatch):
    """The end of a run does; a stage's does not, since the ledger holds it."""
    synced = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_size))
    logger.emit("pipeline", EventKind.START)
    logger.emit("stage", EventKind.METRIC)
    logger.emit("stage", EventKind.SUCCESS)
    assert synced == []
    logger.emit("pipeline", EventKind.SUCCESS)
    assert synced == [logger.path.stat().st_size]


def test_the_log_for_people_has_a_line_for_each_event_but_progress(logger, tmp_path):
    logger.emit("stage", EventKind.START, "3 new files")
    logger.emit("stage", EventKind.PROGRESS, "")
    logger.emit("stage", EventKind.SUCCESS, "done")
    logger.close()
    lines = (tmp_path / "run.log").read_text().splitlines()
    assert [line.split()[2] for line in lines] == ["start", "success"]


def test_a_log_that_cannot_be_written_stops_nothing(tmp_path):
    (tmp_path / "logs").write_text("in the way")
    logger = EventLogger("run", Journal(tmp_path / "j.jsonl"), RunLog(tmp_path / "logs/run.log"))
    logger.emit("pipeline", EventKind.SUCCESS)
    logger.close()
    assert len(list(read_journal(tmp_path / "j.jsonl"))) == 1
