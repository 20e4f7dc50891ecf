"""Files go to the trash, to an archive, and back; what is not safe stays where it is."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing
from pathlib import Path

import pytest

from .copying import CONFIG, RAW
from .test_lifecycle import tree

APPLY = CONFIG.replace("[lifecycle]", '[lifecycle]\nmode = "apply"')
TRASH = ".pipekit-trash"


@pytest.fixture
def consumed(chain):
    """Three files that both stages have consumed."""
    for name in "abc":
        chain.write(f"data/raw/{name}", f"2024-01-01 {name}")
    assert chain.pipekit("run").code == 0
    return chain


def raw(project):
    return sorted(path.name for path in (project.root / "data/raw").iterdir())


def in_trash(project):
    trash = project.root / TRASH
    return sorted(str(p.relative_to(trash)) for p in trash.rglob("*") if p.is_file())


def lifecycle(project, *words):
    return project.pipekit("lifecycle", *words)


def told(project, *words):
    """The lifecycle events of a run: kind -> message."""
    events = project.pipekit("events", *words, "--json").out.splitlines()
    found = [json.loads(line) for line in events]
    return {e["event"]: e["msg"] for e in found if e["stage"] == "lifecycle"}


def test_apply_moves_files_to_the_trash_and_restore_puts_them_back(consumed):
    before = tree(consumed)
    done = lifecycle(consumed, "apply")
    assert done.code == 0
    assert "3 files (36 B) moved; to put them back: pipekit lifecycle restore 2" in done.out
    assert raw(consumed) == []
    assert len(in_trash(consumed)) == 4  # and the manifest
    assert "applied" in told(consumed, "2")
    assert "lifecycle: delete data/raw/b: done: consumed by" in consumed.pipekit("show", "2").out
    status = consumed.pipekit("status").out
    assert "trash: files of 1 run; `pipekit lifecycle restore` lists them" in status
    assert consumed.pipekit("status", "--json").json["trash"] == 1
    assert "run 2: 3 files, 36 B" in lifecycle(consumed, "restore").out
    back = lifecycle(consumed, "restore", "2")
    assert (back.code, back.out) == (0, "3 files (36 B) put back\n")
    assert tree(consumed) == before
    assert not (consumed.root / TRASH).exists()
    assert "trash" not in consumed.pipekit("status").out
    assert told(consumed, "3") == {"restored": "3 files (36 B) of run 2 restored from the trash"}


def test_restored_files_are_known_to_the_stages_and_stay_until_touched(consumed):
    lifecycle(consumed, "apply")
    lifecycle(consumed, "restore", "2")
    assert consumed.pipekit("run", "--json").json["status"] == "idle"
    plan = lifecycle(consumed, "plan")
    assert "all refused: it was restored, and not touched since" in plan.out
    os.utime(consumed.root / "data/raw/a")
    consumed.pipekit("run")
    assert [
        d["path"] for d in lifecycle(consumed, "plan", "--json").json if "refused" not in d
    ] == ["data/raw/a"]


def test_mode_apply_acts_at_the_end_of_a_run(consumed):
    consumed.config(APPLY + RAW)
    assert consumed.pipekit("run", "--json").json["status"] == "idle"
    assert raw(consumed) == []
    kinds = told(consumed)
    assert "3 files (36 B) moved to the trash; `pipekit lifecycle restore 2`" in kinds["applied"]
    assert all(d["applied"] for d in consumed.report()["lifecycle"])


def test_a_run_in_mode_report_says_that_it_changed_nothing(consumed):
    consumed.pipekit("run")
    assert "nothing was changed" in told(consumed)["proposed"]


def test_a_file_that_is_there_by_now_is_not_replaced(consumed):
    lifecycle(consumed, "apply")
    consumed.write("data/raw/a", "a later one")
    back = lifecycle(consumed, "restore", "2")
    assert back.code == 1
    assert "refused  data/raw/a: another file is at its path now" in back.out
    assert (consumed.root / "data/raw/a").read_text() == "a later one"
    assert raw(consumed) == ["a", "b", "c"]
    (consumed.root / "data/raw/a").unlink()
    assert lifecycle(consumed, "restore", "2").code == 0
    assert (consumed.root / "data/raw/a").read_text() == "2024-01-01 a"


def test_purge_deletes_what_a_run_has_moved(consumed):
    lifecycle(consumed, "apply")
    assert lifecycle(consumed, "purge").out == "nothing deleted\n"
    done = lifecycle(consumed, "purge", "2")
    assert (done.code, done.out) == (0, "3 files (36 B) deleted\n")
    assert not (consumed.root / TRASH).exists()
    assert raw(consumed) == []
    missing = lifecycle(consumed, "restore", "2")
    assert (missing.code, "is in the trash" in missing.err) == (64, True)


def age_runs(project, days):
    """All runs so far happened so many days earlier."""
    with closing(sqlite3.connect(project.root / ".pipekit/state.db")) as ledger, ledger:
        ledger.execute(
            "UPDATE runs SET started = started - ?1, dated = dated - ?1", (days * 86400,)
        )


def test_each_run_purges_what_is_due_once_five_runs_agree(consumed):
    lifecycle(consumed, "apply")
    age_runs(consumed, 31)
    for _ in range(4):
        consumed.pipekit("run")
        assert len(in_trash(consumed)) == 4
    consumed.pipekit("run")
    assert not (consumed.root / TRASH).exists()
    assert told(consumed)["purged"] == "3 files (36 B) of run 2 deleted from the trash for good"


def test_one_clock_that_is_a_year_ahead_neither_moves_nor_purges(chain):
    """Nor do four of them."""
    site = chain.root.parent / "clock"
    site.mkdir()
    (site / "sitecustomize.py").write_text(
        "import os, time\nright = time.time\n"
        "time.time = lambda: right() + 86400 * float(os.environ.get('AHEAD', 0))\n"
    )
    path = os.pathsep.join([str(site), chain.env["PYTHONPATH"]])
    chain.config(APPLY + RAW.replace("0s", "1d"))
    chain.write("data/raw/a", "2024-01-01")

    def run(ahead):
        done = chain.pipekit("run", env={"PYTHONPATH": path, "AHEAD": str(ahead)})
        assert done.code == 0, done
        return raw(chain)

    assert [run(365) for _ in range(4)] == [["a"]] * 4
    assert [run(0) for _ in range(5)] == [["a"]] * 5
    assert [run(365) for _ in range(4)] == [["a"]] * 4
    assert run(365) == []  # now five agree; it can be restored
    assert [bool(in_trash(chain)) for _ in range(4) if run(800) is not None] == [True] * 4


@pytest.mark.posix("hard links, and a writer that Windows would not let us rename")
def test_hard_links_links_and_files_with_a_writer_are_refused(consumed):
    root = consumed.root / "data/raw"
    os.link(root / "a", consumed.root / "twin")
    shutil.move(root / "b", consumed.root / "elsewhere")
    (root / "b").symlink_to(consumed.root / "elsewhere")
    consumed.pipekit("run")
    with open(root / "c", "a") as writer:
        done = lifecycle(consumed, "apply")
        writer.write("more")
    if sys.platform == "linux":
        assert (done.code, "c: refused: a program has it open for writing" in done.out) == (1, True)
        assert (root / "c").read_text() == "2024-01-01 cmore"
    assert "data/raw/a: refused: it has several names (hard links)" in done.out
    assert "data/raw/b: refused: it is a symbolic link, or below one" in done.out
    assert {"a", "b"} <= set(raw(consumed))


def test_why_nothing_may_go_is_one_line(consumed):
    consumed.config(CONFIG + RAW.replace("0s", "24h"))
    assert (
        lifecycle(consumed, "plan").out == "nothing may go: 3 files match, all younger than 24h\n"
    )
    assert lifecycle(consumed, "apply").out == lifecycle(consumed, "plan").out
    consumed.config(CONFIG + RAW)
    consumed.write("data/raw/d", "2024-01-01 bad")
    lifecycle(consumed, "apply")
    said = "nothing may go: 4 files match: 3 refused: stage 'two' was not planned, 1 not consumed"
    assert said in lifecycle(consumed, "plan").out
    consumed.config(CONFIG)
    assert "no policy is configured" in lifecycle(consumed, "plan").out


POLICY = """
from pipekit import ActionKind, FileAction, LifecyclePolicy, hookimpl

def propose(view, settings):
    for file in view.files("data/raw/*"):
        yield FileAction(ActionKind.ARCHIVE, file.path, "old", TARGET + "/" + file.path)

@hookimpl
def pipekit_lifecycle_policies():
    yield LifecyclePolicy("archive", propose)
"""


@pytest.fixture(params=["here", "another file system"])
def archive(consumed, request):
    """A policy archives all raw files to this folder."""
    if request.param == "here":
        folder = consumed.root / "old"
    else:
        shm = Path("/dev/shm")
        if not shm.is_dir() or shm.stat().st_dev == consumed.root.stat().st_dev:
            pytest.skip("there is no other file system")
        folder = shm / f"pipekit-test-{os.getpid()}-{consumed.root.parent.name}"
    consumed.plugin("archive", POLICY.replace("TARGET", repr(folder.as_posix())))
    consumed.config(CONFIG + "[lifecycle.archive]\n")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def test_an_archived_file_is_at_its_target_and_nowhere_else(consumed, archive):
    before = tree(consumed)
    done = lifecycle(consumed, "apply")
    assert done.code == 0, done
    assert (archive / "data/raw/b").read_text() == "2024-01-01 b"
    assert raw(consumed) == []
    assert [path.endswith(".json") for path in in_trash(consumed)] == [True]
    assert lifecycle(consumed, "restore", "2").code == 0
    assert tree(consumed) == before
    assert [path for path in archive.rglob("*") if path.is_file()] == []


def test_an_archive_replaces_no_file(consumed, archive):
    (archive / "data/raw").mkdir(parents=True)
    (archive / "data/raw/b").write_text("another one")
    done = lifecycle(consumed, "apply")
    assert done.code == 1
    assert "data/raw/b: refused: another file is at its target" in done.out
    assert raw(consumed) == ["b"]
    assert (archive / "data/raw/b").read_text() == "another one"


@pytest.fixture
def mounted(chain):
    """The folder data, a file system of its own."""
    folder = chain.root / "data"
    folder.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.posix("mount")
def test_a_root_on_another_file_system_has_a_trash_of_its_own(chain, mounted):
    """Its files are not copied: they are renamed there."""
    chain.write("data/raw/a", "2024-01-01")
    chain.pipekit("run")
    inode = (mounted / "raw/a").stat().st_ino
    assert lifecycle(chain, "apply").code == 0
    (moved,) = [path for path in (mounted / TRASH).rglob("*") if path.is_file()]
    assert moved.stat().st_ino == inode
    assert lifecycle(chain, "restore", "2").code == 0
    assert raw(chain) == ["a"]
    assert not (mounted / TRASH).exists()


def test_a_folder_named_after_a_run_goes_when_it_is_empty(chain):
    folder = "data/raw/01a2082d-e9f4-799b-8a82-a3aec3a82882"
    chain.plugin("one", textwrap.dedent(ONE_DEEP))
    chain.config(CONFIG.replace('["one", "two"]', '["one"]') + RAW.replace('"one", "two"', '"one"'))
    chain.write(f"{folder}/a", "2024-01-01")
    chain.write("data/raw/kept/a", "2024-01-01")
    assert chain.pipekit("run").code == 0
    assert lifecycle(chain, "apply").code == 0
    assert raw(chain) == ["kept"]
    assert lifecycle(chain, "restore", "2").code == 0
    assert (chain.root / folder / "a").read_text() == "2024-01-01"


ONE_DEEP = """
    import json, sys
    from pipekit import Command, StagePlan, StageSpec, Task, hookimpl

    WORKER = '''
    import json, sys
    from pipekit.worker import fingerprint, look, report
    for path in json.load(sys.stdin):
        report.consumed(path, fingerprint(path), look(path))
    '''

    def plan(ctx, settings):
        new = ctx.pending(ctx.files("data/raw/**"))
        if not new:
            return StagePlan.skip("none", new)
        paths = json.dumps([item.path for item in new]).encode()
        command = Command(argv=[sys.executable, "-c", WORKER.strip()], stdin=paths)
        return StagePlan(reason="new", inputs=new.inputs, tasks=[Task(name="t", command=command)])

    @hookimpl
    def pipekit_stages():
        yield StageSpec("one", plan)
"""


HOSTILE = """
import os
from pipekit import ActionKind, FileAction, LifecyclePolicy, hookimpl

OUTSIDE = ("data/../precious", "../precious", "precious", "data", "data/raw", "/etc/hostname",
           "data/raw/nothing", ".pipekit/state.db", "data/mid/../../precious")

def propose(view, settings):
    for path in OUTSIDE:
        yield FileAction(ActionKind.DELETE, path, "hostile")
    for file in view.files("data/raw/*"):
        yield FileAction(ActionKind.DELETE, file.path, "hostile")
    os.rename("data/raw/a", "was_a")
    os.symlink("../../precious", "data/raw/a")
    os.rename("was_a", "data/raw/b")

@hookimpl
def pipekit_lifecycle_policies():
    yield LifecyclePolicy("hostile", propose)
"""


@pytest.mark.posix("symbolic links")
def test_a_policy_that_names_what_is_outside_and_swaps_files_takes_nothing_of_it(consumed):
    """`..`, roots, absolute paths, links; and files that it swaps once it has named them."""
    consumed.write("precious", "mine")
    consumed.write("data/raw/b", "2024-01-01 b")
    consumed.pipekit("run")
    consumed.plugin("hostile", HOSTILE)
    consumed.config(CONFIG + "[lifecycle.hostile]\n")
    done = lifecycle(consumed, "apply", "--json")
    assert [d["path"] for d in done.json if "applied" in d] == ["data/raw/c"]
    assert len([d for d in done.json if d.get("refused")]) == 11
    assert (consumed.root / "precious").read_text() == "mine"
    assert (consumed.root / "data/raw/b").read_text() == "2024-01-01 a"
    assert (consumed.root / "data/raw/a").is_symlink()
    assert (consumed.root / ".pipekit/state.db").exists()


def test_what_a_killed_process_had_begun_is_told_when_it_is_finished(consumed):
    lifecycle(consumed, "apply")
    (manifest,) = (consumed.root / TRASH).glob("*.json")
    marked = manifest.rename(manifest.with_suffix(".restoring.json"))
    again = lifecycle(consumed, "restore", "2")
    assert (again.code, again.out) == (0, "nothing put back\n")
    assert "restoring of run 2 was broken off, and is finished now: 3 files" in again.err
    for name in "abc":
        os.utime(consumed.root / "data/raw" / name)
    consumed.pipekit("run")
    lifecycle(consumed, "apply")
    (manifest,) = (consumed.root / TRASH).glob("*.json")
    marked = manifest.rename(manifest.with_suffix(".restoring.json"))
    assert marked.exists()
    assert "restoring was broken off" in lifecycle(consumed, "restore").out
    run = consumed.pipekit("run", "--json")
    said = "restoring of run 5 was broken off, and is finished now: 3 files (36 B)"
    assert said in run.json["warnings"]
    assert raw(consumed) == ["a", "b", "c"]
    assert run.json["status"] == "idle"
