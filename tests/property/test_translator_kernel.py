"""Both ways to read a block, compiled and with numpy, say the same of any header and bytes."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pipekit_translator.dialects import InstrumentRule
from pipekit_translator.settings import Settings, Source
from pipekit_translator.work.parse import kernel, scan
from pipekit_translator.work.parse.header import RejectedError
from pipekit_translator.work.parse.parser import Parser

SOURCES = {
    "A": Source(glob="*", dialect="A", timezone="America/Chicago"),
    "C": Source(glob="*", dialect="C", timezone="America/Chicago"),
    "D": Source(glob="*", dialect="D"),
    "T": Source(glob="*", dialect="T", timezone="America/Chicago"),
    "N": Source(glob="*", dialect="N", timezone="America/Chicago"),
    "nine": Source(
        glob="*",
        separator=";",
        header=False,
        columns=("timestamp", "price", "bid", "ask", "volume"),
        timestamp_format="%Y%m%d %H%M%S %9f",
        instrument=InstrumentRule(constant="ES"),
        timezone="America/Chicago",
    ),
}
FIRST = dt.datetime(2020, 10, 31, 20)  # the clocks go back, and a month ends
BORDERS = [FIRST, dt.datetime(2021, 3, 14, 1, 30), dt.datetime(2020, 2, 28, 23)]


def _interpreted(data, *rest):
    with np.errstate(over="ignore"):
        return scan.scan(data.tobytes(), *rest)  # whose items are whole numbers


INTERPRETED = kernel.Kernel(_interpreted)  # as Python runs it: for many small examples


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    return kernel.Kernel.load(str(tmp_path_factory.mktemp("compiled")))


def parsed(dialect, data, way, lines=7, header=None):
    """All that a parser makes of whole lines, or how it rejects them."""
    format = Settings(instruments=("*",)).format(SOURCES[dialect], accepted=False)
    folds = {}
    parser = Parser(format, "ES_03-20.txt", folds, way)
    try:
        if format.header:
            parser.begin(header or HEADERS[dialect])
        found = [parser.feed(part, lines) for part in (data, data)]  # folds go on
    except RejectedError as error:
        return str(error)
    return [
        (
            {
                name: [[repr(x) for x in column.tolist()] for column in (*bars.columns(), numbers)]
                for name, (bars, numbers) in sorted(rows.tables.items())
                if bars.size
            },
            rows.bad,
            rows.total,
            rows.lines,
        )
        for rows in found
    ], {name: (fold.last, fold.second) for name, fold in folds.items()}


HEADERS = {
    "A": b"Date,Time,Open,High,Low,Close,Volume,Instrument",
    "D": b"timestamp_utc,open,high,low,close,volume",
    "T": b"Date,Time,Open,High,Low,Close,Volume,Instrument",
}
PRICES = st.one_of(
    st.integers(-5000, 500_000).map(lambda n: f"{n / 100:.2f}"),
    st.integers(0, 10**16).map(str),
    st.decimals(-1000, 1000, places=7).map(str),
    st.sampled_from([".5", "5.", "-0.0", "1e3", "", "nan", "+1", "1.2.3", "007", "-", " 5"]),
)
MILLIS = st.sampled_from([0, 7, 123, 123, 123, 999])
USUAL = st.integers(100, 999).map(lambda n: f"{n}.25")


@st.composite
def lines(draw, dialect):
    """A line of the dialect: mostly usual, sometimes odd in one of its fields."""
    at = draw(st.sampled_from(BORDERS)) + dt.timedelta(minutes=draw(st.integers(0, 600)))
    odd = draw(st.integers(0, 6)) == 0
    price = draw(PRICES if odd else USUAL)
    numbers = [price] * 4 if not odd else [draw(USUAL), draw(USUAL), draw(PRICES), draw(USUAL)]
    if not odd:
        numbers[1] = f"{float(price) + 1}"
    volume = draw(st.sampled_from(["5", "106.0", "0"]) if not odd else PRICES)
    stamp = {
        "A": f"{at:%Y-%m-%d,%H:%M:%S}",
        "C": f"{at:%Y%m%d %H%M%S}",
        "D": f"{at:%Y-%m-%dT%H:%M:%SZ}",
        "T": f"{at:%Y-%m-%d,%H:%M:%S}.{draw(MILLIS):03}",
        "N": f"{at:%Y%m%d %H%M%S} {draw(MILLIS):03}0001",
        "nine": f"{at:%Y%m%d %H%M%S} {draw(MILLIS):03}00100{draw(MILLIS) % 10}",
    }
    if dialect in ("N", "nine"):
        numbers = numbers[:3]
    fields = [stamp[dialect], *numbers, volume]
    if dialect in "AT":
        fields.append(draw(st.sampled_from(["ES", "ES", "ES", "NQ", '"GC"', " CL"])))
    return ("," if dialect in "ADT" else ";").join(fields)


@st.composite
def blocks(draw):
    dialect = draw(st.sampled_from(sorted(SOURCES)))
    rows = draw(st.lists(lines(dialect), min_size=1, max_size=12))
    end = draw(st.sampled_from(["\n", "\r\n"]))
    data = bytearray(end.join(rows).encode() + draw(st.sampled_from([b"", end.encode()])))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return dialect, bytes(data)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(block=blocks())
def test_both_ways_say_the_same_of_any_bytes(block):
    dialect, data = block
    assert parsed(dialect, data, INTERPRETED) == parsed(dialect, data, None)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    names=st.permutations([*HEADERS["A"].decode().split(","), "volume", "Other"]),
    count=st.integers(7, 10),
    rows=st.lists(st.integers(1, 9), min_size=1, max_size=5),
)
def test_both_ways_take_the_same_columns_of_any_header(names, count, rows):
    """In any order, with a name twice, with one missing: of the same columns, or not at all."""
    names = names[:count]
    fields = {"Date": "2020-01-06", "Time": "09:30:00", "High": "9", "Low": "0", "Instrument": "ES"}
    lines = [
        ",".join(fields.get(name, str((row + at) % 9)) for at, name in enumerate(names))
        for row in rows
    ]
    data, header = "".join(f"{line}\n" for line in lines).encode(), ",".join(names).encode()
    found = [parsed("A", data, way, header=header) for way in (INTERPRETED, None)]
    assert found[0] == found[1]
    if {"Volume", "volume"} <= set(names) and len({name.lower() for name in names}) > 8:
        assert found[0].startswith("line 1: the header has several columns named volume: ")
        assert "(volume=#7 for the seventh)" in found[0]


@settings(max_examples=100, deadline=None, derandomize=True)
@given(block=blocks())
def test_compiled_it_says_the_same(compiled, block):
    dialect, data = block
    assert parsed(dialect, data, compiled) == parsed(dialect, data, None)


def rows_of(*stamps, price="1.25", volume="106", name="ES"):
    """Rows of dialect A that differ in one thing."""
    return [f"{stamp},{price},{price},{price},{price},{volume},{name}" for stamp in stamps]


USUAL_STAMP = "2020-01-06,09:30:00"
NEVER = [
    *("2020-01-06,24:00:00", "2020-01-06,09:60:00", "2020-01-06,09:30:60", "2020-13-06,09:30:00"),
    *("2020-00-06,09:30:00", "2020-01-00,09:30:00", "2020-01-32,09:30:00", "2020-06-31,09:30:00"),
    *("2020-09-31,09:30:00", "2020-02-30,09:30:00", "2021-02-29,09:30:00", "2100-02-29,09:30:00"),
    *("2020/01-06,09:30:00", "2020-01/06,09:30:00", "2020-01-06,09.30:00", "2020-01-06,09:30.00"),
    *("2020-01-06,9:30:000", "0000-01-06,09:30:00", "20 0-01-06,09:30:00", "2020-01-06;09:30:00"),
]
EVER = ["2020-02-29,09:30:00", "2000-02-29,09:30:00", "2020-08-31,23:59:59", "2020-07-31,00:00:00"]
RARE = {
    **{f"never: {stamp}": rows_of(USUAL_STAMP, stamp) for stamp in NEVER},
    **{f"ever: {stamp}": rows_of(USUAL_STAMP, stamp) for stamp in EVER},
    "the same time of other days": rows_of(*(f"2020-01-{day:02},09:30:00" for day in range(6, 20))),
    "the same time of another month": rows_of(USUAL_STAMP, "2020-02-06,09:30:00"),
    "many digits": rows_of(*[USUAL_STAMP] * 3, volume="1234567890"),
    "eight digits": rows_of(*[USUAL_STAMP] * 3, volume="12345678", price="12345.67"),
    "nine digits": rows_of(*[USUAL_STAMP] * 3, volume="123456789", price="123456.789"),
    "too many digits": rows_of(*[USUAL_STAMP] * 3, price="9999999999.9999999"),
    "digits beyond what a double can count": [
        row for n in range(1, 40, 2) for row in rows_of(USUAL_STAMP, price=f"90071992547.4{n:05}")
    ],
    "more volume than a double can count": rows_of(USUAL_STAMP, volume="9007199254740993"),
    "no digit before the point": rows_of(*[USUAL_STAMP] * 3, price=".25"),
    "no digit behind the point": rows_of(*[USUAL_STAMP] * 3, price="25."),
    "two points": rows_of(USUAL_STAMP) + rows_of(USUAL_STAMP, price="1..5"),
    "negative prices": rows_of(*[USUAL_STAMP] * 3, price="-37.63"),
    "a negative volume": rows_of(USUAL_STAMP) + rows_of(USUAL_STAMP, volume="-106"),
    "half a volume": rows_of(USUAL_STAMP) + rows_of(USUAL_STAMP, volume="10.5"),
    "no volume": rows_of(USUAL_STAMP) + rows_of(USUAL_STAMP, volume=""),
    "long names that differ at their end": [
        row
        for name in ("INSTRUMENTA", "INSTRUMENTB") * 3
        for row in rows_of(USUAL_STAMP, name=name)
    ],
    "no name after a long one": [
        *rows_of(USUAL_STAMP, USUAL_STAMP, name="INSTRUMENTA"),
        *rows_of(USUAL_STAMP, name=""),
    ],
    "no name after a short one": rows_of(USUAL_STAMP) + rows_of(USUAL_STAMP, name=""),
    "names one of which begins like another": [
        row for name in ("ES", "ESX", "E") * 3 for row in rows_of(USUAL_STAMP, name=name)
    ],
    "a name with and without quotes": [
        row for name in ("ES", '"ES"', "ES", " NQ") for row in rows_of(USUAL_STAMP, name=name)
    ],
    "a column too many": [f"{row},1" for row in rows_of(USUAL_STAMP, USUAL_STAMP)],
    "a high below the close": [f"{USUAL_STAMP},1.5,1.5,1.0,2.0,1,ES"],
    "a low above the open": [f"{USUAL_STAMP},1.0,1.5,1.25,1.5,1,ES"],
    "lines without rows": ["", *rows_of(USUAL_STAMP), "", "", *rows_of(USUAL_STAMP), ""],
}


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize("case", RARE)
def test_all_ways_say_the_same_of_what_is_rare(compiled, case, end):
    """Each thing that a way could get wrong, between rows that are usual."""
    usual = rows_of(USUAL_STAMP)
    data = end.join(
        [*usual, *RARE[case], *usual * 5, ""]
    ).encode()  # the last ones go by themselves
    told = parsed("A", data, None)
    assert parsed("A", data, INTERPRETED) == told
    assert parsed("A", data, compiled) == told


@pytest.mark.parametrize("dialect", sorted(SOURCES))
def test_regular_rows_really_go_the_quick_way(compiled, dialect):
    """Or the two tests above would compare one way with itself."""
    rows = {
        "A": "2020-01-06,09:30:00,1.25,2.00,1.00,1.50,106.0,ES\r\n\r\n",
        "C": "20200106 093000;1.25;2;1;1.5;106\n",
        "D": "2020-01-06T09:30:00Z,1.25,2,1,1.5,106\n",
        "T": "2020-01-06,09:30:00.123,1.25,1.25,1.25,1.25,106.0,ES\n",
        "N": "20200106 093000 1230000;1.25;1.00;1.50;106\n",
        "nine": "20200106 093000 123000009;1.25;1.00;1.50;106\n",
    }
    format = Settings(instruments=("*",)).format(SOURCES[dialect], accepted=False)
    parser = Parser(format, "ES_1m.txt", {}, compiled)
    if format.header:
        parser.begin(HEADERS[dialect])
    found = parser._compiled(rows[dialect].encode() * 3, 1)
    assert found.total == 3
    (bars, numbers), *_ = found.tables.values()
    assert np.unique(bars.prices[0]).tolist() == [1.25]
    assert numbers.tolist() == ([1, 3, 5] if dialect == "A" else [1, 2, 3])
