"""What a run writes is for its owner's eyes, or its group's where the project says so."""

from __future__ import annotations

import os
import shutil
import stat

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes of POSIX systems")

STAGE = """
    import sys
    from pipekit import Command, StagePlan, StageSpec, Task, hookimpl

    CODE = '''
    import os
    from pipekit.worker import publish, report
    report.metric("n", 1)
    publish("data/out.txt", b"x")
    here = os.path.dirname(os.environ["PIPEKIT_REPORT"])
    os.mkdir(f"{here}/more")
    open(f"{here}/more/quality.json", "w").close()
    print("out")
    '''

    def plan(ctx, settings):
        code = "\\n".join(line.strip() for line in CODE.splitlines())
        return StagePlan(
            reason="always",
            tasks=[Task(name="t", command=Command(argv=[sys.executable, "-c", code]))],
        )

    @hookimpl
    def pipekit_stages():
        yield StageSpec("some", plan)
"""


@pytest.fixture
def run_with_umask(project):
    """Run the project's stage with a umask."""
    project.plugin("some", STAGE)

    def run(umask, more="", words=("run",), lead=()):
        project.config(f'[pipeline]\nstages = ["some"]\n{more}')
        return project.pipekit(*words, lead=lead, umask=umask)

    return run


def modes(root, *folders):
    """The modes of all files, and of all folders, below these."""
    found = [path for folder in folders for path in (root / folder).rglob("*")]
    status = [(root / folder).lstat() for folder in folders] + [path.lstat() for path in found]
    files = {oct(s.st_mode & 0o777) for s in status if stat.S_ISREG(s.st_mode)}
    return files, {oct(s.st_mode & 0o777) for s in status if stat.S_ISDIR(s.st_mode)}


def test_everything_a_run_writes_is_private_but_its_data(project, run_with_umask):
    done = run_with_umask(0o002)
    assert done.code == 0, done.err
    assert modes(project.root, "logs", ".pipekit") == ({"0o600"}, {"0o700"})
    assert oct((project.root / "data/out.txt").stat().st_mode & 0o777) == "0o664"


def test_a_shared_project_follows_the_umask_and_is_opened_and_closed(project, run_with_umask):
    run_with_umask(0o022)
    assert run_with_umask(0o002, "[paths]\nshared = true\n").code == 0
    assert modes(project.root, ".pipekit") == ({"0o664"}, {"0o775"})
    run_with_umask(0o002)
    assert modes(project.root, ".pipekit", "logs/runs") == (
        {"0o600", "0o664"},  # of the run before, in a folder that is closed
        {"0o700", "0o775"},
    )
    assert modes(project.root, ".pipekit") == ({"0o600"}, {"0o700"})


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0 or shutil.which("setpriv") is None,
    reason="needs root, to become a member of the group, and setpriv",
)
@pytest.mark.parametrize("shared", [True, False])
def test_a_colleague_of_the_group_may_run_a_shared_project_and_is_told_why_not_else(
    project, run_with_umask, shared
):
    """The colleague is user 0 without capabilities, so that permission bits count."""
    table = f"[paths]\nshared = {str(shared).lower()}\n"
    colleague = ["setpriv", "--regid", "5000", "--clear-groups", "--inh-caps=-all"]
    colleague.append("--bounding-set=-all")
    project.root.chmod(0o2775)
    assert run_with_umask(0o002, table).code == 0
    for path in (project.root, *project.root.rglob("*")):
        os.chown(path, 1234, 5000)
    answers = {
        command: run_with_umask(0o002, table, (command,), colleague)
        for command in ("status", "history", "plan", "show", "run")
    }
    for done in answers.values():
        if shared:
            assert done.code == 0, done.err
        else:
            assert done.code == 3
            assert "it belongs to user 1234" in done.err
            assert "`shared = true` in [paths]" in done.err
            assert len(done.err.splitlines()) == 1
