"""What the pages show, and how they follow a run."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time

import pytest

from .conftest import dashboard
from .projects import ask_for, prepare


def test_the_grid_begins_with_the_verdict_and_folds_idle_runs(server):
    text = server.ask("/").text
    assert "STALE" in text
    assert "no file matches data/late/**" in text
    rows = re.findall(r'<tr><th scope="row"><a href="/p/1/runs/(\d+)">', text)
    assert rows[:5] == ["123", "122", "121", "101", "81"]
    assert "1 idle run since then" in text
    assert "</span> 19</td>" in text  # before run 101


def test_every_colour_has_a_glyph_and_a_word_beside_it(server):
    text = server.ask("/").text
    found = re.findall(
        r'class="status (\w+)"><span class="glyph" aria-hidden="true">(.)</span> (\w+)', text
    )
    words = {word: glyph for _, glyph, word in found}
    assert words["success"] == "✓"
    assert words["failure"] == "✗"
    assert all(status.lower() == word.lower() for status, _, word in found if word.islower())


def test_runs_come_page_by_page(server):
    text = server.ask("/p/1/runs?before=100").text
    assert re.findall(r'<tr><th scope="row"><a href="/p/1/runs/(\d+)">', text) == [
        "81",
        "61",
        "41",
        "21",
        "1",
    ]


def test_a_failed_run_says_why_and_how_to_go_on(server):
    text = server.ask("/p/1/runs/122").text
    assert "work: exited with code 7" in text
    assert "ValueError: line 1371: expected 7 columns, got 5" in text
    assert "<code>pipekit run --from check</code>" in text
    assert "usually 1.5s" in text  # the median of the runs before
    assert '<a href="#load-work-ES" title="ES">ES</a>' in text  # its name is the link
    assert '<svg class="bar"' in text
    assert 'id="load-work-ES"' in text


def test_a_run_without_journal_and_report_is_shown_from_the_ledger(server):
    text = server.ask("/p/1/runs/101").text
    assert (
        "its report is gone ([retention] or somebody removed it); this is from the ledger" in text
    )
    assert "No stage has begun, or the journal is gone." in text


def test_the_log_is_paged_by_bytes(shown, server):
    text = server.ask("/p/1/runs/121/log?after=0").text
    (journal,) = [
        p for p in (shown.root / "logs/events").iterdir() if '"run": 121' in p.read_text()
    ]
    size = journal.stat().st_size
    assert f"bytes 0 to {size:,} of {size:,}" in text
    half = size // 2
    earlier, later = (
        server.ask(f"/p/1/runs/121/log?{way}={half}").text for way in ("before", "after")
    )
    assert f'href="?of=events&amp;before={_bytes(later)[0]}" rel="prev">earlier' in later
    assert 'rel="next">later' in earlier
    lines = journal.read_text().splitlines()
    assert earlier.count("</li>") + later.count("</li>") in (
        len(lines),
        len(lines) - 1,
    )  # one is cut
    assert server.ask("/p/1/runs/121/log/raw?of=events").text == journal.read_text()


def _bytes(text: str) -> tuple[int, int]:
    first, last = re.search(r"bytes ([\d,]+) to ([\d,]+) of", text).groups()
    return int(first.replace(",", "")), int(last.replace(",", ""))


def test_the_log_is_searched_on_the_server_and_an_event_is_found_by_its_number(server):
    found = server.ask("/p/1/runs/122/log?q=EXITED+WITH").text
    assert "with this text" in found
    assert "exited with code 7" in found
    assert "unit_start" not in found
    first = server.ask("/p/1/runs/122/log?seq=3").text
    assert re.search(r"<ol>.*", first).group().startswith('<ol><li class="task_start">')


def test_the_output_of_a_stage_is_that_of_its_program(server):
    text = server.ask("/p/1/runs/122/log?of=check").text
    assert "reading data/raw/ES.csv" in text
    assert '<option value="check/work.err" selected>' in text


def test_files_have_their_state_and_their_story(server):
    text = server.ask("/p/1/files?stage=load&q=ES").text
    assert "data/raw/ES.csv" in text
    assert "data/raw/NQ.csv" not in text
    story = server.ask("/p/1/file?path=data/raw/ES.csv").text
    assert "consumed" in story
    assert 'data-load="/p/1/part/file?path=data/raw/ES.csv"' in story
    part = server.ask("/p/1/part/file?path=data/raw/ES.csv").text
    assert "It must stay: no policy is configured" in part


def test_settings_say_where_they_came_from(server):
    text = server.ask("/p/1/part/settings").text
    assert re.search(r"stages\.load\.hang_timeout.*?2s.*?pipekit\.toml:\d+", text)


def test_health_says_what_is_wrong_and_what_is_due(server):
    text = server.ask("/p/1/health").text
    assert "stale" in text
    assert "check: failure" in text
    assert server.ask("/p/1/health?part=1").text.count("<html") == 0


def test_several_projects_are_side_by_side_and_one_that_is_broken_harms_none(shown, project):
    prepare(project)
    (project.root / "pipekit.toml").write_text("[pipeline]\nstages = 5\n")
    with dashboard(shown, "-C", str(shown.root), "-C", str(project.root)) as server:
        text = server.ask("/").text
        assert text.count('data-verdict="project"') == 2
        assert "STALE" in text
        assert "pipeline.stages" in text
        assert server.ask("/p/2/runs").status == 200
        (project.root / ".pipekit").mkdir()
        (project.root / ".pipekit/state.db").write_text("this is no database at all, but text")
        assert server.ask("/p/1/runs/121").status == 200
        assert server.ask("/").status == 200


PAGE = """
import os
from pipekit.pages import Chart, Page, Table, Text

def page(project):
    print("noise on stdout")
    if (project.root / "dies").exists():
        os._exit(9)
    if (project.root / "raises").exists():
        raise ValueError("no <data>")
    rows = [(each.path, each.run) for each in project.files("load")]
    curve = Chart(title="Rows", x=["Jan", "Feb", "Mar"], curves={"ES": [1.0, float("nan"), 3.0]})
    return Page(title="Counts", blocks=[Text(text="<b>bold</b>"), curve,
                Table(title="Files", head=("file", "run"), rows=rows)])
"""


def test_a_strangers_page_is_made_in_a_process_of_its_own(shown, project_in, tmp_path):
    made = project_in(tmp_path)
    prepare(made)
    made.plugin("counts", PAGE, group="pipekit.pages")
    info = made.site / "counts-0.1.dist-info/entry_points.txt"
    info.write_text("[pipekit.pages]\ncounts = counts_plugin:page\n")
    ask_for(made, load="ok")
    made.pipekit("run")
    with dashboard(made) as server:
        assert '<a href="/p/1/pages/counts"' in server.ask("/p/1/pages/counts").text
        text = server.ask("/p/1/part/page?name=counts").text
        assert "data/raw/ES.csv" in text
        assert "&lt;b&gt;bold" in text
        assert "noise" not in text
        assert '<polyline class="curve c0" points="70.0,' in text
        made.write("raises", "")
        assert "ValueError: no &lt;data&gt;" in server.ask("/p/1/part/page?name=counts").text
        made.write("dies", "")
        assert "ended with exit code 9" in server.ask("/p/1/part/page?name=counts").text
        assert server.ask("/").status == 200


# --- live ---------------------------------------------------------------------------------------


@pytest.fixture
def running(project, eventually):
    """A project with a run that goes on, slowly."""
    prepare(project)
    ask_for(project, load="slow\n0.15\n" + "\n".join(f"U{n:02}" for n in range(300)))
    run = project.start("run")
    journals = project.root / "logs/events"
    try:
        eventually(lambda: journals.is_dir() and "unit_start" in _all(journals), 60)
        yield project, run
    finally:
        if run.poll() is None:
            project.pipekit("stop", "--now")
        run.communicate()


def _all(folder) -> str:
    return "".join(path.read_text() for path in folder.glob("*.jsonl"))


def test_the_grid_follows_a_run_from_its_units_to_its_end(running):
    project, _ = running
    with dashboard(project) as server, server.stream("/stream") as stream:
        seen = []
        stopped = None
        for event, data, _ in stream:
            assert event == "part"
            seen.append(data["id"])
            if data["id"] == "p1-now" and "load</strong> › <strong>work" in data["html"]:
                assert re.search(r'<progress max="4" value="\d"', data["html"])
                if stopped is None:
                    stopped = project.start("stop")
            if data["id"] == "p1-now" and "cancelled" in data["html"]:
                break
        stopped.communicate()
    assert {"p1-verdict", "p1-now", "p1-facts", "p1-runs"} <= set(seen)


def test_the_page_of_a_run_follows_it_and_says_when_it_is_over(running):
    project, run = running
    with dashboard(project) as server, server.stream("/p/1/runs/1/stream") as stream:
        parts, asked = {}, False
        for event, data, _ in stream:
            if event == "end":
                break
            parts[data["id"]] = data["html"]
            if not asked and "U01" in parts.get("run-timeline", ""):
                project.pipekit("stop")
                asked = True
        assert 'class="running"' not in parts["run-timeline"]
        assert "cancelled" in parts["run-head"]
        assert "stopped: the run was cancelled" in parts["run-stages"]
        assert run.wait(60) == 143


def test_the_log_resumes_exactly_where_it_was_left(running):
    project, _ = running
    with dashboard(project) as server:
        path = "/p/1/runs/1/log/stream?of=events"
        lines, last = [], ""
        for _ in range(3):  # a connection that breaks, again and again
            given = {"Last_Event_ID": last} if last else {}
            with server.stream(path, **given) as stream:
                event, data, last = next(iter(stream))
                assert event == "lines"
                lines += re.findall(r"<li.*?</li>", data["html"], re.DOTALL)
            time.sleep(0.5)
        (journal,) = (project.root / "logs/events").glob("*.jsonl")
        run_id, _, offset = last.rpartition(":")
        before = journal.read_bytes()[: int(offset)]
        assert before.endswith(b"\n")
        assert before.count(b"\n") == len(lines)
        assert run_id in journal.name
        with server.stream(path, Last_Event_ID=f"other:{offset}") as stream:
            _, data, _ = next(iter(stream))
            assert "pipeline" in data["html"]  # another run's id: from the beginning


def test_output_is_followed_and_a_file_that_was_replaced_begins_anew(running):
    project, _ = running
    path = "/p/1/runs/1/log/stream?of=load/work.out"
    with dashboard(project) as server, server.stream(path) as stream:
        found = iter(stream)
        assert "U00: step 1 of 4" in next(found)[1]["html"]
        (spool,) = project.root.glob("logs/runs/*/load/work.out")
        other = spool.with_name("other")
        other.write_text("quite another file\n")
        other.replace(spool)
        while next(found)[0] != "restart":
            pass
        assert "quite another file" in next(found)[1]["html"]


@pytest.mark.posix("signals")
def test_a_run_that_is_killed_is_said_to_have_died(running):
    project, run = running
    with dashboard(project) as server, server.stream("/p/1/runs/1/stream") as stream:
        head = ""
        for event, data, _ in stream:
            if event == "end":
                break
            if data["id"] == "run-head":
                head = data["html"]
                with contextlib.suppress(ProcessLookupError):
                    os.kill(run.pid, signal.SIGKILL)
        assert "died" in head
        assert "the next run writes it" in head


def test_it_stops_at_once_with_open_streams(running):
    project, _ = running
    with dashboard(project) as server, contextlib.ExitStack() as stack:
        paths = ("/stream", "/p/1/runs/1/stream", "/p/1/runs/1/log/stream")
        streams = [stack.enter_context(server.stream(path)) for path in paths]
        for stream in streams:
            next(iter(stream))
        assert server.stop() == 0
        for stream in streams:
            assert list(stream) is not None  # each has its end: none was cut off (IncompleteRead)


def test_looking_leaves_no_trace_in_the_project(shown):
    """But the file with the address, and that only while it runs."""
    before = _tree(shown.root)
    with dashboard(shown) as server:
        for path in ("/", "/p/1/runs/121", "/p/1/files", "/p/1/part/settings", "/p/1/health"):
            assert server.ask(path).status == 200
    assert _tree(shown.root) == before


def _tree(root) -> dict[str, int]:
    names = (
        path for path in root.rglob("*") if path.is_file() and path.suffix not in ("", ".db-shm")
    )
    return {str(p): p.stat().st_mtime_ns for p in names if not p.name.endswith(("-shm", "-wal"))}


# --- pages as files -----------------------------------------------------------------------------


def test_show_html_writes_the_page_of_a_run_as_one_file(shown, tmp_path):
    file = tmp_path / "run.html"
    done = shown.pipekit("show", "122", "--html", str(file))
    assert (done.code, "open it in a browser" in done.err) == (0, True)
    text = file.read_text("utf-8")
    assert "ValueError: line 1371" in text
    assert "<script" not in text
    assert re.findall(r'(?:src|href)="(?!#)[^"]*"', text) == []
    assert "<style>" in text


def test_without_pipekit_html_a_sentence_says_what_to_install(shown, tmp_path):
    code = (
        "import pipekit.plugins.entrypoints as e, sys\n"
        "real = e.entry_points\n"
        "e.entry_points = lambda group, path=None: [] if group == 'pipekit.html' else real(group)\n"
        "sys.argv = ['pipekit', 'show', '--html', 'x.html']\n"
        "from pipekit.__main__ import main\n"
        "sys.exit(main())\n"
    )
    done = shown.run_python(code)
    assert done.code == 3
    assert "--html needs pipekit-html" in done.err
    assert not (shown.root / "x.html").exists()


def test_the_help_imports_no_server(project):
    code = (
        "import sys\nfrom pipekit.cli.main import run_command_line\n"
        "run_command_line(['dashboard', '--help'])\n"
        "print([each for each in ('uvicorn', 'starlette', 'jinja2') if each in sys.modules])\n"
    )
    assert project.run_python(code).out.splitlines()[-1] == "[]"
