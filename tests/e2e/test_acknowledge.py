"""What went wrong with data stays in `status` until somebody says that it has been looked at."""

from __future__ import annotations

import json

import pytest

from tests.e2e.test_run import CONFIG, COUNT

RULES = """
[[lifecycle.rules]]
files = "data/in/**"
consumed_by = ["upper"]
min_age = 0
"""
ROWS = 'report.metric("rows_set_aside", text.count("!"))\n            report.wrote(out)'


@pytest.fixture
def upper(project):
    """A project whose stage rejects files, and sets aside rows with a `!`."""
    project.plugin("upper", COUNT.replace("report.wrote(out)", ROWS))
    project.config(CONFIG)
    return project


def check(project):
    done = project.pipekit("status", "--check")
    return done.code, done.out.strip()


def test_rejected_files_and_rows_set_aside_are_said_until_acknowledged(upper):
    upper.write("data/in/a.txt", "reject")
    upper.write("data/in/b.txt", "one!\ntwo!")
    assert upper.pipekit("run").code == 1
    code, line = check(upper)
    assert (code, line[:8], line[-12:]) == (1, "WARNING:", "(and 2 more)")
    shown = upper.pipekit("status").out
    assert "1 file rejected by upper:\n  data/in/a.txt: it asks for it (run 1)" in shown
    assert "2 rows set aside by upper in run 1\n" in shown
    assert "`pipekit status --acknowledge`, once you have looked at this" in shown
    record = upper.pipekit("status", "--json").json
    assert record["attention"]["rows_set_aside"][0]["rows"] == 2
    assert record["attention"]["rejected"] == ["data/in/a.txt"]

    done = upper.pipekit("status", "--acknowledge", "--reason", "told the\n exchange")
    assert done.out == "acknowledged: 1 file rejected, 2 rows set aside\n"
    code, line = check(upper)
    assert (code, line[:18]) == (0, "OK: nothing failed")
    shown = upper.pipekit("status").out
    assert "a.txt" not in shown
    assert "acknowledged: 1 file rejected, 2 rows set aside (at 20" in shown
    assert shown.count("told the exchange)") == 1
    record = upper.pipekit("status", "--json").json
    assert (len(record["rejected"]["upper"]), record["attention"]["rejected"]) == (1, [])
    assert upper.pipekit("status", "--acknowledge").out == "nothing to acknowledge\n"

    upper.write("data/in/c.txt", "reject")
    upper.write("data/in/d.txt", "three!")
    upper.pipekit("run")
    shown = upper.pipekit("status").out
    assert "1 file rejected by upper:\n  data/in/c.txt" in shown
    assert "1 row set aside by upper in run 2\n" in shown
    assert "acknowledged: 1 file rejected, 2 rows set aside (at" in shown
    assert check(upper)[0] == 1


def test_a_file_that_became_empty_or_shorter_is_said_and_never_deleted(upper):
    upper.config(CONFIG + RULES)
    for name, text in {"a": "a long text", "b": "another text", "c": "text"}.items():
        upper.write(f"data/in/{name}.txt", text)
    assert upper.pipekit("run").code == 0
    upper.write("data/in/a.txt", "a")
    upper.write("data/in/b.txt", "")
    upper.write("data/in/c.txt", "longer text")
    run = upper.pipekit("run")
    assert (run.code, "1 warning" in run.out) == (0, True), run
    (warning,) = [e["msg"] for e in upper.events() if e["event"] == "warning"]
    assert warning == (
        "data/in/a.txt became shorter: it has 1 bytes, but had 11 when upper consumed it before "
        "(and 1 more such files); check the export"
    )
    assert "it has 1 bytes, but had 11 when upper" in upper.pipekit("file", "data/in/a.txt").out
    shown = upper.pipekit("status").out
    assert (
        "data/in/a.txt: it has 1 bytes, but had 11 when upper consumed it before (run 2)" in shown
    )
    assert "data/in/b.txt: it is empty, but had 12" in shown
    for acknowledged in (False, True):
        planned = upper.pipekit("lifecycle", "plan", "--json").json
        assert [each["path"] for each in planned] == ["data/in/c.txt"]
        if not acknowledged:
            assert check(upper)[0] == 1
            done = upper.pipekit("status", "--acknowledge")
            assert done.out == "acknowledged: 2 files empty or shorter\n"
            assert check(upper)[0] == 0
    upper.write("data/in/a.txt", "a longer text")
    assert upper.pipekit("run").code == 0
    assert "acknowledged: 1 file empty or shorter (" in upper.pipekit("status").out


def test_no_policy_may_remove_a_file_that_became_shorter(upper):
    upper.write("data/in/a.txt", "a long text")
    upper.pipekit("run")
    upper.write("data/in/a.txt", "a")
    upper.pipekit("run")
    upper.config(CONFIG + "[lifecycle.greedy]\n")
    upper.plugin(
        "greedy",
        """
        from pipekit import ActionKind, FileAction, LifecyclePolicy, hookimpl

        def propose(view, settings):
            yield FileAction(kind=ActionKind.DELETE, path="data/in/a.txt", reason="greed")

        @hookimpl
        def pipekit_lifecycle_policies():
            yield LifecyclePolicy("greedy", propose)
        """,
    )
    planned = upper.pipekit("lifecycle", "plan").out
    assert planned.startswith("delete   data/in/a.txt: refused: it has 1 bytes, but had 11"), (
        planned
    )


def test_refused_runs_are_said_after_runs_began_again_until_acknowledged(upper):
    upper.config(CONFIG + "nonsense = 1\n")
    assert [upper.pipekit("run").code for _ in range(2)] == [3, 3]
    assert check(upper)[0] == 2
    upper.config(CONFIG)
    assert upper.pipekit("run").code == 0
    code, line = check(upper)
    assert (code, line[:33]) == (1, "WARNING: 2 runs refused, last at ")
    assert "nonsense: unknown key" in upper.pipekit("status").out
    assert upper.pipekit("status", "--acknowledge").out == "acknowledged: 2 runs refused\n"
    assert check(upper)[0] == 0
    upper.config(CONFIG + "nonsense = 1\n")
    upper.pipekit("run")
    assert check(upper)[0] == 2
    assert upper.pipekit("status", "--acknowledge").code == 3  # the configuration is still broken
    upper.config(CONFIG)
    assert check(upper)[0] == 0


def test_a_new_ledger_and_a_damaged_file_have_nothing_acknowledged(upper):
    upper.write("data/in/a.txt", "reject")
    upper.pipekit("run")
    upper.pipekit("status", "--acknowledge")
    file = upper.root / ".pipekit/acknowledged.json"
    whole = json.loads(file.read_text())
    for change in ({"run": "x"}, {"at": 1e300}, {"more": 1}, {"run_id": "another"}):
        file.write_text(json.dumps(whole | change))
        assert check(upper)[0] == 1, change
    file.write_text(json.dumps(whole))
    assert check(upper)[0] == 0
    for path in (upper.root / ".pipekit").glob("state.db*"):
        path.unlink()
    upper.pipekit("run")
    assert check(upper)[0] == 1


@pytest.mark.parametrize(
    "words",
    [["--reason", "x"], ["--acknowledge", "--check"], ["--acknowledge", "-C", "a", "-C", "b"]],
)
def test_wrong_use(upper, words):
    assert upper.pipekit("status", *words).code == 64
