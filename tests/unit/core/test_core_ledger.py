"""The ledger knows content, not names: what is pending, what was published, and the runs."""

from __future__ import annotations

import sqlite3

import pytest

from pipekit.errors import StorageError
from pipekit.model.file import ContentState, Why
from pipekit.model.records import FileRecord
from pipekit.model.status import PipelineStatus
from pipekit.storage.ledger import Ledger
from pipekit.storage.stage_view import LedgerStageView
from pipekit.worker import ABSENT


@pytest.fixture
def ask(ledger, files):
    """What is pending for a stage, with this digest of settings and this plugin version."""

    def pending(settings="s1", version="1", *, growing=False, force=False, own=None):
        view = LedgerStageView(
            files, ledger, "stage", version=version, settings=settings, digest_of=str
        )
        return view.pending(files.files(["**"]), own, growing=growing, force=force)

    return pending


@pytest.fixture
def take(ledger, reported):
    """Commit what a worker of the stage says, in a run of its own."""

    def commit(*records, settings="s1", version="1", stage="stage"):
        number = ledger.begin_run(f"run-{id(records)}-{len(ledger.runs(limit=999))}", 0.0)
        ledger.commit(stage, version, number, records, {}, settings)
        return number

    return commit


@pytest.fixture
def view(ledger, files):
    return LedgerStageView(files, ledger, "stage", version="1", settings="s1", digest_of=str)


def why(pending):
    return {item.path: item.why for item in pending}


def test_a_file_is_pending_until_its_content_was_consumed(ask, take, put, reported):
    put("a")
    assert why(ask()) == {"a": Why.NEW}
    take(reported("consumed", "a"))
    assert not ask()
    assert ask().known == 1
    put("a", "other text")
    assert why(ask()) == {"a": Why.CHANGED}


def test_a_change_of_the_same_length_within_the_same_second_is_seen(ask, take, put, reported):
    put("a", "one")
    take(reported("consumed", "a"))
    put("a", "two", age=0)
    assert why(ask()) == {"a": Why.CHANGED}


def test_other_settings_make_it_pending_only_where_they_are_its_own(ask, take, put, reported):
    put("a")
    take(reported("consumed", "a"), settings="s1")
    assert why(ask("s2")) == {"a": Why.SETTINGS}
    assert not ask("s2", own="s1")  # the digest of this file's own source has not changed


def test_what_was_taken_in_part_stays_pending_with_what_is_known_of_it(ask, take, put, reported):
    put("a")
    take(reported("consumed", "a", complete=False, detail={"offset": 7}))
    (item,) = ask()
    assert item.why is Why.PART
    assert item.previous.detail == {"offset": 7}
    assert item.previous.state is ContentState.PART


def test_a_rejected_file_is_named_and_offered_again_only_by_force(ask, take, put, reported):
    put("a")
    take(reported("rejected", "a", reason="torn"))
    pending = ask()
    assert not pending
    assert [(c.path, c.reason) for c in pending.rejected] == [("a", "torn")]
    assert [item.why for item in ask(force=True)] == [Why.FORCED]


@pytest.mark.parametrize("change", ["content", "settings", "version"])
def test_a_rejected_file_is_tried_again_when_something_changed(ask, take, put, reported, change):
    put("a")
    take(reported("rejected", "a", reason="torn"))
    if change == "content":
        put("a", "mended")
    settings = "s2" if change == "settings" else "s1"
    version = "2" if change == "version" else "1"
    reasons = {"content": Why.CHANGED, "settings": Why.SETTINGS, "version": Why.VERSION}
    assert why(ask(settings, version)) == {"a": reasons[change]}


def test_a_newer_plugin_does_not_make_consumed_files_pending(ask, take, put, reported):
    put("a")
    take(reported("consumed", "a"))
    assert not ask(version="2")


def test_force_offers_what_is_known(ask, take, put, reported):
    put("a")
    take(reported("consumed", "a"))
    assert why(ask(force=True)) == {"a": Why.FORCED}


def test_what_is_still_being_written_waits_unless_the_source_grows(ask, put, files):
    files.quiet_seconds = 3600
    put("a")
    assert ask().waiting == ("a",)
    assert not ask()
    assert why(ask(growing=True)) == {"a": Why.NEW}


def test_a_vanished_file_is_forgotten(ask, take, put, reported, ledger, files):
    put("a")
    take(reported("consumed", "a"))
    (files.root / "a").unlink()
    take(FileRecord(verb="consumed", path="a", fingerprint=ABSENT))
    assert ledger.consumption("stage", "a") is None


def test_each_stage_has_its_own_view_of_a_file(ledger, take, put, reported):
    put("a")
    take(reported("consumed", "a"), stage="one")
    assert ledger.consumption("two", "a") is None
    assert ledger.consumption("one", "a").state is ContentState.CONSUMED


def test_a_published_file_keeps_its_run_while_it_is_left_unchanged(ledger, take, put, reported):
    put("out")
    first = take(reported("wrote", "out", fingerprint="f1", detail={"last": "2020"}))
    take(reported("unchanged", "out", fingerprint="f1"))
    assert ledger.published("stage")[0].run_number == first
    third = take(reported("wrote", "out", fingerprint="f2"))
    (published,) = ledger.published("stage")
    assert (published.run_number, published.fingerprint) == (third, "f2")


def test_published_files_come_in_the_order_of_their_runs(ledger, take, put, reported):
    for name in ("b", "a", "c"):
        take(reported("wrote", put(name)))
    assert [p.path for p in ledger.published("stage")] == ["b", "a", "c"]


def test_outputs_are_found_by_the_source_they_came_of(ledger, take, put, reported):
    put("out1")
    put("out2")
    take(
        reported("wrote", "out1", sources=("in1", "in2")),
        reported("wrote", "out2", sources=("in2",)),
    )
    assert [path for path, _ in ledger.outputs_of("stage", "in2")] == ["out1", "out2"]
    assert [path for path, _ in ledger.outputs_of("stage", "in1")] == ["out1"]


def test_a_commit_is_all_or_nothing(ledger, put, reported):
    good, bad = reported("consumed", put("a")), reported("consumed", put("b"), reason={1, 2})
    with pytest.raises(StorageError, match="not supported"):
        ledger.commit("stage", "1", 1, [good, bad], {}, "s1")
    assert not ledger.consumptions("stage")


# --- runs -------------------------------------------------------------------------------------


def test_run_numbers_go_up_by_one_and_are_never_given_twice(tmp_path):
    path = tmp_path / "state.db"
    with Ledger(path) as ledger:
        assert [ledger.begin_run(f"r{n}", n) for n in range(3)] == [1, 2, 3]
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM runs")
    connection.close()
    with Ledger(path) as ledger:
        assert ledger.begin_run("r3", 3.0) == 4


def test_a_run_is_found_by_number_id_or_the_beginning_of_its_id_when_only_one_has_it(ledger):
    for name in ("019d-aa", "019d-ab", "019e-aa"):
        ledger.begin_run(name, 0.0)
    assert ledger.run("2").run_id == "019d-ab"
    assert ledger.run("019d-aa").number == 1
    assert ledger.run("019e").number == 3
    assert ledger.run("019d") is None
    assert ledger.run("nothing") is None
    assert ledger.run("' OR 1=1 --") is None


def test_a_run_without_an_end_is_unfinished_until_it_has_one(ledger):
    ledger.begin_run("r1", 1.0)
    ledger.begin_run("r2", 2.0)
    ledger.note_stage("r1", "one", {"status": "success"})
    ledger.note_stage("r1", "two", {"status": "failure", "kind": "exit"})
    ledger.end_run("r1", PipelineStatus.PARTIAL, 1, 5.0)
    assert [run.run_id for run in ledger.unfinished()] == ["r1", "r2"]
    run = ledger.run("r1")
    assert (run.status, run.exit_code, run.ended) == ("partial", 1, 5.0)
    assert run.stages == {
        "one": {"status": "success"},
        "two": {"status": "failure", "kind": "exit"},
    }


# --- the file ---------------------------------------------------------------------------------


def test_a_file_that_is_no_ledger_is_set_aside_and_not_deleted(tmp_path):
    path = tmp_path / "state.db"
    path.write_bytes(b"this is no database" * 100)
    with Ledger(path) as ledger:
        assert ledger.begin_run("r1", 0.0) == 1
        assert ledger.set_aside.read_bytes() == b"this is no database" * 100


def test_an_error_of_sql_alone_sets_no_ledger_aside(tmp_path):
    """All files would be processed again; only tables of another version are worth that."""
    path = tmp_path / "state.db"
    with Ledger(path) as ledger:
        ledger.begin_run("run1", 1.0)
    with sqlite3.connect(path) as database:
        database.execute(
            "CREATE TRIGGER broken BEFORE UPDATE ON runs BEGIN SELECT json('no JSON'); END"
        )
    database.close()
    with pytest.raises(StorageError, match="malformed JSON"), Ledger(path) as ledger:
        ledger.end_run("run1", PipelineStatus.SUCCESS, 0, 2.0)
    assert [file.name for file in tmp_path.glob("*damaged*")] == []


def test_a_ledger_of_a_newer_pipekit_is_refused_and_left_as_it_is(tmp_path):
    path = tmp_path / "state.db"
    with Ledger(path):
        pass
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StorageError, match=r"newer pipekit .*upgrade"):
        Ledger(path)
    assert path.read_bytes() == before


def test_a_ledger_opened_for_reading_writes_nothing(tmp_path, reported, put):
    path = tmp_path / "state.db"
    with Ledger(path) as ledger:
        ledger.begin_run("r1", 0.0)
    with Ledger(path, read_only=True) as reader:
        assert reader.run("1").run_id == "r1"
        with pytest.raises(StorageError, match="cannot write"):
            reader.begin_run("r2", 0.0)
        with pytest.raises(StorageError, match="cannot write"):
            reader.commit("stage", "1", 1, [reported("consumed", put("a"))], {}, "s")


def test_a_ledger_that_is_not_there_cannot_be_opened_for_reading(tmp_path):
    with pytest.raises(StorageError, match="cannot open"):
        Ledger(tmp_path / "state.db", read_only=True)
    assert not (tmp_path / "state.db").exists()


def test_what_one_run_commits_a_reader_sees_at_once(tmp_path, reported, put):
    path = tmp_path / "state.db"
    with Ledger(path) as writer, Ledger(path, read_only=True) as reader:
        assert not reader.consumptions("stage")
        writer.commit("stage", "1", 1, [reported("consumed", put("a"))], {}, "s")
        assert list(reader.consumptions("stage")) == ["a"]


def test_what_was_consumed_can_be_asked_for_by_what_is_noted_of_it(view, take, reported):
    take(
        reported("consumed", "a", detail={"late": ["x"]}),
        reported("consumed", "b", detail={"of": "late"}),
    )
    assert list(view.consumed("late")) == ["a"]
    every = view.consumed()
    assert (set(every), len(every), "a" in every) == ({"a", "b"}, 2, True)
    assert every["b"].detail == {"of": "late"}


def test_one_plan_looks_into_a_folder_once(view, put):
    put("raw/a")
    before = view.files(("raw/*",))
    put("raw/b")
    assert view.files(("raw/**/*", "raw/*")) == before  # whatever the pattern
    assert view.files(("raw/a*", "raw/*")) == before


@pytest.mark.parametrize("first", ["s1", "s2", "neither"])
def test_one_plan_may_ask_with_several_settings_in_any_order(
    view, take, put, reported, files, first
):
    for path in ("a", "b", "part", "bad"):
        put(path)
    take(
        reported("consumed", "a"),
        reported("consumed", "part", complete=False),
        reported("rejected", "bad"),
    )
    take(reported("consumed", "b"), settings="s2")
    every = files.files(["**"])

    def asked(settings):
        return why(view.pending(every, settings, growing=False, force=False))

    asked(first)
    assert asked("s1") == {"b": Why.SETTINGS, "part": Why.PART}
    assert asked("s2") == {"a": Why.SETTINGS, "bad": Why.SETTINGS, "part": Why.SETTINGS}
    assert asked("neither") == dict.fromkeys(("a", "b", "bad", "part"), Why.SETTINGS)


def test_what_was_taken_is_the_same_entry_by_entry_and_all_at_once(
    view, ledger, take, put, reported
):
    paths = [put(f"file-{number}") for number in range(40)]
    take(*(reported("consumed", path, detail={"of": path}) for path in paths))
    taken = view.consumed()
    with pytest.raises(KeyError):
        taken["another"]
    assert [taken[path].detail for path in paths] == [{"of": path} for path in paths]
    assert dict(taken) == ledger.consumptions("stage")
    assert taken.get("another") is None


def test_a_stage_remembers_values_until_it_forgets_them(ledger, view):
    number = ledger.begin_run("run", 0.0)
    assert view.state() == {}
    state = {"last": "b", "page": {"n": [1, None]}}
    ledger.commit("stage", "1", number, [], {}, "s1", state=state)
    ledger.commit("other", "1", number, [], {}, "s1", state={"last": "z"})
    assert view.state() == state
    ledger.commit("stage", "1", number, [], {}, "s1", state={"page": None})
    assert view.state() == {"last": "b"}
