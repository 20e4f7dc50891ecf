"""Contracts of one root: never mixed, kept apart, or put together by a rule."""

from __future__ import annotations

import datetime as dt
import io
import itertools
import json
import shutil
import zipfile
from typing import Any

import pytest
from pipekit_translator import contracts
from pipekit_translator.contracts import ContractRule
from pipekit_translator.dialects import InstrumentRule
from pipekit_translator.settings import Settings
from pipekit_translator.sources import Source

MARCH, JUNE = "data/raw/ES 03-20.Last.txt", "data/raw/ES 06-20.Last.txt"
MONTH = "2020-03"
DAYS = [dt.date(2020, 3, 10), dt.date(2020, 3, 11), dt.date(2020, 3, 12)]
SYMBOL = InstrumentRule(column="symbol", pattern=r"^([A-Z]+)[FGHJKMNQUVXZ]\d{1,2}$")


def configured(**more: Any) -> Settings:
    given: dict[str, Any] = {"glob": "data/raw/*.txt", "dialect": "C", "timezone": "UTC"}
    return Settings(sources=(Source(**given | more),), instruments=("*",), final_after=0.0)


def ticks(**more: Any) -> Settings:
    return configured(dialect="N", **more)


def packed(name: str, text: str) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr(name, text)
    return sink.getvalue()


def bars(price: float, *days: tuple[dt.date, int], step: int = 1, start: int = 0) -> str:
    """Ten bars from 15:30 on each of these days, with this volume each."""
    lines = []
    for day, volume in days:
        for n in range(start, start + 10 * step, step):
            at = dt.datetime.combine(day, dt.time(15, 31)) + dt.timedelta(minutes=n)
            lines.append(f"{at:%Y%m%d %H%M%S};{price};{price};{price};{price};{volume}\n")
    return "".join(lines)


def prices(project: Any, name: str = "ES", month: str = MONTH) -> dict[str, list[float]]:
    """The prices of each day, without repetitions."""
    found: dict[str, list[float]] = {}
    for time, price, *_ in project.rows(name, month):
        of = found.setdefault(time[:10], [])
        if price not in of:
            of.append(price)
    return found


def stated(project: Any, part: str = MONTH) -> Any:
    """The contract of each day, as the metadata say."""
    return json.loads(project.metadata("ES", part)["pipekit.contracts"])


# Names


@pytest.mark.parametrize(
    ("text", "root", "code"),
    [
        ("ES 03-20", "ES", "202003"), ("ESH20", "ES", "202003"), ("ESH0", "ES", "003"),
        ("ESH2020", "ES", "202003"), ("6EZ9", "6E", "912"), ("M2KU24", "M2K", "202409"),
        ("03-2020", "", "202003"), ("202003", "", "202003"), ("20200320", "", "202003"),
        ("2020-03", "", "202003"), ("ES-202003", "ES", "202003"), ("H99", "", "199903"),
        ("ES MAR20", "ES", "202003"), ("ES Jun 2020", "ES", "202006"), ("JAN-20", "", "202001"),
        ("CL 13-20", "", ""), ("ES", "", ""), ("ES ##-##", "", ""), ("", "", ""),
    ],
)  # fmt: skip
def test_what_a_contract_is_called(text: str, root: str, code: str) -> None:
    assert contracts.stated_code(text) == (root, code)


@pytest.mark.parametrize(
    ("code", "year", "month", "contract"),
    [
        ("003", 2020, 3, "202003"), ("003", 2020, 4, "203003"), ("003", 2011, 1, "202003"),
        ("912", 2010, 5, "201912"), ("003", 2010, 1, "201003"), ("202003", 2031, 1, "202003"),
    ],
)  # fmt: skip
def test_rows_tell_the_decade_of_a_year_with_one_digit(
    code: str, year: int, month: int, contract: str
) -> None:
    assert contracts.decided(code, year, month) == contract


NAMES = {
    "ES 03-20.Last.txt": "ES", "ESH20.Last.txt": "ES", "ESH0.txt": "ES", "ESH2020.txt": "ES",
    "6E 03-20.Last.txt": "6E", "6EH20.txt": "6E", "M2K 03-20.txt": "M2K", "M2KH0.txt": "M2K",
    "ES MAR20.Last.txt": "ES", "M2K Mar20.txt": "M2K", "MESH20.txt": "MES",
    "ES_03-20.txt": "ES", "ZNH20 minute.txt": "ZN",
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_the_names_of_ninjatraders_files(project: Any, name: str) -> None:
    """One contract of a root is the root."""
    project.write(f"data/raw/{name}", bars(100, (DAYS[0], 5)))
    project.run(configured())
    assert prices(project, NAMES[name]) == {"2020-03-10": [100]}
    assert project.known[f"data/raw/{name}"].detail["contracts"] == {NAMES[name]: "202003"}


# A second contract


@pytest.mark.parametrize(
    "second", ["ES 06-20.Last.txt", "ESM20.Last.txt", "ESM0.txt", "ES JUN20.Last.txt"]
)
@pytest.mark.parametrize("runs", [1, 2])
def test_a_second_contract_is_rejected_with_the_remedy(
    project: Any, second: str, runs: int
) -> None:
    """In the same run and in a later one; the instrument keeps its first."""
    project.write(MARCH, bars(100, (DAYS[0], 5), (DAYS[1], 5)))
    if runs == 2:
        project.run(configured())
    project.write(f"data/raw/{second}", bars(200, (DAYS[1], 9), (DAYS[2], 9), start=1))
    run = project.run(configured())
    (rejected,) = run.all("rejected")
    assert rejected["path"] == f"data/raw/{second}"
    whose = f"which is that of {MARCH}" if runs == 1 else "which is what it has so far"
    assert f"it holds the contract 202006 of ES, not 202003, {whose}" in rejected["reason"]
    assert 'set roll for the source, to "front"' in rejected["reason"]
    assert prices(project) == {"2020-03-10": [100], "2020-03-11": [100]}
    assert not run.failed


def test_a_contract_in_an_archive_is_rejected_in_a_later_run_too(project: Any) -> None:
    settings = configured(glob="data/raw/*.zip")
    for name, price in (("ES 03-20", 100), ("ES 06-20", 200)):
        project.write(f"data/raw/at {price}.zip", packed(f"{name}.txt", bars(price, (DAYS[0], 5))))
        run = project.run(settings)
    (rejected,) = run.all("rejected")
    assert "it holds the contract 202006 of ES, not 202003" in rejected["reason"]
    assert prices(project) == {"2020-03-10": [100]}


@pytest.mark.parametrize("days", [DAYS[1:], DAYS[2:]])
def test_a_contract_that_a_pattern_finds_is_rejected_in_a_later_run_too(
    project: Any, days: list[dt.date]
) -> None:
    """Its path has nothing that looks like a contract."""
    settings = configured(contract=ContractRule(pattern=r"_exp(\d{6})"))
    project.write("data/raw/ES_exp202003.txt", bars(100, *((day, 5) for day in DAYS[:2])))
    project.run(settings)
    project.write("data/raw/ES_exp202006.txt", bars(200, *((day, 9) for day in days)))
    (rejected,) = project.run(settings).all("rejected")
    assert "it holds the contract 202006 of ES, not 202003" in rejected["reason"]
    assert set(prices(project)) == {"2020-03-10", "2020-03-11"}


def test_the_contract_that_came_first_stays_also_if_it_is_the_later_one(project: Any) -> None:
    """Also with --rebuild, and when its raw file is gone."""
    file = project.write(JUNE, bars(200, (DAYS[0], 5)))
    project.run(configured())
    project.write(MARCH, bars(100, (DAYS[0], 9)))
    for rebuild in (False, True):
        run = project.run(configured(), rebuild=rebuild)
        known = [row.path for row in run.plan.rejected]
        assert [*run.paths("rejected"), *known] == [MARCH]
        assert prices(project) == {"2020-03-10": [200]}
    file.unlink()
    project.write(MARCH, bars(101, (DAYS[0], 9)))
    assert len(project.run(configured()).all("rejected")) == 1
    assert prices(project) == {"2020-03-10": [200]}


def test_files_that_were_read_before_contracts_were_noted_tell_it_by_their_names(
    project: Any,
) -> None:
    project.write(MARCH, bars(100, (DAYS[0], 5)))
    project.run(configured())
    for row in project.known.values():
        row.detail.pop("contracts")
    project.write(JUNE, bars(200, (DAYS[0], 9)))
    assert len(project.run(configured()).all("rejected")) == 1
    assert prices(project) == {"2020-03-10": [100]}


@pytest.mark.parametrize("gone", [False, True])
@pytest.mark.parametrize("series", ["bars", "ticks"])
@pytest.mark.parametrize("first", [MARCH, JUNE])
def test_without_a_ledger_the_published_rows_tell_the_contract(
    project: Any, first: str, series: str, gone: bool
) -> None:
    """Whichever it is, and whether its raw file is there or not."""
    settings = ticks() if series == "ticks" else configured()

    def text(price: float) -> str:
        if series == "bars":
            return bars(price, *((day, 5) for day in DAYS)) + bars(price, (DAYS[0], 5), start=30)
        stamps = (f"20200310 1530{n:02} {int(price):07}" for n in range(40))
        return "".join(f"{stamp};{price};{price};{price};1\n" for stamp in stamps)

    second = JUNE if first == MARCH else MARCH
    file = project.write(first, text(100))
    project.run(settings)
    tree = project.tree()
    project.known.clear()
    project.outputs.clear()
    project.write(second, text(200))
    if gone:
        file.unlink()
    run = project.run(settings)
    (rejected,) = run.all("rejected")
    assert rejected["path"] == second
    assert ("most of its prices differ" in rejected["reason"]) is gone
    assert project.tree() == tree
    assert run.paths("consumed") == ([] if gone else [first])


def test_further_files_of_the_same_contract_and_without_one_are_as_ever(project: Any) -> None:
    project.write(MARCH, bars(100, (DAYS[0], 5)))
    project.write("data/raw/ESH20 again.txt", bars(100, (DAYS[1], 5)))
    project.write("data/raw/ESH0.txt", bars(100, (DAYS[2], 5)))
    project.write("data/raw/ES.txt", bars(100, (DAYS[2], 5), start=20))
    assert not project.run(configured()).all("rejected")
    assert len(project.rows("ES", MONTH)) == 40


def test_roots_and_series_have_contracts_of_their_own(project: Any) -> None:
    project.write(MARCH, bars(100, (DAYS[0], 5)))
    project.write("data/raw/NQ 06-20.txt", bars(200, (DAYS[0], 5)))
    project.write("data/raw/ES 06-20.csv", "20200310 153000 0000000;3;2;4;1\n")
    both = Settings(
        sources=(*configured().sources, *ticks(glob="data/raw/*.csv").sources), instruments=("*",)
    )
    assert not project.run(both).all("rejected")
    assert prices(project, "NQ") == {"2020-03-10": [200]}
    assert len(project.ticks("ES", "2020-03-10")) == 1


def symbols(*rows: tuple[dt.date, str, float, int], header: str = "symbol") -> str:
    lines = [f"timestamp,open,high,low,close,volume,{header}"]
    for day, symbol, price, volume in rows:
        lines += [
            f"{day} 15:{n:02}:00,{price},{price},{price},{price},{volume},{symbol}"
            for n in range(10)
        ]
    return "\n".join(lines) + "\n"


def by_symbol(**more: Any) -> Settings:
    given: dict[str, Any] = {
        "glob": "data/raw/*.csv", "separator": ",", "header": True, "bar_time": "open",
        "columns": ("timestamp", "open", "high", "low", "close", "volume"),
        "timestamp_format": "%Y-%m-%d %H:%M:%S", "instrument": SYMBOL,
    }  # fmt: skip
    return configured(**given | more)


def test_several_contracts_in_a_column_reject_their_file(project: Any) -> None:
    rows = [(DAYS[0], "ESH0", 100, 5), (DAYS[0], "ESM0", 200, 9), (DAYS[0], "NQM0", 300, 1)]
    project.write("data/raw/x.csv", symbols(*rows))
    (rejected,) = project.run(by_symbol()).all("rejected")
    assert rejected["reason"].startswith("it holds several contracts of ES: 202003 and 202006.")
    assert not (project.root / "data/processed").exists()


@pytest.mark.parametrize("count", [1, 6])  # alone, and as one block
@pytest.mark.parametrize("first", ["ESH0", "ESH20"])
def test_columns_are_remembered_like_names(project: Any, first: str, count: int) -> None:
    for n in range(count):
        project.write(f"data/raw/{n}.csv", symbols((DAYS[0] + dt.timedelta(n), first, 100, 5)))
    assert not project.run(by_symbol()).all("rejected")
    for n in range(count):
        project.write(f"data/raw/1{n}.csv", symbols((DAYS[0] + dt.timedelta(n), "ESM0", 200, 9)))
    assert len(project.run(by_symbol()).all("rejected")) == count
    assert [*prices(project).values()] == [[100]] * count


@pytest.mark.parametrize(
    ("rule", "header", "text"),
    [
        (ContractRule(column="expiry"), "symbol,expiry", "ES,{year}{month:02}20"),
        (ContractRule(column="expiry"), "symbol,expiry", '"ES" , "{month:02}-{year}"'),
        (ContractRule(column="symbol", pattern=r"ES_(\d\d-\d\d)"), "symbol", "ES_{month:02}-20"),
        (ContractRule(column="symbol", pattern=r"_(.+)$"), "symbol", "ES_ES{letter}0"),
    ],
)
def test_a_contract_from_a_column(project: Any, rule: ContractRule, header: str, text: str) -> None:
    """Of its own, or that of the instrument with another pattern."""
    rows = [
        (DAYS[0], text.format(year=2020, month=month, letter=letter), price, 5)
        for month, letter, price in ((3, "H", 100.0), (6, "M", 200.0))
    ]
    project.write("data/raw/x.csv", symbols(*rows, header=header))
    instrument = InstrumentRule(column="symbol", pattern="^(ES)")
    settings = by_symbol(instrument=instrument, contract=rule, roll="separate")
    assert not project.run(settings).all("rejected")
    assert prices(project, "ES-202003") == {"2020-03-10": [100]}
    assert prices(project, "ES-202006") == {"2020-03-10": [200]}


def test_a_contract_from_a_pattern_for_the_file_name(project: Any) -> None:
    rule = ContractRule(pattern=r"exp(\d{6})")
    for month, price in (("202003", 100), ("202006", 200)):
        project.write(f"data/raw/ES exp{month}.txt", bars(price, (DAYS[0], 5)))
    project.run(configured(contract=rule, roll="separate"))
    assert prices(project, "ES-202006") == {"2020-03-10": [200]}
    project.write("data/raw/ES 03-20.txt", bars(price, (DAYS[0], 5)))
    (rejected,) = project.run(configured(contract=rule, roll="separate")).all("rejected")
    assert "the file name has no contract, such as 'ES 03-20'" in rejected["reason"]


def test_rows_without_a_contract_are_set_aside_where_one_is_needed(project: Any) -> None:
    project.write(
        "data/raw/x.csv", symbols((DAYS[0], "ESH0", 100, 5)) + "2020-03-10 16:00:00,1,1,1,1,1,ES\n"
    )
    rule = InstrumentRule(column="symbol", pattern="^(ES)")
    project.run(by_symbol(instrument=rule, roll="front"))
    (row,) = project.quarantine()
    assert row["reason"] == (
        "there is no contract, such as 'ES 03-20', 'ESH20', 'ESH0' or '202003', in 'ES'"
    )


# Separate


def test_separate_contracts_are_instruments_of_their_own(project: Any) -> None:
    project.write(MARCH, bars(100, (DAYS[0], 5)))
    project.write(JUNE, bars(200, (DAYS[0], 9)))
    run = project.run(configured(roll="separate"))
    assert not run.all("rejected")
    assert sorted(project.tree()) == [
        f"ES-20200{m}/1m/2020/ES-20200{m}_1m_2020-03.parquet" for m in (3, 6)
    ]
    assert prices(project, "ES-202003") == {"2020-03-10": [100]}
    assert run.metrics("ES-202003")["off_grid"] == 0  # by the tick of ES
    assert "pipekit.roll" not in project.metadata("ES-202003", MONTH)


# Front


def files(*names: str) -> dict[str, str]:
    """March has the volume on the first day, June on the third; on the second both have as much."""
    first, second, third = DAYS
    found = {
        "march": (MARCH, bars(100, (first, 9), (second, 7), (third, 2))),
        "june": (JUNE, bars(200, (first, 3), (second, 7), (third, 8))),
        "june early": ("data/raw/ESM20 a.txt", bars(200, (first, 3), (second, 3), (third, 8))),
        "june late": ("data/raw/ESM20 b.txt", bars(200, (second, 4), start=20)),
        "june more": ("data/raw/ESM20 c.txt", bars(200, (first, 7), start=20)),
        "september": ("data/raw/ESU20.txt", bars(300, (third, 50))),
    }
    return {found[name][0]: found[name][1] for name in names}


FRONT = {"2020-03-10": [100], "2020-03-11": [100], "2020-03-12": [200]}


@pytest.mark.parametrize("order", [*itertools.permutations(["march", "june early", "june late"])])
@pytest.mark.parametrize("cut", [0, 1, 2])
def test_front_does_not_depend_on_the_order_in_which_files_arrive(
    new_project: Any, order: list[str], cut: int
) -> None:
    """Nor on the runs: the bytes are the same; each day is that of the most volume."""
    one, other = new_project(), new_project()
    for path, text in files(*order).items():
        one.write(path, text)
    one.run(configured(roll="front"))
    assert prices(one) == FRONT
    assert stated(one) == {
        "2020-03-10": "202003", "2020-03-11": "202003", "2020-03-12": "202006",
    }  # fmt: skip
    assert one.metadata("ES", MONTH)["pipekit.roll"] == "front"
    for part in (order[:cut], order[cut : cut + 1], order[cut + 1 :]):
        for path, text in files(*part).items():
            other.write(path, text)
        if part:
            other.run(configured(roll="front"))
    assert other.tree() == one.tree()


def test_a_contract_that_arrives_later_with_more_volume_replaces_the_day(project: Any) -> None:
    """Whole, so that no minute of the other one is left; its own earlier rows come back."""
    for path, text in files("march", "june").items():
        project.write(path, text)
    project.run(configured(roll="front"))
    assert prices(project) == FRONT
    for path, text in files("june more").items():
        project.write(path, text)
    run = project.run(configured(roll="front"))
    assert prices(project) == FRONT | {"2020-03-10": [200]}
    assert len([row for row in project.rows("ES", MONTH) if row[0] < "2020-03-11"]) == 20
    assert run.paths("wrote")[-1] == f"data/processed/ES/1m/2020/ES_1m_{MONTH}.parquet"
    for path, text in files("september").items():
        project.write(path, text)
    project.run(configured(roll="front"))
    assert prices(project)["2020-03-12"] == [300]
    assert sorted(project.tree()) == ["ES/1m/2020/ES_1m_2020-03.parquet"]


def test_what_changes_nothing_of_the_front_rewrites_nothing(project: Any) -> None:
    for path, text in files("march", "june").items():
        project.write(path, text)
    project.run(configured(roll="front"))
    project.write("data/raw/ESU20.txt", bars(300, (DAYS[0], 1)))
    run = project.run(configured(roll="front"))
    assert f"data/processed/ES/1m/2020/ES_1m_{MONTH}.parquet" in run.paths("unchanged")
    assert prices(project) == FRONT


@pytest.mark.parametrize("lost", ["ledger", "front", "contracts", "both", "raw", "nothing"])
def test_front_is_made_again_from_what_is_there(project: Any, lost: str) -> None:
    for path, text in files("march", "june").items():
        project.write(path, text)
    project.run(configured(roll="front"))
    tree = project.tree()
    if lost == "ledger":
        project.known.clear()
        project.outputs.clear()
    if lost in ("front", "both", "raw"):
        shutil.rmtree(project.root / "data/processed")
    if lost in ("contracts", "both"):
        shutil.rmtree(project.root / "data/contracts")
    if lost == "raw":
        shutil.rmtree(project.root / "data/raw")
    run = project.run(configured(roll="front"), rebuild=lost == "nothing")
    assert not run.failed
    assert project.tree() == tree
    assert prices(project) == FRONT
    assert not project.run(configured(roll="front")).plan.tasks


def test_an_emptied_contract_gives_its_days_back(project: Any) -> None:
    for path, text in files("march", "june").items():
        project.write(path, text)
    project.run(configured(roll="front"))
    project.write(JUNE, "")
    project.run(configured(roll="front"), rebuild=True)
    assert prices(project) == {**FRONT, "2020-03-12": [100]}


@pytest.mark.parametrize("before", ["", "front", "separate"])
@pytest.mark.parametrize("after", ["", "front", "separate"])
def test_another_roll_leaves_nothing_of_the_one_before(
    new_project: Any, before: str, after: str
) -> None:
    """The rows are those of a project that had it from the beginning."""
    one, other = new_project(), new_project()
    for project in (one, other):
        for path, text in files("march", "june").items():
            project.write(path, text)
    one.run(configured(roll=before))
    one.run(configured(roll=after))
    other.run(configured(roll=after))
    for name in ("ES", "ES-202003", "ES-202006"):
        wanted = prices(other, name) if other.month(name, MONTH).exists() else {}
        found = prices(one, name) if one.month(name, MONTH).exists() else {}
        assert found == wanted, name


def test_front_goes_by_the_rows_of_a_column(project: Any) -> None:
    rows = [(DAYS[0], "ESH0", 100.0, 9), (DAYS[0], "ESM0", 200.0, 5), (DAYS[1], "ESM0", 200.0, 1)]
    project.write("data/raw/x.csv", symbols(*rows, (DAYS[0], "NQM0", 300.0, 5)))
    project.run(by_symbol(roll="front"))
    assert prices(project) == {"2020-03-10": [100], "2020-03-11": [200]}
    assert prices(project, "NQ") == {"2020-03-10": [300]}


def test_front_of_ticks_and_of_bars_made_of_them(project: Any, new_project: Any) -> None:
    first, second = (
        f"2020031{n} 1530{at:02} 0000000;{{}};1;2;{{}}\n" for n, at in ((0, 1), (1, 1))
    )
    march = first.format(100, 9) * 3 + second.format(100, 1)
    june = (first.format(200, 5) + second.format(200, 5)).replace(" 153001", " 153002")
    other = new_project()
    for each in (project, other):
        each.write(MARCH, march)
        each.write(JUNE, june)
    project.run(ticks(roll="front"))
    assert [row[1] for row in project.ticks("ES", "2020-03-10")] == [100] * 3
    assert [row[1] for row in project.ticks("ES", "2020-03-11")] == [200]
    assert stated(project, "2020-03-11") == {"2020-03-11": "202006"}
    other.run(ticks(roll="front", aggregate="1m"))
    assert prices(other) == {"2020-03-10": [100], "2020-03-11": [200]}


def test_rows_without_contract_are_not_added_to_what_is_put_together(project: Any) -> None:
    for path, text in files("march", "june").items():
        project.write(path, text)
    project.write("data/raw/ES.csv", bars(100, (DAYS[0], 9), start=30))
    plain = configured(glob="data/raw/*.csv").sources
    settings = Settings(sources=(*configured(roll="front").sources, *plain), instruments=("*",))
    run = project.run(settings)
    assert "ES is put together from contracts" in run.failed["ES"]
    assert "data/raw/ES.csv" not in run.paths("consumed")
    project.write("data/raw/ES ##-##.Last.txt", bars(1, (DAYS[0], 9)))
    (rejected,) = project.run(configured(roll="front")).all("rejected")
    assert "and roll needs one" in rejected["reason"]


# Tables


TABLES: list[dict[str, Any]] = [
    {"2020-03-01": "ES 03-20", "2020-03-11": "ES 06-20"},
    {"ESH20": dt.date(2020, 3, 1), "ESM0": dt.date(2020, 3, 11)},
    {"202003": "2019-12-12", "202006": "2020-03-11"},
    {"2019-12-12": "H20", "2020-03-11": "06-20", "2020-03-10": "NQ 06-20"},
]


@pytest.mark.parametrize("table", TABLES)
def test_a_table_says_from_when_on_which_contract(project: Any, table: dict[str, Any]) -> None:
    for path, text in files("march", "june").items():
        project.write(path, text)
    project.run(configured(roll=table))
    assert prices(project) == {"2020-03-10": [100], "2020-03-11": [200], "2020-03-12": [200]}
    assert stated(project)["2020-03-11"] == "202006"


def test_days_without_the_contract_of_the_table_are_left_out_and_named(project: Any) -> None:
    for path, text in files("march", "june").items():
        project.write(path, text)
    run = project.run(configured(roll={"2020-03-11": "ES 06-20", "2020-03-12": "ES 09-20"}))
    assert prices(project) == {"2020-03-11": [200]}
    assert "no rows on 2020-03-10, 2020-03-12" in run.warnings


def test_another_table_moves_days(project: Any) -> None:
    for path, text in files("march", "june").items():
        project.write(path, text)
    project.run(configured(roll=TABLES[0]))
    project.run(configured(roll={"2020-03-01": "ES 03-20", "2020-03-12": "ES 06-20"}))
    assert prices(project) == FRONT


REFUSED: dict[str, dict[str, Any]] = {
    "roll: the table is empty": {"roll": {}},
    "roll: invalid entry '2020-03-12' = 'soon': write a date and": {"roll": {"2020-03-12": "soon"}},
    "roll: 2020-03-12 is given two contracts": {"roll": {"2020-03-12": "H20", "M20": "2020-03-12"}},
    'roll = "front" goes by the volume': {
        "roll": "front", "volume": "none", "columns": ("timestamp", "open", "high", "low", "close"),
    },
    "roll needs contracts": {"roll": "front", "dialect": "A"},
    "contract: 'close' is the name of two columns": {
        "contract": ContractRule(column="Close"), "dialect": "A",
    },
    "contract.column needs a header": {"contract": ContractRule(column="x")},
}  # fmt: skip


@pytest.mark.parametrize("words", REFUSED)
def test_settings_that_make_no_sense_are_refused(words: str) -> None:
    with pytest.raises(ValueError, match="source") as caught:
        configured(**REFUSED[words])
    assert words in str(caught.value)


def test_contract_rules_that_find_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="set a pattern, a column, or both"):
        ContractRule()
    with pytest.raises(ValueError, match="has no group"):
        ContractRule(pattern="H20")


def test_a_new_version_with_contracts_reads_no_file_again() -> None:
    format = configured().format(configured().sources[0], accepted=True)
    assert format.reading["instrument"] == {
        "pattern": r"^([A-Za-z]+(?:\d[A-Za-z]+)?)", "column": "", "constant": "",
    }  # fmt: skip
    assert not {"roll", "contract", "interval"} & format.reading.keys()
