"""Tables, text and colours: what goes to a pipe is whole and plain."""

from __future__ import annotations

import ast
import io
import sys
import traceback

import pytest

from pipekit import EventKind, PipelineStatus, StageStatus
from pipekit.builtins.console import _shortened
from pipekit.cli.output import mask_output
from pipekit.commands import COLOURS, print_json, print_table, print_text


@pytest.mark.parametrize("status", [*StageStatus, *PipelineStatus])
def test_every_status_has_its_colour(status):
    """By whatever vocabulary it comes: a stage's, a run's or an event's."""
    assert COLOURS[status]
    assert COLOURS[EventKind(status)] == COLOURS[str(status)]


def test_columns_are_as_wide_as_their_widest_cell(capsys):
    """By default all of them are text."""
    print_table(("run", "stages"), [(1, "a, b"), (12, "c")])
    assert capsys.readouterr().out == "run  stages\n1    a, b\n12   c\n"


def test_numbers_are_aligned_to_the_right(capsys):
    """`left` says how many columns are text."""
    print_table(("name", "lines"), [("a", "7"), ("all", "1,107")], left=1, bold=[1])
    assert capsys.readouterr().out == "name  lines\na         7\nall   1,107\n"


def test_a_table_without_rows_is_its_head(capsys):
    """It says what would be there."""
    print_table(("name", "lines"), [])
    assert capsys.readouterr().out == "name  lines\n"


def test_a_pipe_gets_every_column(capsys):
    """Columns are dropped only where a terminal has no room."""
    print_table(("id", "text"), [("x" * 300, "y" * 300)], drop=("id",), hint="--csv has all")
    out, err = capsys.readouterr()
    assert "x" * 300 in out
    assert err == ""


def test_a_long_name_keeps_its_end():
    """Of a path that is the part that tells one from another."""
    assert _shortened("ES", 12) == "ES"
    assert _shortened("data/raw/2024/ES.csv", 12) == "…2024/ES.csv"


def test_what_anybody_prints_is_masked_tracebacks_included(monkeypatch):
    out, err = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    mask_output(["hunter22"])
    print("it is hunter22")
    print_json({"it": "is hunter22"})
    print_text("it is hunter22", err=True)
    try:
        raise ValueError("it is hunter22")
    except ValueError:
        traceback.print_exc()
    assert out.getvalue() == 'it is ***\n{\n "it": "is ***"\n}\n'
    assert err.getvalue().startswith("it is ***\n")
    assert err.getvalue().endswith("ValueError: it is ***\n")


def test_without_secrets_the_streams_stay_as_they_are():
    before = sys.stdout
    mask_output(["abc"])
    assert sys.stdout is before


EVIL = "\x1b]0;owned\x07\x9b31m\u202egnp.exe"
SHOWN = r"\x1b]0;owned\x07\x9b31m\u202egnp.exe"


def test_nothing_that_is_printed_controls_the_terminal(capsys):
    """Text, tables and JSON; JSON keeps its value."""
    print_text(EVIL, "lead ")
    print_text(EVIL, err=True)
    print_table((EVIL, "text"), [(EVIL, EVIL)])
    print_json({EVIL: EVIL})
    out, err = capsys.readouterr()
    assert all(line.isprintable() for line in (*out.splitlines(), *err.splitlines()))
    assert out.splitlines()[0] == f"lead {SHOWN}"
    assert err == f"{SHOWN}\n"


PRINTERS = frozenset({"echo", "secho", "print", "print_exc", "write"})


@pytest.mark.parametrize("folder", ["pipekit/cli", "plugins/merger/pipekit_merger/results"])
def test_commands_print_by_the_functions_that_escape(request, folder):
    """A new command cannot forget it; what goes another way is listed here."""
    allowed = {"output.py", "init.py: write", "new.py: write", "sample.py: write"}  # to files
    allowed |= {"command.py: echo", "pager.py: write"}  # CSV, and what was printed; escaped before
    found = set()
    for file in (request.config.rootpath / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "attr", getattr(node.func, "id", ""))
                if name in PRINTERS and ast.unparse(node.func) != "found.print":
                    found.add(file.name if file.name in allowed else f"{file.name}: {name}")
    assert found - allowed == set()
