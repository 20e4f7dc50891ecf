"""Tables, text and colours: what goes to a pipe is whole and plain."""

from __future__ import annotations

import io
import sys
import traceback

import pytest

from pipekit import EventKind, PipelineStatus, StageStatus
from pipekit.builtins.console import _shortened
from pipekit.cli.output import mask_output, print_json, print_text
from pipekit.commands import COLOURS, print_table


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
