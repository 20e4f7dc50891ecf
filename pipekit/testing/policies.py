"""The contract of lifecycle policies, and proposals without a run."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import pytest
from attrs import frozen

from pipekit.model.file import FileStat
from pipekit.model.policy import ActionKind, FileAction
from pipekit.model.specs import LifecyclePolicy
from pipekit.storage.files import FileManager
from pipekit.testing.contract import Contract, check_settings, chosen, snapshot


@frozen(kw_only=True)
class MemoryLifecycleView:
    """A LifecycleView without a ledger: all content is consumed except `unconsumed`."""

    root: Path
    now: float
    unconsumed: Mapping[str, str]
    data_ages: Mapping[str, float]

    def files(self, *patterns: str) -> Sequence[FileStat]:
        """See LifecycleView.files."""
        return FileManager(self.root).files(patterns)

    def why_not_consumed(self, file: FileStat, chain: Sequence[str]) -> str | None:  # noqa: ARG002  # part of the protocol
        """See LifecycleView.why_not_consumed."""
        return self.unconsumed.get(file.path)

    def age(self, file: FileStat) -> float:
        """See LifecycleView.age."""
        return self.now - max(file.mtime_ns, file.ctime_ns) / 1e9

    def leave(self, file: FileStat, reason: str) -> None:
        """See LifecycleView.leave."""

    def data_age(self, file: FileStat) -> float | None:
        """See LifecycleView.data_age."""
        return self.data_ages.get(file.path)


def propose(
    policy: LifecyclePolicy,
    root: Path,
    settings: object | None = None,
    *,
    now: float | None = None,
    unconsumed: Mapping[str, str] | None = None,
    data_ages: Mapping[str, float] | None = None,
) -> list[FileAction]:
    """What the policy proposes for the project folder `root`.

    `now`: Unix time; set it to a later time to make files old. `unconsumed`: path → why its content
    is not consumed yet; all others are. `data_ages`: path → seconds, see LifecycleView.data_age.
    """
    view = MemoryLifecycleView(
        root=root,
        now=time.time() if now is None else now,
        unconsumed=unconsumed or {},
        data_ages=data_ages or {},
    )
    return list(policy.propose(view, chosen(policy.settings, settings)))


class PolicyContract(Contract):
    """The rules for all policies. Subclass it, and set `policy`.

    Override `prepare(root)`, so that there is something to propose, and `now` if the files need to
    be old.
    """

    policy: ClassVar[LifecyclePolicy]
    now: float | None = None

    def propose(self, root: Path) -> list[FileAction]:
        """What the policy proposes for a project folder."""
        return propose(self.policy, root, self.settings, now=self.now)

    def test_every_setting_has_help_and_a_default(self) -> None:
        """Every setting can be explained and omitted."""
        check_settings(self.policy.settings, self.settings)

    def test_nothing_is_proposed_for_an_empty_project(self, tmp_path: Path) -> None:
        """Without files, nothing is proposed and nothing fails."""
        assert self.propose(tmp_path) == []

    def test_a_prepared_project_has_something_to_propose(self, project: Path) -> None:
        """The policy proposes something for the project that `prepare` fills."""
        if not any(project.iterdir()):
            pytest.skip("prepare(root) is not overridden: there is nothing to propose")
        assert self.propose(project)

    def test_proposals_name_files_that_are_there_and_why(self, project: Path) -> None:
        """A proposal is a FileAction for a file, with a reason; an archive has a target."""
        for action in self.propose(project):
            assert isinstance(action, FileAction), f"yield FileAction objects, not {action!r}"
            assert not Path(action.path).is_absolute(), (
                f"a path is relative to the project's folder, as `file.path` is; change {action}"
            )
            assert (project / action.path).is_file(), (
                f"there is no such file in the project: propose those of view.files; not {action}"
            )
            assert action.reason.strip(), f"say why, FileAction(reason=...); change {action}"
            archive = action.kind is ActionKind.ARCHIVE
            assert bool(action.target) == archive, (
                f"an ARCHIVE needs `target`, the path to move the file to, and only an ARCHIVE has "
                f"one; change {action}"
            )

    def test_proposing_changes_no_file(self, project: Path) -> None:
        """A policy only proposes; pipekit acts."""
        before = snapshot(project)
        self.propose(project)
        assert snapshot(project) == before

    def test_proposals_are_the_same_twice(self, project: Path) -> None:
        """The same files, settings and time give the same proposals."""
        now = time.time() if self.now is None else self.now
        once, again = (propose(self.policy, project, self.settings, now=now) for _ in range(2))
        assert once == again
