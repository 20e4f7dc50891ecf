"""Pages are fresh, whole and linked; what is printed on them loads and runs."""

from __future__ import annotations

import importlib.util
import inspect
import json
import re
import shutil
import tomllib
from pathlib import Path

import pytest

import pipekit
from pipekit import hookspecs
from pipekit.config import load
from pipekit.testing import EXAMPLES, plan, propose

from ...pages import ROOT, all_pages, docs

CONFIGURED = (
    "how-to/configure-sources.md",
    "how-to/add-an-instrument.md",
    "how-to/sweep-targets-and-stops.md",
    "how-to/run-from-the-scheduler.md",
    "how-to/write-a-lifecycle-policy.md",
    "explanation/lifecycle.md",
)
EXECUTED_ELSEWHERE = (  # the hooks' docstrings, tests/e2e/docs, tests/e2e/remote
    *("hooks.md", "supervision.md"),
    "write-an-executor.md",
)


# --- the generated page, links, decisions, changelog --------------------------------------------


@pytest.fixture
def generate(monkeypatch):
    """docs/generate.py."""
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs/generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_generated_pages_are_fresh(generate, capsys):
    for path, text in generate.pages().items():  # so that a failure shows what differs
        assert path.read_text("utf-8").splitlines() == text.splitlines(), path.name
    assert generate.main(["--check"]) == 0, capsys.readouterr().err


def test_a_stale_page_is_told_and_written(generate, monkeypatch, tmp_path, capsys):
    shutil.copytree(generate.REFERENCE, tmp_path / "reference")
    monkeypatch.setattr(generate, "REFERENCE", tmp_path / "reference")
    (tmp_path / "reference/commands.md").write_text("old")
    assert generate.main(["--check"]) == 1
    assert "commands.md is stale" in capsys.readouterr().err
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0


def test_every_command_has_its_section(generate):
    headings = docs("reference/commands.md").headings(2)
    listed = [context.command_path for context, _ in generate.commands()]
    assert headings == [f"`{path}`" for path in listed]
    assert {"pipekit run", "pipekit results", "pipekit config show"} <= set(listed)


def slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def anchors(file: Path) -> list[str]:
    return [slug(h) for h in re.findall(r"^#+ (.*)$", file.read_text("utf-8"), re.MULTILINE)]


def test_every_relative_link_leads_somewhere():
    lost = []
    for page in all_pages():
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


def test_every_page_can_be_reached_from_the_map():
    seen, ahead = set(), [ROOT / "docs/index.md"]
    pages = {page.path: page for page in all_pages()}
    while ahead:
        path = ahead.pop()
        if path in seen or path not in pages:
            continue
        seen.add(path)
        links = re.findall(r"\]\(([^)#\s]+\.md)", pages[path].prose)
        ahead += [(path.parent / link).resolve() for link in links if ":" not in link]
    unseen = {path for path in pages if (ROOT / "docs") in path.parents} - seen
    assert not unseen


def test_decisions_are_numbered_without_gaps_and_listed():
    paths = sorted((ROOT / "docs/decisions").glob("[0-9]*.md"))
    assert [path.name[:4] for path in paths] == [f"{n:04}" for n in range(1, len(paths) + 1)]
    index = docs("decisions/README.md").text
    for path in paths:
        page = docs(f"decisions/{path.name}")
        assert re.findall(r"^\*\*(.*?)\.\*\*", page.text, re.MULTILINE) == [
            *("Context", "Decision", "What it costs"),
        ]
        assert 10 <= len(page.text.splitlines()) <= 20, path.name
        number, _, title = page.headings(1)[0].partition(". ")
        assert f"| {number} | [{title}]({path.name}) |" in index


def test_the_changelog_begins_with_what_is_unreleased_and_has_this_version():
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    versions = re.findall(r"^## (\S+)", text, re.MULTILINE)
    assert versions[0] == "Unreleased"
    assert versions[1] == pipekit.__version__


# --- the examples of the hooks ------------------------------------------------------------------


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
    assert json.loads(made.tasks[0].command.stdin) == ["data/in/a.txt"]


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


def test_what_a_plugin_is_given_has_its_heading():
    """A plugin's author finds each class that pipekit passes to their functions."""
    headings = docs("reference/hooks.md").headings(3)
    for given in ("RunContext", "LifecycleView", "SinkContext", "Event"):
        assert given in headings
        assert hasattr(pipekit, given)


def test_what_a_plan_may_look_at_is_described():
    section = docs("reference/hooks.md").section("`pipekit_stages`")
    fields = {a.name for a in pipekit.RunContext.__attrs_attrs__} - {"view", "stage"}
    methods = {name for name in vars(pipekit.RunContext) if name.islower() and name[0] != "_"}
    missing = [name for name in sorted(fields | methods - {"view", "stage"})
               if f"`ctx.{name}" not in section]  # fmt: skip
    assert missing == []


# --- blocks -------------------------------------------------------------------------------------


def test_every_python_block_is_executed_by_a_test():
    loose = [
        f"{page.path.name}: {block.text.splitlines()[0]}"
        for page in all_pages()
        for block in page.blocks("python")
        if block.mark is None and page.path.name not in EXECUTED_ELSEWHERE
    ]
    assert loose == []


def test_a_proposal_to_archive_is_made_as_the_page_says():
    code = docs("how-to/write-a-lifecycle-policy.md").files()["archive.py"]
    exec(compile(code, "archive.py", "exec"), {})


@pytest.mark.parametrize("name", CONFIGURED)
def test_a_configuration_on_a_page_loads(tmp_path, name):
    settings = {}
    for stage in ("translator", "analyzer"):
        module = pytest.importorskip(f"pipekit_{stage}.plugin")
        (spec,) = module.pipekit_stages()
        settings[stage] = spec.settings
    for block in docs(name).blocks("toml"):
        if block.mark is not None:
            continue
        (tmp_path / "pipekit.toml").write_text(block.text, "utf-8")
        (tmp_path / "secrets.env").touch(mode=0o600)
        configuration = load(tmp_path, environ={})
        for stage in tomllib.loads(block.text).get("stages", {}):
            configuration.settings_for("stages", stage, settings[stage])
