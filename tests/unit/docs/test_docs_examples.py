"""What the pages print is done: examples run, configurations load, tutorials are followed."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import pipekit
from pipekit import hookspecs
from pipekit.config import load
from pipekit.testing import EXAMPLES, plan, propose

WRITTEN = (
    "tutorial/write-a-stage.md",
    "how-to/write-an-event-sink.md",
    "how-to/write-a-lifecycle-policy.md",
)
CONFIGURED = (
    "how-to/configure-sources.md",
    "how-to/add-an-instrument.md",
    "how-to/sweep-targets-and-stops.md",
    "how-to/run-from-the-scheduler.md",
    "explanation/lifecycle.md",
)
_CHANGING = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d+\.\d s\b")


# --- hooks ------------------------------------------------------------------------------------


def example(hook: str) -> list[object]:
    """The records that the example in a hook's docstring offers."""
    text = inspect.getdoc(getattr(hookspecs, hook))
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(code, hook, "exec"), names)
    return list(names[hook]())


def test_the_example_of_a_stage_plans(tmp_path):
    (spec,) = example("pipekit_stages")
    assert isinstance(spec, pipekit.StageSpec)
    assert not plan(spec, tmp_path)
    (tmp_path / "data/in").mkdir(parents=True)
    (tmp_path / "data/in/a.txt").write_text("one\n")
    made = plan(spec, tmp_path)
    assert made.tasks[0].command.argv == ("wc", "-l", "data/in/a.txt")


def test_the_example_of_a_policy_proposes(tmp_path):
    (policy,) = example("pipekit_lifecycle_policies")
    assert isinstance(policy, pipekit.LifecyclePolicy)
    (tmp_path / "data/scratch").mkdir(parents=True)
    file = tmp_path / "data/scratch/a"
    file.write_text("x")
    assert propose(policy, tmp_path) == []
    (action,) = propose(policy, tmp_path, now=file.stat().st_mtime + 100_000)
    assert action.path == "data/scratch/a"


def test_the_example_of_a_sink_receives(tmp_path):
    (sink,) = example("pipekit_event_sinks")
    assert isinstance(sink, pipekit.EventSink)
    context = pipekit.SinkContext(run_id="r", root=tmp_path, logs=tmp_path)
    with sink.open(context, None) as emit:
        for event in EXAMPLES:
            emit(event)
    assert len((tmp_path / "events.txt").read_text().splitlines()) == len(EXAMPLES)


# --- blocks -----------------------------------------------------------------------------------


def test_every_python_block_is_executed_by_a_test(all_pages):
    loose = [
        f"{page.path.name}: {block.text.splitlines()[0]}"
        for page in all_pages
        for block in page.blocks("python")
        if block.mark is None and page.path.name != "hooks.md"  # those are the docstrings'
    ]
    assert loose == []


@pytest.mark.parametrize(
    ("page", "stdin"),
    [("explanation/supervision.md", ""), ("reference/worker.md", '{"instruments": ["ES"]}')],
)
def test_a_block_marked_as_a_script_runs(docs, tmp_path, page, stdin):
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


def unpack(page, folder: Path) -> None:
    """Write the files of a page."""
    for name, text in page.files().items():
        (folder / name).write_text(text, "utf-8")


@pytest.mark.parametrize("name", WRITTEN)
def test_a_plugin_on_a_page_keeps_its_contract(docs, tmp_path, name):
    unpack(docs(name), tmp_path)
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


@pytest.mark.parametrize("name", [*CONFIGURED, "how-to/write-a-lifecycle-policy.md"])
def test_a_configuration_on_a_page_loads(docs, tmp_path, name):
    settings = {}
    for stage in ("translator", "analyzer"):
        module = pytest.importorskip(f"pipekit_{stage}.plugin")
        (spec,) = module.pipekit_stages()
        settings[stage] = spec.settings
    for block in docs(name).blocks("toml"):
        if block.mark is not None:
            continue
        (tmp_path / "pipekit.toml").write_text(block.text, "utf-8")
        configuration = load(tmp_path, environ={})
        for stage in tomllib.loads(block.text).get("stages", {}):
            configuration.settings_for("stages", stage, settings[stage])


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
                self.here = self.here / line[5:]
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


@pytest.fixture
def reader(project, tmp_path) -> Reader:
    if os.name == "nt":
        pytest.skip("the pages are written for a POSIX shell")
    return Reader(project, tmp_path)


def test_the_first_run_goes_as_the_tutorial_says(reader, docs):
    for block in docs("tutorial/first-run.md").blocks():
        if block.language == "console":
            reader.follow(block.text)
        else:
            reader.heard(block.text)
    codes = [code for line, code in reader.codes if line == "pipekit run"]
    assert codes == [0, 1, 0]
    others = {line: code for line, code in reader.codes if line != "pipekit run" and code}
    assert not others


def test_the_stage_of_the_tutorial_is_installed_and_runs_as_it_says(reader, project, docs):
    page = docs("tutorial/write-a-stage.md")
    unpack(page, project.site)
    metadata = tomllib.loads(page.files()["pyproject.toml"])["project"]
    info = project.site / f"{metadata['name'].replace('-', '_')}-{metadata['version']}.dist-info"
    info.mkdir()  # what an installer makes of pyproject.toml
    (group,) = metadata["entry-points"].items()
    points = "\n".join(f"{name} = {value}" for name, value in group[1].items())
    (info / "entry_points.txt").write_text(f"[{group[0]}]\n{points}\n")
    (config,) = [block.text for block in page.blocks("toml") if block.mark is None]
    project.config(config)
    for block in page.blocks("console"):
        reader.follow(block.text.replace("$ uv pip install --editable .\n", ""))
    assert [code for line, code in reader.codes if line == "pipekit run"] == [0, 0, 1]
    assert "stage   lines" in reader.said
    assert "idle       run 2" in reader.said
    assert (project.root / "data/out/c.txt.lines").read_text() == "1\n"
    assert "IsADirectoryError" in reader.said


def test_the_unknown_instrument_of_the_demo_is_added_as_the_page_says(reader, project, docs):
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


def test_the_sweep_of_the_page_gives_the_variants_that_it_names(reader, docs):
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


def test_the_sink_of_the_page_runs_beside_the_console(project, docs):
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


def test_the_command_of_the_page_is_listed_and_adds_up(reader, project, docs):
    page = docs("how-to/write-a-command.md")
    unpack(page, project.site)
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


def test_the_results_of_the_demo_are_shown_as_the_page_says(reader, docs):
    reader.follow("$ pipekit demo\n$ cd pipekit-demo")
    for block in docs("how-to/look-at-results.md").blocks("console"):
        reader.follow(block.text)
    bad = {line: code for line, code in reader.codes if line != "pipekit demo" and code}
    assert not bad
    assert (reader.here / "results.html").stat().st_size > 1_000_000
    assert len((reader.here / "sums.csv").read_text().splitlines()) > 20


def test_the_policy_of_the_page_proposes_what_it_says(project, docs):
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
    assert "consumed, and 1 newer files are there" in listed.out
    assert len(list((project.root / "data/raw").iterdir())) == 2
