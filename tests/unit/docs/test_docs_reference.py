"""The reference pages say what the code does: nothing is missing in them, nothing is invented."""

from __future__ import annotations

import inspect
import re
import sqlite3

import pytest

from pipekit import EventKind, errors, hookspecs, worker
from pipekit.model.status import FailureKind, PipelineStatus, StageStatus
from pipekit.storage.database import connect
from pipekit.testing import EXAMPLES

from ...pages import docs, rows

HOOKS = [name for name in vars(hookspecs) if name.startswith("pipekit_")]
A_STAGE = "A stage"
RESERVED = ("pipeline", "lifecycle", "sink", "plugin")


# --- events ---------------------------------------------------------------------------------


def documented_events() -> dict[tuple[str, str], tuple[str, set[str]]]:
    """What each row says and which keys it names, by stage and event.

    "as above" are the keys of the row before. `A stage` stands for every stage of a plugin.
    """
    page, found, above = docs("reference/events.md"), {}, set()
    for stage in (A_STAGE, *RESERVED):
        for event, text, data in rows(page.section(stage if stage == A_STAGE else f"`{stage}`")):
            named = set(re.findall(r"(?:^|`)(\w+)(?:`|$)", data))
            above = named | above if "as above" in data else named
            found[(stage, event)] = text, above
    return found


def emitted_events() -> set[tuple[str, str]]:
    """The rows that are not for a later version."""
    return {key for key, (text, _) in documented_events().items() if "Not emitted" not in text}


def examples_by_event() -> dict[tuple[str, str], set[str]]:
    """The keys of each example's data."""
    return {
        (e.stage if e.stage in RESERVED else A_STAGE, e.event): set(e.data)
        for e in EXAMPLES
        if e.event in set(EventKind)
    }


def test_the_vocabulary_is_that_of_the_page():
    """A kind that the page calls "Not emitted yet" is none of EventKind."""
    said = {
        event for (_, event), (text, _) in documented_events().items() if "Not emitted" not in text
    }
    assert said == set(EventKind)


def test_every_status_of_a_stage_and_of_a_run_has_its_event():
    known = documented_events()
    assert {(A_STAGE, status.value) for status in StageStatus} <= known.keys()
    assert {("pipeline", status.value) for status in PipelineStatus} <= known.keys()


def test_sinks_are_tested_with_every_event_that_has_a_row_and_with_no_other():
    assert examples_by_event().keys() == emitted_events()


def test_an_example_has_the_data_that_its_row_names():
    documented = documented_events()
    optional = {"kind", "error", "last_line"}  # of a partial and a failed stage: absent where there is none
    differing = {
        event: keys ^ documented[event][1]
        for event, keys in examples_by_event().items()
        if (keys ^ documented[event][1]) - optional
    }
    assert differing == {}


def test_the_fields_of_an_event_are_those_of_its_record():
    page = docs("reference/events.md")
    listed = [row[0] for row in rows(page.text.partition("## ")[0])]
    assert listed == list(EXAMPLES[0].record())


# --- statuses and exit codes ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("heading", "words"),
    [
        ("Of a stage", StageStatus),
        ("Kinds of failure", FailureKind),
        ("Of a run", PipelineStatus),
    ],
)
def test_every_status_and_kind_has_its_row(heading, words):
    listed = [row[0] for row in rows(docs("reference/statuses.md").section(heading))]
    assert sorted(listed) == sorted(words)


def test_the_kinds_are_explained_where_a_failed_run_is_read():
    page = docs("how-to/read-a-failed-run.md")
    listed = [row[0] for row in rows(page.section("The kind says where to look"))]
    assert sorted(listed) == sorted(FailureKind)


def test_a_runs_status_has_the_exit_code_that_is_said():
    for status, _, code in rows(docs("reference/statuses.md").section("Of a run")):
        assert str(PipelineStatus(status).exit_code) in re.findall(r"\d+", code)


def test_every_exit_code_has_its_row():
    page = docs("reference/exit-codes.md")
    listed = {row[1]: int(row[0]) for row in rows(page.text.partition("## ")[0])}
    assert listed == {n: v for n, v in vars(errors).items() if n.startswith("EXIT_")}


def test_every_error_has_its_row_with_its_exit_code():
    listed = {
        row[0]: int(row[1]) for row in rows(docs("reference/exit-codes.md").section("Errors"))
    }
    classes = [c for _, c in inspect.getmembers(errors, inspect.isclass)]
    assert listed == {c.__name__: c.exit_code for c in classes}


# --- hooks, worker, ledger --------------------------------------------------------------------


def test_every_hook_has_its_heading_and_no_other_is_there():
    headings = docs("reference/hooks.md").headings(2)
    assert [h.strip("`") for h in headings if h.startswith("`")] == HOOKS


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hooks_example_is_that_of_its_docstring(hook):
    section = docs("reference/hooks.md").section(f"`{hook}`")
    (example,) = re.findall(
        r"```python\n.*?```", inspect.getdoc(getattr(hookspecs, hook)), re.DOTALL
    )
    assert example in section


def test_every_function_of_the_worker_has_its_heading_and_parameters():
    headings = docs("reference/worker.md").headings(3)
    listed = {heading.strip("`") for heading in headings if heading.startswith("`")}
    names = {name for name in worker.__all__ if inspect.isfunction(getattr(worker, name))}
    methods = [m for n, m in vars(worker.Report).items() if not n.startswith("_")]
    assert listed == {_signature(function) for function in methods} | {
        _signature(getattr(worker, name)) for name in names
    }


def test_every_name_of_the_worker_is_on_its_page():
    text = docs("reference/worker.md").text
    assert [name for name in worker.__all__ if name not in text] == []


def _signature(function) -> str:
    plain = inspect.signature(inspect.unwrap(function))
    parameters = [
        p.replace(annotation=p.empty) for name, p in plain.parameters.items() if name != "self"
    ]
    bare = plain.replace(parameters=parameters, return_annotation=plain.empty)
    return f"{function.__name__}{bare}".replace("'", '"').replace('b""', 'b""')


def test_every_table_and_column_of_the_ledger_is_described(tmp_path):
    page = docs("reference/ledger.md")
    connection = connect(tmp_path / "state.db", read_only=False)
    try:
        tables = _tables(connection)
        (version,) = connection.execute("PRAGMA user_version").fetchone()
    finally:
        connection.close()
    assert [h.strip("`") for h in page.headings(2) if h.startswith("`")] == list(tables)
    for table, columns in tables.items():
        named = re.findall(r"`(\w+)`", page.section(f"`{table}`"))
        assert [c for c in columns if c not in named] == []
    assert f"user_version` ({version})" in page.text.replace("\n", " ")


def _tables(connection: sqlite3.Connection) -> dict[str, list[str]]:
    names = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' "
        "ORDER BY rowid"
    ).fetchall()
    return {
        name: [row[1] for row in connection.execute(f"PRAGMA table_info({name})")]
        for (name,) in names
    }
