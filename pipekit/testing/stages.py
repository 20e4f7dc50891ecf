"""The contract of stages, and plans without a run."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

import pytest
from attrs import frozen

from pipekit.model.command import Command
from pipekit.model.file import (
    Consumption,
    ContentState,
    FileStat,
    Input,
    Inspection,
    Pending,
    Published,
    Why,
)
from pipekit.model.run import Paths, RunContext
from pipekit.model.specs import StageSpec
from pipekit.model.stage import StagePlan
from pipekit.storage.files import FileManager
from pipekit.testing.contract import Contract, check_settings, chosen, snapshot

DATA_LIBRARIES = ("duckdb", "numpy", "pandas", "polars", "pyarrow")
_DIGEST = "the settings under test"
_PLAN_ELSEWHERE = f"""
import pickle, sys
pickle.load(sys.stdin.buffer)()
print(*[name for name in {DATA_LIBRARIES} if name in sys.modules])
"""


@frozen(kw_only=True)
class MemoryView:
    """A StageView without a ledger: everything is pending except `known`."""

    root: Path
    stage: str
    known: Mapping[str, Consumption]
    outputs: Mapping[str, tuple[Published, ...]]
    remembered: Mapping[str, Any]

    def state(self) -> Mapping[str, Any]:
        """See RunContext.state."""
        return self.remembered

    def files(self, patterns: tuple[str, ...]) -> list[FileStat]:
        """See RunContext.files."""
        return FileManager(self.root).files(patterns)

    def pending(
        self,
        files: Iterable[FileStat],
        settings: object | None,  # noqa: ARG002  # part of the protocol; all settings are the same here
        *,
        growing: bool,  # noqa: ARG002  # part of the protocol; all files are settled here
        force: bool,
    ) -> Pending:
        """See RunContext.pending."""
        inputs, rejected, known = [], [], 0
        for file in files:
            before = self.known.get(file.path)
            if before is None:
                inputs.append(Input(file, Why.NEW, _DIGEST))
            elif before.state is ContentState.PART:
                inputs.append(Input(file, Why.PART, before.settings_digest, before))
            elif before.state is ContentState.REJECTED:
                rejected.append(before)
            elif force:
                inputs.append(Input(file, Why.FORCED, before.settings_digest, before))
            else:
                known += 1
        return Pending(inputs=tuple(inputs), rejected=tuple(rejected), known=known)

    def consumed(
        self, noted: str = "", *, details: Mapping[str, str] | None = None
    ) -> Mapping[str, Consumption]:
        """See RunContext.consumed."""
        wanted = (details or {}).items()
        return {
            path: known
            for path, known in self.known.items()
            if (not noted or noted in known.detail) and wanted <= known.detail.items()
        }

    def details(self, keys: tuple[str, ...]) -> list[tuple[str, ...]]:
        """See RunContext.details."""
        found = {tuple(known.detail.get(key, "") for key in keys) for known in self.known.values()}
        return sorted(values for values in found if all(isinstance(v, str) and v for v in values))

    def published(self, stage: str) -> tuple[Published, ...]:
        """See RunContext.published."""
        return self.outputs.get(stage, ())

    def inspect(self, patterns: tuple[str, ...]) -> Inspection:
        """See RunContext.inspect; no file is read."""
        here = {file.path: file for file in self.files(patterns)}
        known = self.outputs.get(self.stage, ())
        gone = [each for each in known if here.pop(each.path, None) is None]
        return Inspection(
            missing=tuple(each for each in gone if each.present),
            removed=tuple(each for each in gone if not each.present),
            unknown=tuple(here.values()),
        )


def plan(
    spec: StageSpec,
    root: Path,
    settings: object | None = None,
    consumed: Iterable[str] | Mapping[str, Consumption] = (),
    *,
    published: Mapping[str, Iterable[Published]] | None = None,
    state: Mapping[str, Any] | None = None,
    **more: Any,
) -> StagePlan:
    """The stage's plan for the project folder `root`, as in a run.

    `settings`: default all defaults. `consumed`: paths (or Consumptions by path) that the stage has
    consumed before; all others are pending. `published`: stage → the files it has published.
    `state`: what its workers have remembered.
    `more`: fields of RunContext, for example `force=True`, `cores=4`.
    """
    if not isinstance(consumed, Mapping):
        common: dict[str, Any] = {"fingerprint": "", "settings_digest": _DIGEST, "version": ""}
        common["state"] = ContentState.CONSUMED
        consumed = {path: Consumption(path=path, run_number=1, **common) for path in consumed}
    outputs = {stage: tuple(files) for stage, files in (published or {}).items()}
    given: dict[str, Any] = {
        "run_id": "01900000-0000-7000-8000-000000000000",
        "started": 1_770_000_000.0,
        "cores": 2,
        **more,
    }
    view = MemoryView(
        root=root, stage=spec.name, known=consumed, outputs=outputs, remembered=state or {}
    )
    paths = Paths(root=root, data=root / "data", logs=root / "logs", state=root / ".pipekit")
    context = RunContext(stage=spec.name, paths=paths, view=view, **given)
    made = spec.plan(context, chosen(spec.settings, settings))
    assert isinstance(made, StagePlan), f"the plan is {made!r}: return a StagePlan"
    return made


class StageContract(Contract):
    """The rules for all stages. Subclass it, and set `spec`.

    Override `prepare(root)`, so that there is something to plan, and `settings` to test with other
    than the defaults. Set `needs_files` to False for a stage that always has work, such as one that
    fetches files from elsewhere.
    """

    spec: ClassVar[StageSpec]
    needs_files: ClassVar[bool] = True

    def plan(self, root: Path, **more: Any) -> StagePlan:
        """The stage's plan for a project folder."""
        return plan(self.spec, root, self.settings, **more)

    def test_every_setting_has_help_and_a_default(self) -> None:
        """Every setting can be explained and omitted."""
        check_settings(self.spec.settings, self.settings)

    def test_an_empty_project_is_skipped_with_a_reason(self, tmp_path: Path) -> None:
        """If there is nothing to do, the plan says why; it does not fail."""
        made = self.plan(tmp_path)
        names = [task.name for task in made.tasks]
        assert not names or not self.needs_files, (
            f"tasks in an empty project: {names}; return StagePlan.skip(reason) if there is "
            "nothing to do, or set `needs_files = False` for a stage that fetches from elsewhere"
        )
        assert made.reason.strip(), "the plan gives no reason: say why, StagePlan(reason=...)"

    def test_a_prepared_project_has_something_to_do(self, project: Path) -> None:
        """The stage has tasks in the project that `prepare` fills."""
        if not any(project.iterdir()):
            pytest.skip("prepare(root) is not overridden: there is nothing to plan")
        made = self.plan(project)
        assert made.tasks, f"nothing to do in the prepared project: {made.reason}"
        assert made.reason.strip(), "the plan gives no reason"

    def test_a_plan_is_a_value(self, project: Path) -> None:
        """The same files and settings give the same plan."""
        assert self.plan(project) == self.plan(project)

    def test_planning_changes_no_file(self, project: Path) -> None:
        """A plan writes nothing, so that `pipekit plan` is safe at any time."""
        before = snapshot(project)
        self.plan(project)
        assert snapshot(project) == before

    def test_what_is_consumed_is_not_planned_again(self, project: Path) -> None:
        """Inputs that were consumed are not inputs of the next plan."""
        consumed = [file.path for file in self.plan(project).inputs]
        again = self.plan(project, consumed=consumed)
        assert not {file.path for file in again.inputs} & set(consumed)

    def test_paths_are_relative_to_the_root(self, project: Path) -> None:
        """Paths in a plan are relative, with `/`, and stay below the project's folder."""
        made = self.plan(project)
        paths = [*made.holds, *(p for task in made.tasks for p in (*task.inputs, *task.outputs))]
        for path in paths:
            pure = PurePosixPath(path)
            assert not pure.is_absolute(), path
            assert ".." not in pure.parts, path
            assert "\\" not in path, path

    def test_planning_imports_no_data_library(self, project: Path) -> None:
        """A plan is made in every run, so it must be cheap; data libraries belong in the worker."""
        settings = chosen(self.spec.settings, self.settings)
        made = partial(plan, StageSpec(self.spec.name, self.spec.plan), project, settings)
        done = subprocess.run(
            [sys.executable, "-P", "-c", _PLAN_ELSEWHERE],
            input=pickle.dumps(made),
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        assert not done.stdout.split(), f"imported while planning: {done.stdout.decode()}"

    def test_its_check_is_a_command(self) -> None:
        """`check(settings)` returns a Command."""
        if self.spec.check is None:
            pytest.skip("the stage has no self-check")
        command = self.spec.check(chosen(self.spec.settings, self.settings))
        assert isinstance(command, Command)
