"""What the pages print is done as a reader would do it: scripts run, tutorials are followed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from ...pages import docs, rows

WRITTEN = (
    "tutorial/write-a-stage.md",
    "how-to/write-a-fetching-stage.md",
    "how-to/write-an-event-sink.md",
    "how-to/write-a-lifecycle-policy.md",
)
_CHANGING = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d+\.\d s\b")


# --- blocks -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("page", "stdin"),
    [("explanation/supervision.md", ""), ("reference/worker.md", '{"instruments": ["ES"]}')],
)
def test_a_block_marked_as_a_script_runs(tmp_path, page, stdin):
    (tmp_path / "data/out").mkdir(parents=True)
    (tmp_path / "data/out/ES.parquet").touch()
    for block in docs(page).blocks("python"):
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", block.text],
            input=stdin,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert not done.stderr


def test_the_stage_of_the_hooks_page_consumes_its_files(project):
    block = docs("reference/hooks.md").blocks("python")[0]
    project.plugin("count", block.text)
    project.config('[pipeline]\nstages = ["count"]\n')
    project.write("data/in/a.txt", "one\ntwo\n")
    assert project.pipekit("run").code == 0
    assert project.pipekit("logs", "1", "count").out == "data/in/a.txt 2\n"
    assert "idle" in project.pipekit("run").out


@pytest.mark.parametrize("name", WRITTEN)
def test_a_plugin_on_a_page_keeps_its_contract(tmp_path, name):
    docs(name).unpack(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


# --- tutorials, followed ------------------------------------------------------------------------


class Reader:
    """Does what a page says, in a folder, as a person with a shell would."""

    def __init__(self, project, tmp_path: Path) -> None:
        bin = tmp_path / "bin"
        bin.mkdir()
        command = bin / "pipekit"
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pipekit "$@"\n')
        command.chmod(0o755)
        self.env = {**project.env, "PATH": f"{bin}{os.pathsep}{project.env['PATH']}"}
        self.here = project.root
        self.said = ""
        self.codes: list[tuple[str, int]] = []

    def follow(self, console: str) -> None:
        for line in console.splitlines():
            if line.startswith("$ cd "):
                self.here = Path(os.path.normpath(self.here / line[5:]))
            elif line.startswith("$ "):
                self._do(line[2:])
            else:
                self.heard(line)

    def _do(self, line: str) -> None:
        done = subprocess.run(
            line,
            shell=True,
            cwd=self.here,
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        self.codes.append((line, done.returncode))
        self.said += _CHANGING.sub("…", done.stdout + done.stderr)

    def heard(self, text: str) -> None:
        """Every line was printed, whatever the run's id and its times."""
        for line in text.splitlines():
            assert _CHANGING.sub("…", line) in self.said, line

    def code(self, line: str, number: int = 0) -> int:
        return [code for said, code in self.codes if said == line][number]


def assert_documented(journals: Path) -> None:
    """Every event of these journals has its row, below its stage's heading."""
    page = docs("reference/events.md")
    for journal in journals.iterdir():
        for line in journal.read_text("utf-8").splitlines():
            event = json.loads(line)
            own = event["stage"] in ("pipeline", "lifecycle", "sink", "plugin")
            section = page.section(f"`{event['stage']}`" if own else "A stage")
            assert event["event"] in [row[0] for row in rows(section)], line


@pytest.fixture
def reader(project, tmp_path) -> Reader:
    if os.name == "nt":
        pytest.skip("the pages are written for a POSIX shell")
    return Reader(project, tmp_path)


def test_the_first_run_goes_as_the_tutorial_says(reader):
    for block in docs("tutorial/first-run.md").blocks():
        if block.language == "console":
            reader.follow(block.text)
        else:
            reader.heard(block.text)
    codes = [code for line, code in reader.codes if line == "pipekit run"]
    assert codes == [0, 1, 0]
    others = {line: code for line, code in reader.codes if line != "pipekit run" and code}
    assert not others
    assert_documented(reader.here / "logs/events")


def test_the_stage_of_the_tutorial_is_installed_and_runs_as_it_says(reader, project):
    page = docs("tutorial/write-a-stage.md")
    page.unpack(project.site)
    metadata = tomllib.loads(page.files()["pyproject.toml"])["project"]
    info = project.site / f"{metadata['name'].replace('-', '_')}-{metadata['version']}.dist-info"
    info.mkdir()  # what an installer makes of pyproject.toml
    (group,) = metadata["entry-points"].items()
    points = "\n".join(f"{name} = {value}" for name, value in group[1].items())
    (info / "entry_points.txt").write_text(f"[{group[0]}]\n{points}\n")
    (config,) = [block.text for block in page.blocks("toml") if block.mark is None]
    project.config(config)
    for block in page.blocks("console"):
        reader.follow(re.sub(r"\$ python3 -m uv pip install .*\n", "", block.text))
    assert [code for line, code in reader.codes if line == "pipekit run"] == [0, 0, 1]
    assert re.search(r"stage +lines", reader.said)
    assert "idle       run 2" in reader.said
    assert (project.root / "data/out/c.txt.lines").read_text() == "1\n"
    assert "IsADirectoryError" in reader.said
    assert_documented(project.root / "logs/events")


def test_the_unknown_instrument_of_the_demo_is_added_as_the_page_says(reader, project):
    reader.follow("$ pipekit demo\n$ cd pipekit-demo")
    file = reader.here / "pipekit.toml"
    page = docs("how-to/add-an-instrument.md")
    listed, parameters = page.blocks("toml")[0].text.split("\n\n")
    old = '#instruments = ["ES", "NQ", "CL", "GC"]'
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, listed.splitlines()[1]) + "\n" + parameters, "utf-8")
    reader.follow(page.blocks("console")[0].text)
    assert reader.code("pipekit config check") == 0
    assert reader.code("pipekit run") == 0
    assert (reader.here / "data/processed/XX/1m").is_dir()
    assert list((reader.here / "data/analyzer_runs").glob("*/XX.parquet"))


def test_the_sweep_of_the_page_gives_the_variants_that_it_names(reader):
    reader.follow("$ pipekit demo\n$ cd pipekit-demo")
    page = docs("how-to/sweep-targets-and-stops.md")
    file = reader.here / "pipekit.toml"
    file.write_text(f"{file.read_text('utf-8')}\n{page.blocks('toml')[0].text}", "utf-8")
    reader.follow(page.blocks("console")[0].text)
    assert [code for _, code in reader.codes[1:]] == [0, 0]
    reader.follow("$ pipekit results --csv")
    shown = {line.partition(",")[0] for line in reader.said.splitlines()}
    names = {f"x{target}-{rule}" for target in ("0.5", "1.5") for rule in ("range", "boundary")}
    assert {"default"} | names <= shown
    assert all(f"`{name}`" in page.text for name in names)


def test_the_sink_of_the_page_runs_beside_the_console(project):
    page = docs("how-to/write-an-event-sink.md")
    project.plugin("alarm", page.files()["pipekit_alarm.py"])
    lines = docs("tutorial/write-a-stage.md").files()["pipekit_lines.py"]
    project.plugin("lines", lines.replace('"pipekit_lines"', '"lines_plugin"'))
    project.config(next(b.text for b in page.blocks("toml")))
    project.write("data/out/a.txt.lines/in-the-way", "")
    project.write("data/in/a.txt", "one\n")
    assert project.pipekit("run").code == 2
    written = (project.root / "logs/went-wrong.txt").read_text("utf-8").splitlines()
    assert [line.split()[1] for line in written] == ["lines", "pipeline"]


def test_the_command_of_the_page_is_listed_and_adds_up(reader, project):
    page = docs("how-to/write-a-command.md")
    page.unpack(project.site)
    lines = docs("tutorial/write-a-stage.md").files()["pipekit_lines.py"]
    project.plugin("lines", lines.replace('"pipekit_lines"', '"lines_plugin"'))
    points = tomllib.loads(page.blocks("toml")[0].text)["project"]["entry-points"]
    declared = "".join(
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in of.items())
        for group, of in points.items()
    )
    info = project.site / "pipekit_total-0.1.dist-info"
    info.mkdir()
    (info / "entry_points.txt").write_text(declared)
    project.config('[pipeline]\nstages = ["lines"]\n')
    assert project.pipekit("total").code == 1
    project.write("data/in/a.txt", "one\ntwo\n")
    project.write("data/in/b.txt", "three\n")
    assert project.pipekit("run").code == 0
    (console,) = page.blocks("console")
    reader.follow(console.text)
    assert set(dict(reader.codes).values()) == {0}
    assert re.search(r"total +from pipekit-total", reader.said)
    assert re.search(r"^total +3$", reader.said, re.MULTILINE)
    assert "the lines of each file" in reader.said


def test_the_results_of_the_demo_are_shown_as_the_page_says(reader):
    reader.follow("$ pipekit demo\n$ cd pipekit-demo")
    for block in docs("how-to/look-at-results.md").blocks("console"):
        reader.follow(block.text)
    bad = {line: code for line, code in reader.codes if line != "pipekit demo" and code}
    assert not bad
    assert (reader.here / "results.html").stat().st_size > 1_000_000
    assert len((reader.here / "sums.csv").read_text().splitlines()) > 20


def test_the_policy_of_the_page_proposes_what_it_says(project):
    page = docs("how-to/write-a-lifecycle-policy.md")
    project.plugin("keep_latest", page.files()["pipekit_keep_latest.py"])
    lines = docs("tutorial/write-a-stage.md").files()["pipekit_lines.py"]
    code = lines.replace('"pipekit_lines"', '"lines_plugin"').replace('"lines"', '"translator"')
    project.plugin("lines", code.replace("data/in", "data/raw"))
    project.config(
        '[pipeline]\nstages = ["translator"]\n[plugins]\ndeny = ["pipekit-translator"]\n'
        "[lifecycle.keep_latest]\nkeep = 1\n"
    )
    for name in ("a", "b"):
        project.write(f"data/raw/{name}.txt", "one\n")
    assert project.pipekit("run").code == 0
    listed = project.pipekit("lifecycle", "plan")
    assert listed.out.count("delete") == 1, listed
    assert "consumed, and not among the newest 1" in listed.out
    assert len(list((project.root / "data/raw").iterdir())) == 2


def test_three_cron_scripts_are_taken_over_as_the_page_says(reader, project):
    page = docs("how-to/take-over-cron-scripts.md")
    (project.root / "scripts").mkdir()
    page.unpack(project.root)
    for block in page.blocks("console"):
        reader.follow(block.text)
    assert {code for _, code in reader.codes} == {0}
    assert (project.root / "data/report.tsv").read_text().startswith("2024-03-01\tES\t")
    assert "made of" in reader.said or "came of it:" in reader.said
    (report,) = [s for s in project.report()["stages"] if s["stage"] == "convert"]
    assert len(report["tasks"]) == 2  # forced


def test_a_second_strategy_runs_beside_the_first_as_the_page_says(reader):
    reader.follow("$ pipekit demo\n$ cd pipekit-demo")
    page = docs("how-to/run-a-second-strategy.md")
    stages, tables = (block.text for block in page.blocks("toml"))
    file = reader.here / "pipekit.toml"
    text = re.sub(r"^stages = .*\n", stages, file.read_text("utf-8"), flags=re.MULTILINE)
    file.write_text(f"{text}\n{tables}", "utf-8")
    reader.follow("$ pipekit config check")
    reader.follow(page.blocks("console")[0].text)
    assert [code for _, code in reader.codes[1:]] == [0, 0, 0]
    reader.follow("$ pipekit results --csv a.csv\n$ pipekit results --stage merger_tight --csv b.csv")
    first, second = ((reader.here / f"{name}.csv").read_text() for name in "ab")
    assert first != second
    assert first.splitlines()[0] == second.splitlines()[0]
    reader.follow("$ pipekit run")
    assert "idle" in reader.said


def test_the_fetching_stage_of_the_page_gets_each_file_once(reader, project):
    page = docs("how-to/write-a-fetching-stage.md")
    code = page.files()["pipekit_fetch.py"].replace('"pipekit_fetch"', '"fetch_plugin"')
    project.plugin("fetch", code)
    (config,) = [block.text for block in page.blocks("toml")]
    project.config(config)
    reader.follow(page.blocks("console")[0].text)
    assert {code for _, code in reader.codes} == {0}
    assert "fetch: 1 written" in reader.said
    (task,) = project.report()["stages"][0]["tasks"]
    assert task["state"] == {"last": "2024-03-04.csv"}
    wrote = [file["path"] for file in task["files"] if file["verb"] == "wrote"]
    assert wrote == ["data/raw/2024-03-04.csv"]
    reader.follow("$ pipekit run --force")
    wrote = project.report()["stages"][0]["tasks"][0]["files"]
    assert len(wrote) == 2


def test_the_quickstart_goes_as_it_says(reader):
    page = docs("tutorial/quickstart.md")
    files = page.files()
    for block in page.blocks("console"):
        reader.follow(block.text)
        if "cd bars" in block.text:
            (reader.here / "pipekit.toml").write_text(files["pipekit.toml"], "utf-8")
            (reader.here / "data/raw/ES_minute.csv").write_text(files["ES_minute.csv"], "utf-8")
            settled = (reader.here / "data/raw/ES_minute.csv").stat().st_ctime + 2
            while time.time() < settled:
                time.sleep(0.1)
    assert {code for _, code in reader.codes} == {0}
    assert list((reader.here / "data/processed/ES/1m/2024").iterdir())


def test_a_hang_is_noticed_as_the_page_says(reader, project):
    page = docs("how-to/debug-a-hang.md")
    page.unpack(project.root)
    first, second = (block.text for block in page.blocks("console"))
    reader.follow(second)
    assert reader.code("pipekit run") == 2
    assert "it hung" in reader.said
    assert re.search(r"sleeping in \w+, \d\.\d s of CPU: sleep 60|sleeping in .*sleep", reader.said)
    reader.follow(first)
    assert {code for _, code in reader.codes[1:]} == {0}


def test_the_commands_for_a_backfill_and_an_upgrade_work(reader):
    reader.follow("$ pipekit demo\n$ cd pipekit-demo")
    *_, quietly = docs("how-to/backfill.md").blocks("console")  # the others are on other pages
    for block in (quietly, *docs("how-to/upgrade.md").blocks("console")):
        reader.follow(block.text)
    assert {code for _, code in reader.codes} == {0}


def test_the_commands_of_the_installation_page_work(reader):
    for page in ("how-to/install.md", "how-to/take-over-a-crontab.md"):
        for block in docs(page).blocks("console"):
            reader.follow(block.text)
    assert {code for _, code in reader.codes} == {0}
    assert "to install a plugin: " in reader.said
