"""Small files that are read together come out as if each had been read alone."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pipekit_translator.dialects import InstrumentRule
from pipekit_translator.settings import Settings, Source
from pipekit_translator.work.read import rawfile, together

HEAD = "timestamp_utc,open,high,low,close,volume\n"
TICK = "20201101 083000 {:07};3000.25;3000;3000.5;{}\n"
CHANGED = 1_600_000_000  # Unix time, for all files: which one wins must not depend on the clock

Edit = Callable[[list[str]], str | bytes]


def bars(day: int, count: int = 4) -> list[str]:
    """Rows of a day of January 2020, and of the first of February."""
    days = [f"2020-01-{day:02}"] * (count - 1) + ["2020-02-01"]
    return [f"{on}T08:{at:02}:00Z,10,12,9,{10 + day / 4},{at}\n" for at, on in enumerate(days)]


def _without_end(rows: list[str]) -> str:
    return (HEAD + "".join(rows))[:-1]


ODD: dict[str, Edit] = {
    "usual": lambda rows: HEAD + "".join(rows),
    "unsorted": lambda rows: HEAD + "".join(rows[::-1]),
    "repeated": lambda rows: HEAD + "".join(rows + rows[:2]),
    "invalid row": lambda rows: HEAD + "".join([rows[0], "no row\n", *rows[1:]]),
    "only invalid rows": lambda rows: HEAD + "no row\n" * 12,
    "no end": _without_end,
    "a mark at its beginning": lambda rows: "\ufeff" + HEAD + "".join(rows),
    "UTF-16": lambda rows: (HEAD + "".join(rows)).encode("utf-16"),
    "other names": lambda rows: "a,b,c\n" + "".join(rows),
    "other separator": lambda rows: HEAD.replace(",", ";") + "".join(rows),
    "columns in another order": lambda rows: (
        "volume," + HEAD[:-8] + "\n" + "".join(f"7,{row[:-3]}\n" for row in rows)
    ),
    "blank lines": lambda rows: HEAD + "\n".join(["", *rows, ""]),
    "blank first": lambda rows: "\n" + HEAD + "".join(rows),
    "CRLF": lambda rows: (HEAD + "".join(rows)).replace("\n", "\r\n"),
    "only a header": lambda rows: HEAD,
    "empty": lambda rows: "",
}


@pytest.fixture
def both(new_project: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Runs with the same files, read alone and together; returns the second, and its blocks."""

    def run(files: dict[str, str | bytes], settings: Settings | None = None) -> Any:
        found, blocks = [], list[int]()
        parsed = together._parsed
        monkeypatch.setattr(
            together,
            "_parsed",
            lambda smalls, context: blocks.append(len(smalls)) or parsed(smalls, context),
        )
        for small in (-1, together.SMALL):
            monkeypatch.setattr(together, "SMALL", small)
            project = new_project()
            for path, text in files.items():
                os.utime(project.write(path, text), (CHANGED, CHANGED))
            run = project.run(settings)
            found.append((said(run.lines), project.tree(), project.quarantine()))
            assert bool(blocks) == (small > 0)
        assert found[0] == found[1]
        return run, blocks

    return run


def said(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The report without what differs from run to run."""
    named = [line for line in lines if line["verb"] not in ("progress", "temporary")]
    other = ("at", "duration", "signature")
    return [{key: value for key, value in line.items() if key not in other} for line in named]


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_file_among_others(both: Any, odd: str) -> None:
    """Whatever it is, its neighbours are read as usual, and it is reported as ever.

    It is in the middle and at the end.
    """
    files = {
        f"data/raw/{name}/1m/2020/01/{name}_1m_2020-01-{day:02}.csv": ODD["usual"](bars(day))
        for day in range(2, 9)
        for name in ("ES", "NQ")
    }
    for name, day in (("ES", 5), ("NQ", 8)):
        files[f"data/raw/{name}/1m/2020/01/{name}_1m_2020-01-{day:02}.csv"] = ODD[odd](bars(day))
    run, blocks = both(files)
    assert max(blocks) >= 5
    assert len(run.paths("consumed") + run.paths("rejected")) == len(files)


def test_files_of_which_all_are_odd(both: Any) -> None:
    files = {f"data/raw/ES_1m_{n:02}.csv": odd(bars(n + 1)) for n, odd in enumerate(ODD.values())}
    source = Source(glob="data/raw/*.csv", dialect="D")
    both(files, Settings(sources=(source,)))


def test_files_that_disagree(both: Any) -> None:
    """Of rows with the same time, those of the file that counts most are kept."""
    files = {
        f"data/raw/ES_1m_{n}.csv": HEAD + f"2020-01-06T08:00:00Z,10,{12 + n},9,10,1\n"
        for n in range(5)
    }
    run, _ = both(files, Settings(sources=(Source(glob="data/raw/*.csv", dialect="D"),)))
    assert run.metrics("ES")["conflicts"] == 4


def test_several_instruments_in_each_file(both: Any, export: Any) -> None:
    """Also one that is not accepted, and a file without rows."""
    files = {
        f"data/raw/DataExport_{n:02}.csv": export(f"2020-01-{n + 1:02} 08:00,10,12,9,11,5")
        + "".join(
            f"2020-01-{n + 1:02},08:01:00,1,1,1,1,1,{name}\r\n" for name in ("NQ", "ES")[n % 2 :]
        )
        for n in range(12)
    }
    files["data/raw/DataExport_04.csv"] += "2020-01-01,08:02:00,1,1,1,1,1,OTHER\r\n"
    files["data/raw/DataExport_07.csv"] = export()
    source = Source(glob="data/raw/*.csv", dialect="A", timezone="UTC")
    run, _ = both(files, Settings(sources=(source,)))
    assert run.metrics()["rows_set_aside"] == 1


def test_the_hour_that_occurs_twice(both: Any) -> None:
    """Each file has passes of its own; in spring, an hour does not exist."""
    files = {
        f"data/raw/ES_{month}{day:02}.csv": "".join(
            f"2020{month}{day:02} {hour:02}{minute:02}00;10;12;9;11;{n}\n"
            for n, hour in enumerate((0, 1, 1, 2, 3))
            for minute in (10, 41)
        )
        for month, days in (("11", range(1, 4)), ("03", range(7, 10)))
        for day in days
    }
    first_pass = files["data/raw/ES_1101.csv"].splitlines(keepends=True)[:4]
    files["data/raw/ES_1101_again.csv"] = "".join(first_pass)
    source = Source(glob="data/raw/*.csv", dialect="C", timezone="America/New_York")
    run, _ = both(files, Settings(sources=(source,)))
    assert run.metrics()["bad_rows"] == 2


def test_files_within_the_hour_that_occurs_twice(both: Any) -> None:
    """What comes after them in a block does not hide that they were in it."""
    at = {"a": ("11010110", "11010140"), "b": ("11010120", "11010150"), "c": ("11021000",)}
    files = {
        f"data/raw/ES_{name}.csv": "".join(f"2020{x[:4]} {x[4:]}00;10;12;9;11;1\n" for x in times)
        for name, times in at.items()
    }
    source = Source(glob="data/raw/*.csv", dialect="C", timezone="America/New_York")
    both(files, Settings(sources=(source,)))


@pytest.mark.parametrize("at", [0, 20, 39])
@pytest.mark.parametrize("row", ["0,0,0,0,0", "9000,9001,8999,9000,3", "4000,4001,40,4000,3"])
def test_a_price_far_off_in_one_of_many_files(both: Any, at: int, row: str) -> None:
    """Outliers used to be looked for only in files that were read alone."""
    files = {
        f"data/raw/ES_1m_{day}.csv": [f"2020-01-{day:02}T08:{n:02}:00Z,4000,4001,3999,4000,9\n"
        for n in range(40)] for day in range(6, 11)
    }  # fmt: skip
    files["data/raw/ES_1m_8.csv"][at] = f"2020-01-08T08:{at:02}:00Z,{row}\n"
    source = Source(glob="data/raw/*.csv", dialect="D")
    texts: dict[str, str | bytes] = {path: HEAD + "".join(of) for path, of in files.items()}
    run, blocks = both(texts, Settings(sources=(source,)))
    assert max(blocks) == 5
    assert run.metrics()["rows_set_aside"] == 1


def test_ticks_far_off_in_one_of_many_files(both: Any) -> None:
    """Quotes of one side, which have no price, do not hide it, nor are they a reason themselves."""
    files: dict[str, str | bytes] = {
        f"data/raw/ES_{n}.csv": "".join(
            f"2020-01-06 08:{n:02}:{at:02},{'' if at % 3 else 4000},4001,2\n" for at in range(60)
        )
        for n in range(4)
    }
    source = Source(
        glob="data/raw/*.csv",
        separator=",",
        header=False,
        columns=("timestamp", "bid", "ask", "volume"),
        price="bid",
        timestamp_format="%Y-%m-%d %H:%M:%S",
        timezone="UTC",
        instrument=InstrumentRule(pattern="^([A-Z]+)"),
    )
    run, blocks = both(files, Settings(sources=(source,)))
    assert blocks == [4]
    assert "rows_set_aside" not in run.metrics()
    files["data/raw/ES_2.csv"] = str(files["data/raw/ES_2.csv"]).replace(":30,4000", ":30,9000")
    run, _ = both(files, Settings(sources=(source,)))
    assert run.metrics()["rows_set_aside"] == 1


def test_ticks(both: Any) -> None:
    """Of which several may have one time; the latest is remembered."""
    files = {
        f"data/raw/ES {n}.txt": "".join(TICK.format(at, n) for at in (n, n, n + 1))
        for n in range(6)
    }
    files["data/raw/ES 3.txt"] = TICK.format(9, 3) + TICK.format(5, 3)
    source = Source(glob="data/raw/*.txt", dialect="N", timezone="UTC")
    run, _ = both(files, Settings(sources=(source,)))
    assert {len(line["detail"]["last"]) for line in run.all("consumed")} == {1}


@pytest.mark.posix("open files can be renamed")
def test_a_file_that_changes_while_it_is_read(
    project: Any, daily: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is read again, alone; if it changes again, it waits for the next run."""
    files = [project.write(f"data/raw/ES_1m_{n}.csv", daily(ROW)) for n in range(4)]
    check, tries = rawfile.check_unchanged, []

    def meddle(file: Any, path: str, *given: Any) -> None:
        if path.endswith("_2.csv"):
            tries.append(path)
            other = files[2].with_suffix(f".{len(tries)}")
            os.replace(files[2], other)
            files[2].write_bytes(other.read_bytes())
        check(file, path, *given)

    for module in (rawfile, together):
        monkeypatch.setattr(module, "check_unchanged", meddle)
    run = project.run(Settings(sources=(Source(glob="data/raw/*.csv", dialect="D"),)))
    assert len(tries) == 2
    assert len(run.paths("consumed")) == 3
    assert "ES_1m_2.csv: another file took its place" in run.warnings


ROW = "2020-01-06 08:00,10,12,9,11,5"


def test_rows_for_a_month_that_was_removed(both: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only its files have late rows; the others are read together."""
    from pipekit_translator import plan

    made = plan.Request
    gone = ["data/processed/ES/1m/2020/ES_1m_2020-02.parquet"]
    monkeypatch.setattr(plan, "Request", lambda **given: made(**{**given, "removed": gone}))
    files = {f"data/raw/ES_1m_{n}.csv": HEAD + "".join(bars(n)[: 3 + n % 2]) for n in range(1, 7)}
    run, _ = both(files, Settings(sources=(Source(glob="data/raw/*.csv", dialect="D"),)))
    assert run.metrics()["late_rows"] == 3
