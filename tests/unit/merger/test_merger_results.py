"""`pipekit results`: what it shows of merged months, in every format, and what it refuses."""

from __future__ import annotations

import csv
import io
import json

import pyarrow.parquet as pq
import pytest

from pipekit.cli.main import run_command_line

DAYS = ("2024-01-04", "2024-01-05", "2024-02-05")  # a Thursday, a Friday and a Monday


class Shown:
    """What came of a command line."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    @property
    def lines(self):
        """The cells of a table without its head."""
        return [line.split() for line in self.out.splitlines()[1:]]

    @property
    def records(self):
        return list(csv.DictReader(io.StringIO(self.out)))


@pytest.fixture
def results(project, capsys):
    """The command, called in the project."""
    (project.root / "pipekit.toml").write_text('[pipeline]\nstages = ["merger"]\n')

    def call(*words):
        code = run_command_line(["-C", str(project.root), "results", *words])
        return Shown(code, *capsys.readouterr())

    return call


@pytest.fixture
def merged(project, kit, results):
    """Two streams of two instruments, two months, two variants; one open trade, one day without."""
    rows = [
        kit.row(day, slot, profit, variant=variant, result=result)
        for variant, factor in (("default", 1), ("wide", 2))
        for day, slot, profit, result in (
            (DAYS[0], "07:30", 10.0 * factor, "Win"),
            (DAYS[0], "08:00", -4.0, "Loss"),
            (DAYS[1], "07:30", -0.25, "BE"),
            (DAYS[1], "08:00", 3.5, "Open"),
            (DAYS[2], "07:30", 0.0, "NoTrade"),
            (DAYS[2], "08:00", 1.5, "Time"),
        )
    ]
    project.run_file(rows, kit.scope(kit.always))
    gold = [kit.row(DAYS[0], "09:30", 5.0, instrument="GC", session="S2")]
    project.run_file(gold, kit.scope(kit.always, instrument="GC"))
    project.run()
    return results


def test_there_is_a_line_for_each_variant_stream_and_slot_and_a_total_of_each_stream(merged):
    shown = merged()
    assert (shown.code, shown.err) == (0, "2024-01-04 to 2024-02-05\n")
    assert [line[:4] for line in shown.lines] == [
        ["default", "ES1", "07:30", "2"],
        ["default", "ES1", "08:00", "2"],
        ["default", "ES1", "all", "4"],
        ["default", "GC2", "09:30", "1"],
        ["default", "GC2", "all", "1"],
        ["wide", "ES1", "07:30", "2"],
        ["wide", "ES1", "08:00", "2"],
        ["wide", "ES1", "all", "4"],
    ]
    total = shown.lines[2]
    # trades, Win, BE, Loss, Time, Open, NoTrade, win rate, points, average, drawdown, dollars
    assert " ".join(total[3:]) == "4 1 1 1 1 1 1 25.0% 7.25 1.812 4.25 362"


@pytest.mark.parametrize(
    ("words", "keys"),
    [
        (["--stream", "GC2"], {("default", "GC2", "09:30")}),
        (["--instrument", "GC"], {("default", "GC2", "09:30")}),
        (["--variant", "wide", "--slot", "7:30"], {("wide", "ES1", "07:30")}),
        (["--from", "2024-02-01", "--variant", "default", "--slot", "08:00"],
         {("default", "ES1", "08:00")}),
        (["--to", "2024-01-04", "--variant", "default"],
         {("default", "ES1", "07:30"), ("default", "ES1", "08:00"), ("default", "GC2", "09:30")}),
    ],
)  # fmt: skip
def test_filters_select_what_they_name(merged, words, keys):
    shown = merged("--csv", *words)
    assert {(r["variant"], r["stream"], r["slot"]) for r in shown.records} == keys


def test_both_dates_are_included(merged):
    shown = merged("--rows", "--csv", "--from", DAYS[1], "--to", DAYS[1], "--variant", "default")
    assert [(r["date"], r["slot"], r["result"]) for r in shown.records] == [
        (DAYS[1], "07:30", "BE"),
        (DAYS[1], "08:00", "Open"),
    ]


def test_all_formats_hold_the_same(merged, tmp_path):
    """Sums and rows, as CSV, JSON and Parquet."""
    for words in ((), ("--rows",)):
        file = tmp_path / "answer.parquet"
        given = merged(*words, "--json", "--csv", str(tmp_path / "a.csv"), "--parquet", str(file))
        parquet = pq.ParquetFile(file).read().to_pylist()
        with (tmp_path / "a.csv").open(newline="") as text:
            plain = list(csv.DictReader(text))
        stated = json.loads(given.out)["rows"]
        assert len(stated) == len(plain) == len(parquet) == (13 if words else 5)
        for one, two, three in zip(stated, plain, parquet, strict=True):
            assert list(one) == list(two) == list(three)
            profit = one["profit"]
            assert (float(two["profit"]), three["profit"]) == (profit, profit)
            assert one["slot"] == two["slot"] == three["slot"]


def test_rows_are_those_of_the_months(merged, project):
    rows = json.loads(merged("--rows", "--json", "--stream", "ES1").out)["rows"]
    months = [row for path in ("ES1/2024/ES1_2024_01.parquet", "ES1/2024/ES1_2024_02.parquet")
              for row in project.rows(path)]  # fmt: skip
    assert sorted((r["variant"], r["date"], r["slot"], r["profit"]) for r in rows) == sorted(
        (r["variant"], r["date"].isoformat(), r["slot"], r["profit"]) for r in months
    )


def test_a_month_that_cannot_be_read_is_named_and_the_others_are_shown(merged, project, kit):
    damaged = f"{kit.merged}/ES1/2024/ES1_2024_01.parquet"
    (project.root / damaged).write_bytes(b"not parquet")
    shown = merged("--csv")
    assert shown.code == 1
    assert damaged in shown.err
    assert "pipekit run --rebuild" in shown.err
    assert {r["stream"] for r in shown.records} == {"ES1", "GC2"}
    assert merged("--csv", "--from", "2024-02-01").code == 0  # a month that was not asked for


def test_a_damaged_month_of_another_instrument_does_not_matter(merged, project, kit):
    """By its name a stream ESX1 may be of ES; a month of it that can be read says otherwise.

    Where none can be read, nobody knows, and it is named.
    """
    rows = [kit.row(day, instrument="ESX") for day in DAYS]
    project.run_file(rows, kit.scope(kit.always, instrument="ESX"))
    project.run()
    january, february = (f"{kit.merged}/ESX1/2024/ESX1_2024_0{n}.parquet" for n in (1, 2))
    (project.root / january).write_bytes(b"not parquet")
    for words in (["--instrument", "ES"], ["--instrument", "ES", "--to", "2024-01-31"]):
        shown = merged("--csv", *words)
        assert (shown.code, "ESX" in shown.err) == (0, False)
    assert merged("--csv", "--instrument", "ESX").code == 1
    (project.root / february).write_bytes(b"not parquet")
    shown = merged("--csv", "--instrument", "ES")
    assert shown.code == 1
    assert january in shown.err


def test_before_the_first_merge_there_is_a_sentence(results):
    shown = results()
    assert (shown.code, shown.out) == (0, "")
    assert shown.err.startswith("no results yet: the merger has had nothing to merge; `pipekit st")
    assert json.loads(results("--json").out)["rows"] == []


def test_after_a_merge_of_nothing_the_sentence_is_still_true(results, project, kit):
    """As with three bars, which make no trade: the merger has run, and there is a summary."""
    project.run_file([], kit.scope(kit.always))
    project.run()
    shown = results()
    assert (shown.code, shown.out) == (0, "")
    assert "the merger has had nothing to merge" in shown.err


def test_a_project_without_the_merger_is_told_so(results, project):
    (project.root / "pipekit.toml").write_text('[pipeline]\nstages = ["translator"]\n')
    shown = results()
    assert (shown.code, shown.out) == (0, "")
    assert shown.err == "no results: the stage `merger` is not in this project's stages\n"


@pytest.mark.parametrize("option", ["--csv", "--parquet", "--html"])
def test_a_folder_that_does_not_exist_is_named(merged, option, tmp_path):
    file = tmp_path / "nope/x.html"
    shown = merged(option, str(file))
    assert (shown.code, shown.out) == (3, "")
    said = f"cannot write {file}: there is no folder {file.parent}"
    assert " ".join(shown.err.split()) == f"pipekit: {said}"


def test_a_file_that_cannot_be_written_is_named_with_the_reason(merged, tmp_path):
    shown = merged("--html", f"{tmp_path}/{'x' * 300}.html")
    assert shown.code == 3
    assert f"cannot write {tmp_path}/xxx" in shown.err
    assert "Traceback" not in shown.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--stream", "NQ1"], "unknown stream NQ1; known are ES1, GC2"),
        (["--from", "yesterday"], "'yesterday' is not a date; write it like 2024-01-31"),
        (["--from", "2024-02-01", "--to", "2024-01-01"], "--from 2024-02-01 is after --to"),
        (["--parquet", "-"], "--parquet needs the name of a file"),
        (["--html", "-"], "--html needs the name of a file"),
        (["--json", "--csv"], "would both go to stdout"),
    ],
)
def test_a_question_that_cannot_be_answered_is_a_usage_error(merged, words, said):
    shown = merged(*words)
    assert (shown.code, shown.out) == (64, "")
    assert said in shown.err


def test_a_value_that_no_row_has_is_named(merged):
    shown = merged("--variant", "narrow")
    assert shown.code == 0
    assert "no row has the variant narrow; known are default, wide" in shown.err
