"""kill -9 and failing calls at every point where a file is moved to the trash, back, or deleted.

At any time each file is in its place, or whole in the trash (or the archive) with its manifest, and
what was made from it is there. The sample is part of each test run; the full set is for
`pytest tests/crash -m long`.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from .copy_plugin import ARCHIVED
from .lab import HERE, Lab, Rule
from .tracer import available

if reason := available():
    pytest.skip(reason, allow_module_level=True)

SEED = 12
CONFIG = '[pipeline]\nstages = ["copy"]\nquiet_seconds = 0\n'
RULES = '[[lifecycle.rules]]\nfiles = "data/raw/*"\nconsumed_by = ["copy"]\nmin_age = "0s"\n'
ARCHIVE = "[lifecycle.archive]\n"
FILES = {f"{name}.txt": f"{name} {'x' * 5000}\n".encode() for name in ("one", "two", "three")}
# As on another file system, where a file cannot be given a second name: it is copied.
ELSEWHERE = {
    "archive elsewhere": Rule(
        call="link", path=r"\.pipekit-trash/.*", action="EXDEV", lasting=True
    ),
    "fetch elsewhere": Rule(call="link", path="old/.*", action="EXDEV", lasting=True),
}
TOUCHED = r"\.pipekit-trash.*|data/raw.*|old.*|\.pipekit/\.?restored.*"


class TrashLab(Lab):
    """A project with three files that its only stage has consumed."""

    policy = RULES

    def _make(self) -> None:
        self.root.joinpath("data/raw").mkdir(parents=True)
        self.root.joinpath("pipekit.toml").write_text(CONFIG + self.policy)
        info = self.site / "copy-0.1.dist-info"
        info.mkdir(parents=True)
        info.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: copy\nVersion: 0.1\n")
        info.joinpath("entry_points.txt").write_text("[pipekit]\ncopy = copy_plugin\n")
        shutil.copy(HERE / "copy_plugin.py", self.site)
        self.put(FILES)

    def manifests(self) -> dict[str, dict[str, str]]:
        """By manifest, the paths of its files and where they are in the trash."""
        return {
            path.name: {
                file["path"]: file["place"] for file in json.loads(path.read_text())["files"]
            }
            for path in (self.root / ".pipekit-trash").glob("[!.]*.json")
        }

    def in_trash(self) -> list[Path]:
        """All files in the trash that are no manifests."""
        found = (self.root / ".pipekit-trash").glob("*/**/*")
        return [path for path in found if path.is_file() and path.suffix != ".tmp"]


class ArchiveLab(TrashLab):
    """The same, where a policy archives them."""

    policy = ARCHIVE


def check_safe(lab: TrashLab, *, purged: bool = False) -> None:
    """Each file is whole at its path, or in the trash with its manifest, or in the archive.

    `purged`: or nowhere.
    """
    places = list(lab.manifests().values())
    known = {place for files in places for place in files.values()}
    for name, content in FILES.items():
        path = f"data/raw/{name}"
        candidates = [path, *(files[path] for files in places if path in files)]
        candidates += [f"{ARCHIVED}/{name}"] * any(path in files for files in places)
        found = [lab.root / each for each in candidates if (lab.root / each).exists()]
        assert found or purged, f"{name} is nowhere; manifests: {places}"
        assert all(each.read_bytes() == content for each in found), f"{name} is not whole"
        assert (lab.root / "data/mid" / name).read_bytes() == content, "an output is gone"
    for each in lab.in_trash():
        assert str(each.relative_to(lab.root)) in known, f"{each} is in no manifest"


def check_at_rest(lab: TrashLab) -> None:
    """Nothing is unfinished, and no temporary file is left."""
    assert all("." not in name.removesuffix(".json") for name in lab.manifests())
    left = [path for path in lab.files() if path.endswith(".tmp")]
    assert not left, f"{left} was left"
    assert not lab.left_processes()


def check_all_back(lab: TrashLab) -> None:
    """Each file is at its path, known to the stage, and nowhere else."""
    check_at_rest(lab)
    assert lab.raw() == FILES
    assert not (lab.root / ".pipekit-trash").exists()
    assert not [*(lab.root / ARCHIVED).glob("*")]
    done = lab.pipekit("run", "--json")
    assert json.loads(done.stdout)["status"] == "idle", done.stdout


def restore_all(lab: TrashLab) -> None:
    """What all runs have moved."""
    for name in list(lab.manifests()):
        done = lab.pipekit("lifecycle", "restore", name.partition(".")[0])
        assert done.returncode == 0, done


def disturbed(lab: TrashLab, words: Sequence[str], rules: Sequence[Rule]) -> None:
    """The command, disturbed."""
    done = lab.traced(*rules, words=("lifecycle", *words))
    assert "Traceback" not in done.err, done.err
    check_safe(lab, purged=words[0] == "purge")


def finish_apply(lab: TrashLab) -> None:
    """The next `apply` does what is left; then all can be restored."""
    done = lab.pipekit("lifecycle", "apply")
    assert done.returncode == 0, done
    assert lab.raw() == {}, done
    check_safe(lab)
    check_at_rest(lab)
    restore_all(lab)
    check_all_back(lab)


def finish_restore(lab: TrashLab) -> None:
    """The next run, or the next `restore`, puts the rest back."""
    lab.pipekit("run")
    check_safe(lab)
    restore_all(lab)
    check_all_back(lab)


def finish_purge(lab: TrashLab) -> None:
    """The next run, or the next `purge`, deletes the rest."""
    lab.pipekit("run")
    check_safe(lab, purged=True)
    for name in list(lab.manifests()):
        done = lab.pipekit("lifecycle", "purge", name.partition(".")[0])
        assert done.returncode == 0, done
    check_at_rest(lab)
    assert not (lab.root / ".pipekit-trash").exists()
    assert lab.raw() == {}


CASES = {  # the lab, what was done before, the command, and how it is finished
    "apply": (TrashLab, (), ("apply",), finish_apply),
    "restore": (TrashLab, (("apply",),), ("restore", "2"), finish_restore),
    "purge": (TrashLab, (("apply",),), ("purge", "2"), finish_purge),
    "archive": (ArchiveLab, (), ("apply",), finish_apply),
    "fetch": (ArchiveLab, (("apply",),), ("restore", "2"), finish_restore),
    "archive elsewhere": (ArchiveLab, (), ("apply",), finish_apply),
    "fetch elsewhere": (ArchiveLab, (("apply",),), ("restore", "2"), finish_restore),
}


class Case:
    """Labs before the command of a case, and the points of that command."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.kind, self.before, self.words, self.finish = CASES[name]
        self.always = [ELSEWHERE[name]] if name in ELSEWHERE else []
        lab = self.prepared(folder)
        run = lab.traced(*self.always, words=("lifecycle", *self.words))
        assert run.code == 0, run.err
        check_safe(lab, purged=True)
        self.points = run.points
        rule = Rule(path=TOUCHED)  # files, the trash, and what restored files are known by
        self.touched = [n for n, point in enumerate(self.points) if rule.matches(point)]

    def prepared(self, folder: Path) -> TrashLab:
        """Not copied from another lab: what a stage has consumed is known by its inode."""
        lab = self.kind(folder)
        assert lab.pipekit("run").returncode == 0
        for words in self.before:
            assert lab.pipekit("lifecycle", *words).returncode == 0
        return lab

    def trial(self, folder: Path, rules: tuple[Rule, ...]) -> str:
        """Disturb a lab; returns what did not hold, or nothing."""
        lab = self.prepared(folder)
        try:
            disturbed(lab, self.words, [*rules, *self.always])
            self.finish(lab)
        except (AssertionError, OSError) as error:
            return f"{self.name}: {rules}: {error} ({folder})"
        shutil.rmtree(folder)
        return ""


@pytest.fixture(scope="module")
def case(request, tmp_path_factory) -> Case:
    return Case(request.param, tmp_path_factory.mktemp("case"))


def run_trials(
    case: Case, folder: Path, trials: Sequence[tuple[Rule, ...]], record_property
) -> None:
    """Two at a time; fails with all that did not hold."""
    record_property("trials", len(trials))
    with ThreadPoolExecutor(2) as pool:
        jobs = [(folder / str(number), rules) for number, rules in enumerate(trials)]
        found = [text for text in pool.map(lambda job: case.trial(*job), jobs) if text]
    if found:
        record_property("failed", len(found))
        pytest.fail(f"{len(found)} trials failed:\n" + "\n".join(found), pytrace=False)


every = [pytest.mark.long, pytest.mark.timeout(3600)]
each_case = pytest.mark.parametrize("case", CASES, indirect=True)
how_many = pytest.mark.parametrize(
    "all_points", [pytest.param(False, id="sample"), pytest.param(True, id="every", marks=every)]
)


@each_case
@how_many
def test_a_kill_at_a_point(case, tmp_path, record_property, all_points):
    """Of the process, and with it of its whole tree."""
    numbers = range(len(case.points)) if all_points else case.touched[2 :: len(case.touched) // 2]
    run_trials(case, tmp_path, [(Rule(number=number),) for number in numbers], record_property)


@each_case
@how_many
def test_a_call_that_fails(case, tmp_path, record_property, all_points):
    """Once, or from then on: an error of the disk, or a full one."""
    rule = Rule(path=TOUCHED)
    trials = [
        (rule._replace(number=number, action=error, lasting=lasting),)
        for number in range(len(case.touched))
        for error in ("EIO", "ENOSPC")
        for lasting in (False, True)
    ]
    if not all_points:
        trials = random.Random(f"{SEED} {case.name}").sample(trials, 2)
    run_trials(case, tmp_path, trials, record_property)
