"""When a file may go: when all of it was consumed, all that came of it too, and nobody wants it."""

from __future__ import annotations

import datetime as dt
import time
from types import SimpleNamespace

import pytest

from pipekit.builtins.rules import Rule, Rules, propose
from pipekit.config.problems import TableError
from pipekit.config.structure import structured
from pipekit.config.tables import LifecycleConfig
from pipekit.model.policy import ActionKind, FileAction
from pipekit.model.specs import LifecyclePolicy
from pipekit.model.stage import StagePlan
from pipekit.model.status import PipelineStatus
from pipekit.run.lifecycle.removal import Removal
from pipekit.run.lifecycle.review import Proposal, Review, review
from pipekit.run.lifecycle.view import LedgerLifecycleView
from pipekit.storage.trash import TRASH
from pipekit.storage.trash.restored import RestoredFiles

DAY = 86_400.0


@pytest.fixture
def view(files, ledger):
    """A view as a run in `days` from now has it."""

    def made(days=0.0):
        return LedgerLifecycleView(files, ledger, time.time() + days * DAY)

    return made


@pytest.fixture
def take(ledger, reported):
    """A stage's worker reports these files."""

    def commit(stage, *records):
        number = ledger.begin_run(f"run-{len(ledger.runs(limit=999))}", 0.0)
        ledger.commit(stage, "1", number, records, {}, "s")

    return commit


@pytest.fixture
def why_not(view, files):
    """Why the chain has not consumed a file."""
    return lambda path, *chain: view().why_not_consumed(files.stat(path), chain)


def act(path, kind=ActionKind.DELETE, **more):
    return FileAction(kind=kind, path=path, reason="because", **more)


@pytest.fixture
def decide(files, ledger):
    """The decisions on what policies propose, each given as a list of actions."""

    def decided(*proposals, held=(), problems=(), max_files=100, max_bytes=10**9, roots=("data",)):
        def policy(n, actions):
            return LifecyclePolicy(f"p{n}", lambda _view, _settings: iter(actions)), None

        limits = LifecycleConfig(roots=roots, max_files=max_files, max_bytes=max_bytes)
        project = SimpleNamespace(
            policies=[policy(n, actions) for n, actions in enumerate(proposals)],
            files=files,
            configuration=SimpleNamespace(lifecycle=limits),
            paths=SimpleNamespace(state=files.root / ".pipekit"),
        )
        plans = {"analyzer": StagePlan(reason="", holds=held)}
        found = review(project, ledger, plans, blockers=problems)
        return {p.action.path: p for p in found.proposals}, found.broken

    return decided


# --- the chain --------------------------------------------------------------------------------


def test_a_file_must_have_been_consumed_as_it_is(why_not, take, reported, put):
    put("raw")
    assert why_not("raw", "a") == "a has not consumed the current content of raw"
    take("a", reported("consumed", "raw"))
    assert why_not("raw", "a") is None
    put("raw", "changed since")
    assert why_not("raw", "a") == "a has not consumed the current content of raw"


def test_the_second_stage_must_have_consumed_every_output_that_came_of_it(
    why_not, take, reported, put
):
    put("raw")
    put("out1")
    put("out2")
    take("a", reported("consumed", "raw"))
    take(
        "a",
        reported("wrote", "out1", sources=("raw",)),
        reported("wrote", "out2", sources=("raw",)),
    )
    take("b", reported("consumed", "out1"))
    assert why_not("raw", "a") is None
    assert why_not("raw", "a", "b") == "b has not consumed the current content of out2"
    take("b", reported("consumed", "out2"))
    assert why_not("raw", "a", "b") is None


def test_an_output_that_was_made_anew_must_be_consumed_anew(why_not, take, reported, put):
    put("raw")
    put("out")
    take("a", reported("consumed", "raw"), reported("wrote", "out", sources=("raw",)))
    take("b", reported("consumed", "out"))
    assert why_not("raw", "a", "b") is None
    put("out", "a second version")
    take("a", reported("wrote", "out", sources=("other",)))
    assert why_not("raw", "a", "b") == "b has not consumed the current content of out"


@pytest.mark.parametrize(
    ("verb", "more", "said"),
    [
        ("consumed", {"complete": False}, "consumed part of it"),
        ("rejected", {"reason": "torn"}, "rejected it"),
        ("consumed", {"detail": {"quarantined": 2}}, "rows of raw were set aside"),
        ("consumed", {"detail": {"unread": 5}}, "the end of raw has not been read"),
    ],
)
def test_what_was_not_taken_in_whole_stays(why_not, take, reported, put, verb, more, said):
    put("raw")
    take("a", reported(verb, "raw", **more))
    assert said in why_not("raw", "a")


def test_a_lost_ledger_makes_nothing_deletable(why_not, put):
    put("raw")
    assert why_not("raw", "a") is not None


# --- ages ---------------------------------------------------------------------------------------


def test_the_age_counts_from_the_later_of_both_times(view, files, put):
    put("copy", age=30 * DAY)
    assert view().age(files.stat("copy")) < DAY
    assert view(days=3).age(files.stat("copy")) == pytest.approx(3 * DAY, abs=60)


def test_the_age_of_data_is_its_distance_from_the_newest_of_its_series(
    view, files, take, reported, put
):
    for path, series, last in (
        ("es1", "ES", "2024-01-31T00:00:00+00:00"),
        ("es2", "ES", "2024-03-01T00:00:00+00:00"),
        ("gc1", "GC", "2019-01-01T00:00:00+00:00"),
    ):
        take("a", reported("wrote", put(path), detail={"series": series, "last": last}))
    ages = {path: view().data_age(files.stat(path)) for path in ("es1", "es2", "gc1")}
    assert ages == {"es1": 30 * DAY, "es2": 0, "gc1": 0}


@pytest.mark.parametrize(
    "detail", [{}, {"series": "ES"}, {"series": "ES", "last": "soon"}, {"series": "ES", "last": 5}]
)
def test_where_a_publisher_told_no_times_the_age_of_data_is_unknown(
    view, files, take, reported, put, detail
):
    take("a", reported("wrote", put("x"), detail=detail))
    take("a", reported("wrote", put("y"), detail={"series": "ES", "last": "2024-01-01"}))
    assert view().data_age(files.stat("x")) is None
    assert view().data_age(files.stat("y")) == 0


# --- the built-in rules ---------------------------------------------------------------------------


def proposed(view, **rule):
    return [a.path for a in propose(view, Rules(rules=(Rule(files="data/**", **rule),)))]


def test_a_rule_proposes_what_was_consumed_and_is_old_enough(view, take, reported, put):
    put("data/done")
    put("data/pending")
    take("a", reported("consumed", "data/done"))
    assert proposed(view(days=2), consumed_by=("a",), min_age=DAY) == ["data/done"]
    assert proposed(view(), consumed_by=("a",), min_age=DAY) == []
    assert proposed(view(days=2), consumed_by=("a",), min_age=DAY, enabled=False) == []


def test_a_rule_by_data_takes_only_what_lies_behind_the_newest(view, take, reported, put):
    now = dt.datetime(2024, 6, 30, tzinfo=dt.UTC)
    for month in (4, 5, 6):
        path = put(f"data/2024-0{month}")
        last = now.replace(month=month).isoformat()
        take("a", reported("wrote", path, detail={"series": "ES", "last": last}))
        take("b", reported("consumed", path))
    assert proposed(view(), consumed_by=("b",), min_age=45 * DAY, age="data") == ["data/2024-04"]


def test_a_rule_whose_stage_does_not_exist_takes_nothing(view, take, reported, put):
    take("a", reported("consumed", put("data/x")))
    assert proposed(view(days=9), consumed_by=("translatr",), min_age=0) == []


def test_a_rule_without_a_stage_could_take_the_unprocessed_and_is_refused():
    with pytest.raises(ValueError, match="must name a stage"):
        Rule(files="data/**", consumed_by=())
    assert Rule(files="data/**", action=ActionKind.KEEP)


@pytest.mark.parametrize("wrong", [{"age": "fiel"}, {"min_age": -1.0}])
def test_a_rule_with_a_slip_is_refused(wrong):
    with pytest.raises(TableError, match="expected"):
        structured(Rule, {"files": "data/**", "consumed_by": ["a"], **wrong})


def test_a_rule_that_keeps_keeps_the_unconsumed_as_well(view, put):
    put("data/x")
    assert proposed(view(), action=ActionKind.KEEP, min_age=0) == ["data/x"]


# --- the guard ----------------------------------------------------------------------------------


def test_keep_beats_archive_beats_delete_in_whatever_order(decide, put):
    for name in ("a", "b", "c"):
        put(f"data/{name}")
    delete = [act(f"data/{n}") for n in "abc"]
    archive = [act(f"data/{n}", ActionKind.ARCHIVE, target="data/old") for n in "bc"]
    keep = [act("data/c", ActionKind.KEEP)]
    for order in ((delete, archive, keep), (keep, archive, delete), (archive, keep, delete)):
        found, _ = decide(*order)
        assert [found[f"data/{n}"].action.kind for n in "abc"] == ["delete", "archive", "keep"]


def test_what_a_stage_holds_or_has_pending_is_refused_with_that_reason(decide, put):
    put("data/a")
    found, _ = decide([act("data/a")], held=["data/a"])
    assert found["data/a"].refused == "analyzer will read it again"


@pytest.mark.parametrize(
    "path",
    ["other/a", "data", "data/", "data/../other/a", "../x", "/etc/passwd", "datax/a", "data/./a"],
)
def test_outside_of_the_roots_nothing_is_touched(decide, put, path):
    put("data/a")
    put("other/a")
    put("datax/a")
    found, _ = decide([act(path)])
    assert found[path].refused


def test_links_are_refused_and_what_is_reached_through_them(decide, put, files, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a").write_text("x")
    put("data/real")
    (files.root / "data/link").symlink_to(files.root / "data/real")
    (files.root / "data/folder").symlink_to(outside)
    found, _ = decide([act("data/link"), act("data/folder/a"), act("data/real")])
    assert "symbolic link" in found["data/link"].refused
    assert "symbolic link" in found["data/folder/a"].refused
    assert not found["data/real"].refused


def test_what_is_gone_a_folder_or_just_changing_is_refused(decide, put, files):
    put("data/folder/a")
    found, _ = decide([act("data/gone"), act("data/folder")])
    assert {d.refused for d in found.values()} == {"it does not exist"}
    files.quiet_seconds = 3600
    found, _ = decide([act("data/folder/a")])
    assert found["data/folder/a"].refused == "it has just been changed"


@pytest.mark.parametrize("caps", [{"max_files": 2}, {"max_bytes": 11}])
def test_more_than_the_caps_is_refused_whole(decide, put, caps):
    actions = [act(put(f"data/{n}")) for n in "abc"]
    found, _ = decide(actions, **caps)
    assert all("exceed lifecycle.max_files" in d.refused for d in found.values())
    kept = [*actions[:2], act("data/c", ActionKind.KEEP)]
    found, _ = decide(kept, **caps)
    assert not any(d.refused for d in found.values())


def test_what_was_refused_for_itself_does_not_count_towards_the_caps(decide, put):
    put("data/a")
    put("data/b")
    found, _ = decide([act("data/a"), act("data/b")], held=["data/b"], max_files=1)
    assert [d.refused for d in found.values()] == ["", "analyzer will read it again"]


def test_a_reason_against_the_whole_run_refuses_every_act(decide, put):
    put("data/a")
    found, _ = decide([act("data/a")], problems=["the journal is incomplete"])
    assert found["data/a"].refused == "the journal is incomplete"


def test_an_archive_without_a_target_is_refused(decide, put):
    found, _ = decide([act(put("data/a"), ActionKind.ARCHIVE)])
    assert "no target" in found["data/a"].refused


@pytest.mark.parametrize(
    "rubbish", ["data/a", None, act("data/\0"), act(""), act(5), pytest.param("raise", id="raises")]
)
def test_a_policy_that_breaks_is_named_and_no_act_is_done_that_it_might_have_vetoed(
    decide, put, rubbish
):
    put("data/a")
    put("data/b")

    def broken():
        yield act("data/b")
        if rubbish == "raise":
            raise RuntimeError("torn")
        yield rubbish

    found, problems = decide([act("data/a")], broken())
    assert len(problems) == 1
    assert "policy 'p1' raised" in problems[0]
    assert all("policy 'p1' raised" in d.refused for d in found.values())


def test_a_file_that_changes_after_the_policy_has_looked_is_refused(files, ledger, put):
    """Even where nobody waits for files to settle."""
    put("data/a")

    def swapping(view, _settings):
        (file,) = view.files("data/*")
        put("data/a", "another content")
        yield act(file.path)

    limits = LifecycleConfig()
    project = SimpleNamespace(
        policies=[(LifecyclePolicy("p", swapping), None)],
        files=files,
        configuration=SimpleNamespace(lifecycle=limits),
        paths=SimpleNamespace(state=files.root / ".pipekit"),
    )
    (found,) = review(project, ledger, {}).proposals
    assert found.refused == "it has just been changed"


@pytest.mark.posix("hard links")
def test_a_file_with_several_names_is_refused(decide, put, files):
    put("data/a")
    (files.root / "twin").hardlink_to(files.root / "data/a")
    found, _ = decide([act("data/a")])
    assert found["data/a"].refused == "it has several names (hard links)"


@pytest.mark.parametrize("target", ["../a", "old/../../a", ".pipekit-trash/a"])
def test_an_archive_leads_neither_upwards_nor_into_the_trash(decide, put, target):
    found, _ = decide([act(put("data/a"), ActionKind.ARCHIVE, target=target)])
    assert "cannot be archived as" in found["data/a"].refused


def test_files_in_the_trash_are_taken_by_nobody(decide, put):
    put("data/.pipekit-trash/run/a")
    found, _ = decide([act("data/.pipekit-trash/run/a")])
    assert "outside of lifecycle.roots" in found["data/.pipekit-trash/run/a"].refused


def test_a_restored_file_stays_until_it_is_touched(decide, put, files):
    put("data/a")
    (files.root / ".pipekit").mkdir(exist_ok=True)
    file = files.stat("data/a")
    known = RestoredFiles(files.root / ".pipekit")
    known.add([(file.path, file.size, file.mtime_ns)], files.root)
    found, _ = decide([act("data/a")])
    assert found["data/a"].refused == "it was restored, and not touched since"
    put("data/a", "changed")
    found, _ = decide([act("data/a")])
    assert not found["data/a"].refused
    known.path.write_text("{")
    found, _ = decide([act("data/a")])
    assert "no file may go" in found["data/a"].refused


# --- why nothing may go ---------------------------------------------------------------------------


def nothing(left, *proposals):
    made = [Proposal(action=act(path), policy="p", refused=why) for path, why in proposals]
    return Review(left=left, proposals=made).why_nothing()


def test_why_nothing_may_go_is_one_line_with_the_numbers():
    young = dict.fromkeys("abc", "younger than 24h")
    assert nothing({}) == "no file matches"
    assert nothing({"a": "younger than 24h"}) == "1 file matches, younger than 24h"
    assert nothing(young) == "3 files match, all younger than 24h"
    assert nothing(young | {"d": "not consumed by x"}) == (
        "4 files match: 3 younger than 24h, 1 not consumed by x"
    )
    assert nothing(young, ("c", "it is held"), ("d", "it is held")) == (
        "4 files match: 2 younger than 24h, 2 refused: it is held"
    )


def test_a_rule_says_why_it_proposes_nothing_for_a_file(view, take, reported, put):
    put("data/young")
    made = view()
    assert list(propose(made, Rules(rules=(Rule(files="data/**", consumed_by=("a",)),)))) == []
    assert made.left == {"data/young": "younger than 24h"}
    made = view(days=31)
    rule = Rule(files="data/**", consumed_by=("a", "b"), min_age=30 * DAY)
    assert list(propose(made, Rules(rules=(rule,)))) == []
    assert made.left == {"data/young": "not consumed by a and b"}
    made = view(days=29)
    assert list(propose(made, Rules(rules=(rule,)))) == []
    assert made.left == {"data/young": "younger than 30d"}


# --- the time that counts -------------------------------------------------------------------------


def begin(ledger, *times):
    for time_ in times:
        run_id = f"run-{len(ledger.runs(limit=999))}"
        ledger.begin_run(run_id, time_)
        ledger.end_run(run_id, PipelineStatus.IDLE, 0, time_)


def test_no_time_is_certain_before_five_runs_have_reached_it(ledger):
    begin(ledger, 100.0, 200.0, 300.0, 400.0)
    assert ledger.certain_time() == 0
    begin(ledger, 500.0)
    assert ledger.certain_time() == 100
    begin(ledger, 1e10, 1e10, 1e10, 1e10)  # the clock is far ahead
    assert ledger.certain_time() == 500
    begin(ledger, 600.0)
    assert ledger.certain_time() == 600


def test_what_is_due_for_deletion_goes_by_the_ledger_and_not_by_the_clock(ledger, files):
    """Over 2,500 runs that moved files, two an hour, those of the last 30 days stay."""
    ids = [f"01a2082d-e9f4-799b-8a82-{number:012x}" for number in range(2500)]
    with ledger._writing() as connection:
        connection.executemany(
            "INSERT INTO runs (run_id, started, ended, status, dated) VALUES (?, ?, ?, 'idle', ?)",
            [(run_id, 1800.0 * n, 1800.0 * n, 1800.0 * n) for n, run_id in enumerate(ids)],
        )
    (files.root / TRASH).mkdir()
    for run_id in [*ids, "01a2082d-e9f4-799b-8a82-ffffffffffff"]:  # one the ledger does not know
        (files.root / TRASH / f"{run_id}.json").write_text("{}")
    paths = SimpleNamespace(root=files.root, state=files.root / ".pipekit", file_mode=0o600)
    configuration = SimpleNamespace(lifecycle=LifecycleConfig(retention_days=30))
    project = SimpleNamespace(paths=paths, configuration=configuration)
    removal = Removal(SimpleNamespace(project=project, ledger=ledger))
    due = removal.expired()
    assert due == ids[: len(due)]
    assert len(ids) - len(due) == 30 * 48 + 5  # the latest five agree on the time of the fifth last
