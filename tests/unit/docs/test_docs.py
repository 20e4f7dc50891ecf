"""The reference pages say what the code does: nothing is missing in them, nothing is invented."""

from __future__ import annotations

import ast
import inspect
import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

import pipekit
from pipekit import errors, hookspecs, worker
from pipekit.model.status import FailureKind, StageStatus
from pipekit.model.status import PipelineStatus
from pipekit.storage.runs import connect
from pipekit.testing import EXAMPLES

ROOT = Path(__file__).resolve().parents[3]
HOOKS = [name for name in vars(hookspecs) if name.startswith("pipekit_")]
A_STAGE = "A stage"
RESERVED = ("pipeline", "lifecycle", "sink", "plugin")
STATUS_OF = {"result.status", "status", "run.status"}  # what is emitted without a literal word


# --- events ---------------------------------------------------------------------------------


def documented_events(page, table_rows) -> dict[tuple[str, str], str]:
    sections = {A_STAGE: A_STAGE, **{name: f"`{name}`" for name in RESERVED}}
    return {
        (stage, row[0]): row[1]
        for stage, heading in sections.items()
        for row in table_rows(page.section(heading))
    }


def documented_data(page, table_rows) -> dict[tuple[str, str], set[str]]:
    """The keys that each row names; "as above" are those of the row before."""
    found, above = {}, set()
    for stage in (A_STAGE, *RESERVED):
        for event, _, data in table_rows(page.section(stage if stage == A_STAGE else f"`{stage}`")):
            named = set(re.findall(r"(?:^|`)(\w+)(?:`|$)", data))
            above = named | above if "as above" in data else named
            found[(stage, event)] = above
    return found


def emitted_events() -> set[tuple[str, str]]:
    """Stage (or `A stage`) and word of each `emit` in the core; statuses stand for themselves."""
    found = {("pipeline", status.value) for status in PipelineStatus}
    found |= {(A_STAGE, status.value) for status in StageStatus}
    for path in sorted((ROOT / "pipekit").rglob("*.py")):
        for call in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(call, ast.Call) and _called(call) == "emit":
                found |= _words(call, path)
    return found


def _called(call: ast.Call) -> str:
    function = call.func
    return getattr(function, "attr", None) or getattr(function, "id", "")


def _words(call: ast.Call, path: Path) -> set[tuple[str, str]]:
    if path.parent.name in ("builtins", "testing") or len(call.args) == 1:
        return set()  # a sink is called, with an event
    own = path.name == "execution.py"  # there the stage is already known
    stage, event = (None, call.args[0]) if own else (call.args[0], call.args[1])
    stages = _constants(stage) if stage is not None else []
    events = _constants(event)
    if not events:
        assert ast.unparse(event) in {*STATUS_OF, "event"}, f"{path.name}: {ast.unparse(call)}"
    return {(name, word) for name in stages or [A_STAGE] for word in events}


def _constants(node: ast.expr) -> list[str]:
    return [n.value for n in ast.walk(node) if isinstance(n, ast.Constant)]


def test_every_event_that_the_code_emits_has_its_row(docs, table_rows):
    known = documented_events(docs("reference/events.md"), table_rows)
    assert emitted_events() <= known.keys()


def test_an_event_that_is_not_emitted_is_said_to_be_so_and_no_other_is(docs, table_rows):
    known = documented_events(docs("reference/events.md"), table_rows)
    silent = {event for event, text in known.items() if "Not emitted yet" in text}
    assert silent == known.keys() - emitted_events()


def examples_by_event() -> dict[tuple[str, str], dict]:
    return {(e.stage if e.stage in RESERVED else A_STAGE, e.event): dict(e.data) for e in EXAMPLES}


def test_sinks_are_tested_with_every_event_that_has_a_row_and_with_no_other(docs, table_rows):
    known = documented_events(docs("reference/events.md"), table_rows)
    assert examples_by_event().keys() == known.keys()


def test_sinks_are_tested_with_every_event_that_the_code_emits():
    assert emitted_events() <= examples_by_event().keys()


def test_an_example_has_the_data_that_its_row_names(docs, table_rows):
    page = docs("reference/events.md")
    documented = documented_data(page, table_rows)
    emitted = emitted_events()
    examples = {event: set(data) for event, data in examples_by_event().items() if event in emitted}
    optional = {"kind", "error"}  # of a partial and a failed stage: absent where there is none
    differing = {
        event: keys ^ documented[event]
        for event, keys in examples.items()
        if (keys ^ documented[event]) - optional
    }
    assert differing == {}


def test_the_fields_of_an_event_are_those_of_its_record(docs, table_rows):
    page = docs("reference/events.md")
    listed = [row[0] for row in table_rows(page.text.partition("## ")[0])]
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
def test_every_status_and_kind_has_its_row(docs, table_rows, heading, words):
    listed = [row[0] for row in table_rows(docs("reference/statuses.md").section(heading))]
    assert sorted(listed) == sorted(words)


def test_the_kinds_are_explained_where_a_failed_run_is_read(docs, table_rows):
    page = docs("how-to/read-a-failed-run.md")
    listed = [row[0] for row in table_rows(page.section("The kind says where to look"))]
    assert sorted(listed) == sorted(FailureKind)


def test_a_runs_status_has_the_exit_code_that_is_said(docs, table_rows):
    for status, _, code in table_rows(docs("reference/statuses.md").section("Of a run")):
        assert str(PipelineStatus(status).exit_code) in re.findall(r"\d+", code)


def test_every_exit_code_has_its_row(docs, table_rows):
    page = docs("reference/exit-codes.md")
    listed = {row[1]: int(row[0]) for row in table_rows(page.text.partition("## ")[0])}
    assert listed == {n: v for n, v in vars(errors).items() if n.startswith("EXIT_")}


def test_every_error_has_its_row_with_its_exit_code(docs, table_rows):
    listed = {
        row[0]: int(row[1]) for row in table_rows(docs("reference/exit-codes.md").section("Errors"))
    }
    classes = [c for _, c in inspect.getmembers(errors, inspect.isclass)]
    assert listed == {c.__name__: c.exit_code for c in classes}


# --- hooks, worker, ledger --------------------------------------------------------------------


def test_every_hook_has_its_heading_and_no_other_is_there(docs):
    headings = docs("reference/hooks.md").headings(2)
    assert [h.strip("`") for h in headings if h.startswith("`")] == HOOKS


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hooks_example_is_that_of_its_docstring(docs, hook):
    section = docs("reference/hooks.md").section(f"`{hook}`")
    (example,) = re.findall(
        r"```python\n.*?```", inspect.getdoc(getattr(hookspecs, hook)), re.DOTALL
    )
    assert example in section


def test_every_function_of_the_worker_has_its_heading_and_parameters(docs):
    page = docs("reference/worker.md")
    listed = [h.strip("`") for h in page.headings(3)]
    functions = (
        *(worker.request, worker.loading, worker.look, worker.hasher, worker.fingerprint),
        worker.leave,
    )
    public = {n: f for n, f in vars(worker).items() if not n.startswith("_")}
    functions_there = [f for f in public.values() if inspect.isfunction(f)]
    ours = [f for f in functions_there if f.__module__.startswith("pipekit.")]
    assert set(functions) == set(ours)
    methods = [m for n, m in vars(worker.Report).items() if not n.startswith("_")]
    assert listed == [_signature(f) for f in (*functions, *methods)]


def _signature(function) -> str:
    plain = inspect.signature(inspect.unwrap(function))
    parameters = [
        p.replace(annotation=p.empty) for name, p in plain.parameters.items() if name != "self"
    ]
    bare = plain.replace(parameters=parameters, return_annotation=plain.empty)
    return f"{function.__name__}{bare}".replace("'", '"').replace('b""', 'b""')


def test_every_table_and_column_of_the_ledger_is_described(docs, tmp_path):
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


# --- generated pages, links, decisions --------------------------------------------------------


def test_generated_pages_are_fresh():
    words = [sys.executable, str(ROOT / "docs/generate.py"), "--check"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_every_command_has_its_section(docs):
    from pipekit.cli.main import cli

    headings = docs("reference/commands.md").headings(2)
    help = subprocess.run(
        [sys.executable, "-m", "pipekit", "--help"], capture_output=True, text=True, check=True
    )
    listed = re.findall(r"^  (\w+)  ", help.stdout.partition("Commands:")[2], re.MULTILINE)
    assert listed
    assert {f"`pipekit {name}`" for name in listed} <= set(headings)
    for group in ("plugins", "config", "lifecycle"):
        for name in cli.get_command(None, group).commands:
            assert f"`pipekit {group} {name}`" in headings


def test_the_changelog_has_every_fragment_and_this_version():
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert f"## {pipekit.__version__} " in text
    for fragment in (ROOT / "changelog.d").glob("*.*.md"):
        assert fragment.read_text("utf-8").strip() in text
        assert fragment.name.split(".")[1] in (
            *("added", "changed", "deprecated", "removed", "fixed", "security"),
        )


def slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def anchors(file: Path) -> list[str]:
    return [slug(h) for h in re.findall(r"^#+ (.*)$", file.read_text("utf-8"), re.MULTILINE)]


def test_every_relative_link_leads_somewhere(all_pages):
    lost = []
    for page in all_pages:
        for target in re.findall(r"\]\(([^)\s]+)\)", page.prose):
            if re.match(r"[a-z]+:", target):
                continue
            name, _, anchor = target.partition("#")
            file = (page.path.parent / name).resolve() if name else page.path
            if not file.exists():
                lost.append(f"{page.path.relative_to(ROOT)}: {target}")
            elif anchor and anchor not in anchors(file):
                lost.append(f"{page.path.relative_to(ROOT)}: {target} (no such heading)")
    assert lost == []


def test_every_page_can_be_reached_from_the_map(all_pages):
    seen, ahead = set(), [ROOT / "docs/index.md"]
    pages = {page.path: page for page in all_pages}
    while ahead:
        path = ahead.pop()
        if path in seen or path not in pages:
            continue
        seen.add(path)
        links = re.findall(r"\]\(([^)#\s]+\.md)", pages[path].prose)
        ahead += [(path.parent / link).resolve() for link in links if ":" not in link]
    unseen = {path for path in pages if (ROOT / "docs") in path.parents} - seen
    assert not unseen


def test_a_decision_is_a_page_of_context_decision_and_cost(docs):
    folder = ROOT / "docs/decisions"
    index = docs("decisions/README.md").text
    for path in sorted(folder.glob("[0-9]*.md")):
        page = docs(f"decisions/{path.name}")
        assert re.findall(r"^\*\*(.*?)\.\*\*", page.text, re.MULTILINE) == [
            *("Context", "Decision", "What it costs"),
        ]
        assert 10 <= len(page.text.splitlines()) <= 20, path.name
        number, _, title = page.headings(1)[0].partition(". ")
        assert f"| {number} | [{title}]({path.name}) |" in index
