"""Merged months and summaries that are damaged, changed or gone are made again by the next run."""

import os

import pyarrow.parquet as pq
import pytest

JANUARY = "ES1/2020/ES1_2020_01.parquet"
FEBRUARY = "ES1/2020/ES1_2020_02.parquet"


def merged(project, kit):
    """Two months of two run files, with their summary; the paths of the run files."""
    rows = [kit.row("2020-01-06"), kit.row("2020-01-07"), kit.row("2020-02-03")]
    first = project.run_file(rows, kit.scope(kit.always))
    second = project.run_file([kit.row("2020-01-07", profit=2.0)], kit.scope("2020-01-07"))
    project.run("merge", "summary")
    return first, second


def tree(project, kit):
    """Every published file below the folder of results, with its bytes."""
    found = (project.root / kit.merged).rglob("*")
    kept = (path for path in found if path.is_file() and path.suffix in (".parquet", ".json"))
    return {path.name: path.read_bytes() for path in kept}


def truncated(file):
    os.truncate(file, file.stat().st_size // 2)


def emptied(file):
    file.write_bytes(b"")


def flipped(file):
    data = bytearray(file.read_bytes())
    data[len(data) // 3] ^= 0x20
    file.write_bytes(data)


def a_folder(file):
    file.unlink()
    file.mkdir()


def a_link_to_nothing(file):
    file.unlink()
    file.symlink_to("nothing")


def gone(file):
    file.unlink()


HOW = [truncated, emptied, flipped, a_folder, a_link_to_nothing, gone]


@pytest.mark.parametrize("damage", HOW)
@pytest.mark.parametrize("name", [JANUARY, FEBRUARY, "summary.parquet", "summary.json"])
def test_what_is_damaged_is_made_again_to_the_same_bytes(project, kit, name, damage):
    merged(project, kit)
    before = tree(project, kit)
    assert not project.plan().tasks
    damage(project.root / kit.merged / name)
    outcome = project.run("merge", "summary")
    assert outcome.failures() == {}
    assert tree(project, kit) == before
    assert not project.plan().tasks
    assert project.plan().warnings == ()


@pytest.mark.parametrize("damage", [truncated, emptied])
def test_the_damaged_month_is_kept_beside_the_new_one(project, kit, damage):
    merged(project, kit)
    target = project.root / kit.merged / JANUARY
    damage(target)
    bad = target.read_bytes()
    outcome = project.run()
    assert target.with_name(f"{target.name}.unreadable").read_bytes() == bad
    assert any(f"{JANUARY} could not be read" in text for text in outcome.facts.warnings)


def test_any_flipped_byte_of_a_month_is_mended(project, kit):
    merged(project, kit)
    target = project.root / kit.merged / JANUARY
    good = target.read_bytes()
    for at in range(0, len(good), len(good) // 40):
        data = bytearray(good)
        data[at] ^= 0x11
        target.write_bytes(data)
        assert project.run().failures() == {}, at
        assert target.read_bytes() == good, at
        assert not project.plan().inputs, at


def edited(project, kit, name, profit):
    path = project.root / kit.merged / name
    rows = pq.ParquetFile(path).read().to_pylist()
    kit.write(path, [{**row, "profit": profit} for row in rows])
    return path.read_bytes()


def test_a_month_that_somebody_changed_is_changed_back_and_kept(project, kit):
    merged(project, kit)
    before = project.months()
    theirs = edited(project, kit, JANUARY, 99.0)
    outcome = project.run()
    assert project.months() == before
    target = project.root / kit.merged / JANUARY
    assert target.with_name(f"{target.name}.changed").read_bytes() == theirs
    (warning,) = outcome.facts.warnings
    assert f"{JANUARY} was changed after it was published: rows 2 changed back" in warning


def test_rows_whose_run_file_is_gone_stay_as_somebody_changed_them(project, kit):
    """Nobody can tell what they were; the other rows are changed back."""
    first, _ = merged(project, kit)
    (project.root / first).unlink()
    edited(project, kit, JANUARY, 99.0)
    project.run()
    assert [key[4] for key in project.keys(JANUARY)] == [99.0, 2.0]
    assert not project.plan().inputs


def test_a_changed_month_without_any_run_file_is_taken_as_it_is(project, kit):
    for path in merged(project, kit):
        (project.root / path).unlink()
    edited(project, kit, JANUARY, 99.0)
    outcome = project.run("merge", "summary")
    assert outcome.failures() == {}
    assert [key[4] for key in project.keys(JANUARY)] == [99.0, 99.0]
    assert not project.plan().tasks


def test_a_damaged_month_without_its_run_files_is_left_and_named(project, kit):
    first, second = merged(project, kit)
    (project.root / first).unlink()
    target = project.root / kit.merged / JANUARY
    good = target.read_bytes()
    truncated(target)
    bad = target.read_bytes()
    for _ in range(2):
        outcome = project.run()
        assert f"{JANUARY}" in outcome.failures()["ES1"]
        assert "restore a good copy" in outcome.failures()["ES1"]
        assert target.read_bytes() == bad
    target.write_bytes(good)
    project.run()
    assert project.ledger.consumption("merger", second).state == "consumed"
    assert not project.plan().tasks


def test_a_damaged_month_is_made_again_without_a_ledger(project, kit):
    merged(project, kit)
    before = tree(project, kit)
    truncated(project.root / kit.merged / JANUARY)
    project.ledger.__exit__(None, None, None)
    for file in project.root.glob("state.db*"):
        file.unlink()
    project.ledger = type(project.ledger)(project.root / "state.db")
    assert project.run("merge", "summary").failures() == {}
    assert tree(project, kit) == before


def test_one_lost_month_of_many_is_made_of_its_own_run_files(project, kit):
    """Run files that have no day of it are not read again."""
    paths = [
        project.run_file([kit.row(f"2020-{month:02}-06")], kit.scope(f"2020-{month:02}-06"))
        for month in (1, 2, 3)
    ]
    project.run()
    (project.root / kit.merged / FEBRUARY).unlink()
    plan = project.plan()
    assert [item.path for item in plan.inputs] == [paths[1]]
    assert FEBRUARY in plan.reason


def test_changed_months_of_several_instruments_are_summed_up_once(project, kit):
    """No instrument's merge takes up the months of another."""
    for name in ("CL", "ES", "NQ"):
        rows = [kit.row("2020-01-06", instrument=name), kit.row("2020-02-03", instrument=name)]
        project.run_file(rows, kit.scope(kit.always, instrument=name))
    project.run("merge", "summary")
    before = tree(project, kit)
    for name in ("CL", "NQ"):
        edited(project, kit, JANUARY.replace("ES", name), 99.0)
    outcome = project.run("merge", "summary")
    assert tree(project, kit) == before
    assert sorted(outcome.facts.units) == ["CL1", "NQ1", "summary"]
