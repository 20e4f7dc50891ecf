"""Months that are made again or are missing, and a ledger that was lost."""

JANUARY = "ES1/2020/ES1_2020_01.parquet"
FEBRUARY = "ES1/2020/ES1_2020_02.parquet"


def two_runs(project, kit):
    """A whole history, and a correction of one day of it."""
    rows = [kit.row("2020-01-06"), kit.row("2020-01-07"), kit.row("2020-02-03")]
    first = project.run_file(rows, kit.scope(kit.always))
    second = project.run_file([kit.row("2020-01-07", profit=2.0)], kit.scope("2020-01-07"))
    project.run()
    return first, second


def test_a_rebuild_makes_the_same_bytes_from_the_run_files(project, kit):
    """All run files are merged again, in order; months that are right are not written."""
    two_runs(project, kit)
    before = project.months()
    outcome = project.run(rebuild=True)
    assert len(outcome.plan.inputs) == 2
    assert project.months() == before
    assert outcome.paths("wrote") == []
    assert outcome.facts.warnings == []


def test_a_rebuild_replaces_a_damaged_month_and_keeps_it(project, kit):
    """The month is whole again, and the damaged file stands beside it."""
    two_runs(project, kit)
    good = project.months()[JANUARY]
    target = project.root / kit.merged / JANUARY
    target.write_bytes(good[:-9])
    outcome = project.run(rebuild=True)
    assert outcome.failures() == {}
    assert project.months()[JANUARY] == good
    assert target.with_name(f"{target.name}.unreadable").read_bytes() == good[:-9]
    assert any("could not be read" in warning for warning in outcome.facts.warnings)


def test_a_month_that_is_damaged_twice_is_kept_twice(project, kit):
    """The second damaged file does not take the first one's place."""
    two_runs(project, kit)
    target = project.root / kit.merged / JANUARY
    for content in (b"first", b"second"):
        target.write_bytes(content)
        project.run(rebuild=True)
    kept = sorted(target.parent.glob("*.unreadable*"))
    assert [path.read_bytes() for path in kept] == [b"first", b"second"]


def test_a_rebuild_restores_values_that_somebody_changed(project, kit):
    """A readable month whose values are not those of the run files is replaced."""
    two_runs(project, kit)
    good = project.months()[JANUARY]
    kit.write(project.root / kit.merged / JANUARY, [kit.row("2020-01-06", profit=99.0)])
    outcome = project.run(rebuild=True)
    assert outcome.paths("wrote")[0] == f"{kit.merged}/{JANUARY}"
    assert project.months()[JANUARY] == good


def test_a_rebuild_loses_no_row_whose_run_file_is_gone(project, kit):
    """Rows of a run file that was deleted stay as they are, and a warning says so."""
    first, _ = two_runs(project, kit)
    before = project.months()
    (project.root / first).unlink()
    outcome = project.run(rebuild=True)
    assert project.months() == before
    assert any(
        "kept 1 row that is no longer in any run file" in warning
        for warning in outcome.facts.warnings
    )
    assert any(
        "kept 1 month that is no longer in any run file" in w for w in outcome.facts.warnings
    )


def test_a_rebuild_reports_no_month_of_an_instrument_that_waits_as_kept(project, kit):
    """Its run file cannot be opened, but is there; NQ's is gone."""
    path = project.run_file([kit.row("2020-01-06")], kit.scope(kit.always))
    rows = [kit.row("2020-01-06", instrument="NQ")]
    gone = project.run_file(rows, kit.scope(kit.always, instrument="NQ"))
    project.run()
    (project.root / gone).unlink()
    plan_of_before = project.plan(rebuild=True)
    (project.root / path).unlink()
    (project.root / path).mkdir()
    project.plan = lambda *_settings, **_flags: plan_of_before
    outcome = project.run()
    assert list(outcome.failures()) == ["ES"]
    warnings = [warning for warning in outcome.facts.warnings if "in any run file" in warning]
    assert warnings == ["kept 1 month that is no longer in any run file: NQ1/2020-01"]


def test_a_stream_that_failed_hides_no_kept_month_of_another_whose_name_it_begins(project, kit):
    """ES1 cannot be written; ES10 can, and its run file is gone."""
    project.run_file([kit.row("2020-01-06")], kit.scope("2020-01-06"))
    rows = [kit.row("2020-02-03", session="S10")]
    gone = project.run_file(rows, kit.scope("2020-02-03"))
    project.run()
    (project.root / gone).unlink()
    month = project.root / kit.merged / JANUARY
    month.unlink()
    month.parent.rmdir()
    month.parent.touch()  # a file where its folder should be
    outcome = project.run(rebuild=True)
    assert list(outcome.failures()) == ["ES1"]
    warnings = [warning for warning in outcome.facts.warnings if "in any run file" in warning]
    assert warnings == ["kept 1 month that is no longer in any run file: ES10/2020-02"]


def test_rows_that_a_rebuild_kept_are_counted_over_all_months(project, kit):
    """The warning has one number for the stream."""
    days = ["2020-01-06", "2020-02-03", "2020-02-04"]
    first = project.run_file([kit.row(day) for day in days], kit.scope(kit.always))
    more = [kit.row("2020-01-07"), kit.row("2020-02-05")]
    project.run_file(more, kit.scope("2020-01-07", "2020-02-05"))
    project.run()
    (project.root / first).unlink()
    outcome = project.run(rebuild=True)
    assert any(
        "ES1: kept 3 rows that are no longer in any run file" in warning
        for warning in outcome.facts.warnings
    )


def test_a_rebuild_keeps_what_a_newer_run_file_said_that_is_gone(project, kit):
    """The ledger knows the scope of the missing file; the older one does not replace its rows."""
    _, second = two_runs(project, kit)
    before = project.months()
    (project.root / second).unlink()
    project.run(rebuild=True)
    assert project.months() == before
    assert [key[4] for key in project.keys(JANUARY)] == [10.0, 2.0]


def test_force_keeps_what_a_newer_run_file_said_that_can_no_longer_be_read(project, kit):
    """A run file that was damaged after it was merged is rejected; its rows stay."""
    _, second = two_runs(project, kit)
    before = project.months()
    (project.root / second).write_bytes(b"")
    outcome = project.run(force=True)
    assert outcome.paths("rejected") == [second]
    assert project.months() == before


def test_a_damaged_month_that_the_run_files_do_not_hold_is_not_rebuilt(project, kit):
    """A month is never published in part."""
    first, _ = two_runs(project, kit)
    target = project.root / kit.merged / JANUARY
    target.write_bytes(b"damaged")
    (project.root / first).unlink()
    outcome = project.run(rebuild=True)
    assert "do not hold all of it" in outcome.failures()["ES1"]
    assert target.read_bytes() == b"damaged"


def test_a_missing_month_is_made_again_with_the_days_that_are_new(project, kit):
    two_runs(project, kit)
    (project.root / kit.merged / JANUARY).unlink()
    days = kit.scope("2020-01-08", "2020-02-04")
    project.run_file([kit.row("2020-01-08"), kit.row("2020-02-04")], days)
    assert project.run().failures() == {}
    assert [key[4] for key in project.keys(JANUARY)] == [10.0, 2.0, 10.0]
    assert len(project.rows(FEBRUARY)) == 2
    assert not project.plan().inputs


def test_a_missing_month_is_reported_and_not_published_in_part(project, kit):
    """A new day for it fails and says what to do; other months go on."""
    first, _ = two_runs(project, kit)
    good = (project.root / kit.merged / JANUARY).read_bytes()
    (project.root / kit.merged / JANUARY).unlink()
    (project.root / first).unlink()
    days = kit.scope("2020-01-08", "2020-02-04")
    project.run_file([kit.row("2020-01-08"), kit.row("2020-02-04")], days)
    outcome = project.run()
    assert "was published and is missing" in outcome.failures()["ES1"]
    assert list(project.months()) == [FEBRUARY]
    assert len(project.rows(FEBRUARY)) == 2

    (project.root / kit.merged / JANUARY).write_bytes(good)
    project.run()
    assert [key[4] for key in project.keys(JANUARY)] == [10.0, 2.0, 10.0]
    assert not project.plan().inputs
    assert project.plan().warnings == ()


def test_a_missing_month_without_any_run_file_is_named_in_every_run(project, kit):
    for path in two_runs(project, kit):
        (project.root / path).unlink()
    (project.root / kit.merged / JANUARY).unlink()
    for _ in range(2):
        outcome = project.run()
        (warning,) = outcome.plan.warnings
        assert f"1 merged month is missing, and its run files are gone: {kit.merged}/" in warning
        assert "pipekit run --rebuild --from analyzer" in warning
        assert not outcome.plan.inputs


def test_a_missing_month_is_made_again_by_a_run_file_that_holds_all_of_it(project, kit):
    """After a full analysis nothing of the old month is needed."""
    two_runs(project, kit)
    (project.root / kit.merged / JANUARY).unlink()
    project.run_file([kit.row("2020-01-06", profit=3.0)], kit.scope(kit.always))
    outcome = project.run()
    assert outcome.failures() == {}
    assert [key[4] for key in project.keys(JANUARY)] == [3.0]


def test_losing_the_ledger_changes_no_month(project, kit):
    """Without a ledger every run file is merged in the order of run ids, to the same bytes."""
    two_runs(project, kit)
    before = project.months()
    project.ledger.__exit__(None, None, None)
    for file in project.root.glob("state.db*"):
        file.unlink()
    project.ledger = type(project.ledger)(project.root / "state.db")
    outcome = project.run()
    assert len(outcome.plan.inputs) == 2
    assert project.months() == before
    assert outcome.paths("wrote") == []


def test_a_killed_merge_is_finished_by_the_next_run(project, kit):
    """What was published and not recorded as consumed is merged again, unchanged."""
    first = project.run_file([kit.row("2020-01-06")], kit.scope(kit.always))
    project.run_file([kit.row("2020-01-07", profit=2.0)], kit.scope("2020-01-07"))
    project.run(commit=False)
    before = project.months()
    leftover = project.root / kit.merged / "ES1/2020/.ES1_2020_01.parquet.run.1-2.tmp"
    leftover.write_bytes(b"half a file")
    outcome = project.run()
    assert first in outcome.paths("consumed")
    assert project.months() == before


def test_a_removal_from_a_missing_month_waits_for_it(project, kit):
    """Otherwise the removed row would come back with the month."""
    first, _ = two_runs(project, kit)
    good = project.months()[JANUARY]
    (project.root / kit.merged / JANUARY).unlink()
    (project.root / first).unlink()
    path = project.run_file([], kit.scope("2020-01-06"))
    outcome = project.run()
    assert "was published and is missing" in outcome.failures()["ES1"]
    assert project.ledger.consumption("merger", path).state == "part"
    (project.root / kit.merged / JANUARY).write_bytes(good)
    project.run()
    assert [key[1] for key in project.keys(JANUARY)] == ["2020-01-07"]
