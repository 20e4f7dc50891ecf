"""Run files are merged instrument by instrument, and the streams of one in parallel."""

from pipekit_merger.request import Request, RunFileEntry
from pipekit_merger.settings import Settings
from pipekit_merger.work.instrument import by_instrument


def parts_of(paths):
    """The request's run files by instrument."""
    entries = [RunFileEntry(path=path, number=n) for n, path in enumerate(paths, 1)]
    return by_instrument(Request(merged="merged", run_files=tuple(entries)))


def paths(part):
    return [entry.path for entry in part]


def test_run_files_are_grouped_by_instrument_in_the_order_of_the_request():
    """Each has its number in the request."""
    files = [f"{run}/{name}.parquet" for run in "21" for name in ("NQ", "ES")]
    nq, es = sorted(parts_of(files), key=lambda part: part[0].number)
    assert paths(nq) == ["2/NQ.parquet", "1/NQ.parquet"]
    assert [entry.number for entry in es] == [2, 4]


def test_instruments_that_may_share_a_stream_are_one_group():
    """A stream ESX1 may be of ESX or of ES: two threads must not write its months."""
    names = ["ESX", "NQ", "ES", "ESXY", "E"]
    parts = parts_of(f"1/{name}.parquet" for name in names)
    assert sorted(map(paths, parts)) == [
        [f"1/{name}.parquet" for name in ("ESX", "ES", "ESXY", "E")],
        ["1/NQ.parquet"],
    ]


def test_a_name_that_begins_with_another_loses_no_rows(project, kit):
    """Both are merged, and a rebuild leaves both as they are."""
    for name in ("ES", "ESX", "NQ"):
        rows = [kit.row("2020-01-06", instrument=name), kit.row("2020-02-06", instrument=name)]
        project.run_file(rows, kit.scope(kit.always, instrument=name))
    project.run()
    before = project.months()
    assert [month.split("/")[0] for month in before] == ["ES1"] * 2 + ["ESX1"] * 2 + ["NQ1"] * 2
    outcome = project.run(rebuild=True)
    assert outcome.rows("ESX1") == {"new": 0, "updated": 0, "removed": 0, "unchanged": 2}
    assert project.months() == before


def test_a_month_that_cannot_be_written_is_named_and_the_others_stand(project, kit):
    """Its run file stays pending."""
    (project.root / kit.merged / "ES1").mkdir(parents=True)
    (project.root / kit.merged / "ES1/2020").write_text("in the way")
    rows = [kit.row("2020-12-31"), kit.row("2021-01-04")]
    path = project.run_file(rows, kit.scope(kit.always))
    outcome = project.run()
    assert list(project.months()) == ["ES1/2021/ES1_2021_01.parquet"]
    assert "ES1_2020_12.parquet cannot be written" in outcome.failures()["ES1"]
    (project.root / kit.merged / "ES1/2020").unlink()
    assert project.plan().inputs[0].path == path
    assert project.run().rows("ES1")["new"] == 1


def test_without_a_summary_only_the_merge_is_planned(project, kit):
    """The setting leaves the summary out, also when everything is merged."""
    settings = Settings(summary=False)
    project.run_file([kit.row("2020-01-06")], kit.scope(kit.always))
    assert [task.name for task in project.plan(settings).tasks] == ["merge"]
    project.run()
    assert not project.plan(settings).tasks
    assert [task.name for task in project.plan().tasks] == ["summary"]
