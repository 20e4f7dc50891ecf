"""Numbers and time stamps out of bytes, held against Python's own."""

from __future__ import annotations

import datetime as dt
import random

import numpy as np
import pytest
from pipekit_translator.stampformat import Stamp
from pipekit_translator.work.parse import lines


def bytes_of(text: str) -> lines.Bytes:
    return np.frombuffer(text.encode(), np.uint8)


def decimals(*texts: str) -> tuple[lines.Floats, lines.Flags]:
    ends = np.cumsum([len(text) + 1 for text in texts]) - 1
    starts = ends - np.array([len(text) for text in texts])
    return lines.decimals(bytes_of(",".join(texts)), starts, ends)


def test_every_number_is_the_double_nearest_to_its_text() -> None:
    rng = random.Random(7)
    texts = ["0", "7", "12345678", "12345678.1234567", "-1", "-0.5", ".5", "5.", "00012.50"]
    texts += [
        f"{rng.choice(['', '-'])}{rng.randrange(10 ** rng.randint(1, 8))}"
        f".{rng.randrange(10**6):0{rng.randint(1, 6)}d}"[:16]
        for _ in range(20_000)
    ]
    values, plain = decimals(*texts)
    assert plain.all()
    assert values.tolist() == [float(text) for text in texts]


@pytest.mark.parametrize(
    "text",
    ["", "-", ".", "-.", "1.2.3", "1,", "1e5", " 1", "1 ", "+1", "abc", "1-2", "--1",
     "1234567890123456", "1.123456789012345", "1_0", "0x1", "1:2", "1/2", "１",
     "12345678.12345678", "nan", "\x00", "1\x00"],
)  # fmt: skip
def test_what_is_no_plain_number_is_left_to_the_caller(text: str) -> None:
    data = text.encode().decode("latin-1")
    assert not decimals("55.5", data, "66.6")[1][1]


def test_neighbouring_fields_do_not_matter() -> None:
    values, plain = decimals("99999999", "1", ".", "2.5", "9.9", "3")
    assert plain.tolist() == [True, True, False, True, True, True]
    assert values[[1, 3, 5]].tolist() == [1.0, 2.5, 3.0]


def test_time_stamps_agree_with_the_standard_library() -> None:
    """Every day of a century and more, and one second of each."""
    layout = Stamp.of("%Y-%m-%dT%H:%M:%SZ")
    first = dt.datetime(1999, 12, 30, tzinfo=dt.UTC)
    moments = [first + dt.timedelta(days=day, seconds=day * 37 % 86_400) for day in range(40_000)]
    data = "".join(f"{moment:%Y-%m-%dT%H:%M:%SZ}" for moment in moments)
    start = np.arange(len(moments)) * 20
    seconds, ok = lines.instants(*lines.stamps(bytes_of(data), start, start + 20, layout), 1)
    assert ok.all()
    assert seconds.tolist() == [int(moment.timestamp()) for moment in moments]


@pytest.mark.parametrize(
    "text",
    ["2020-00-10 10:00", "2020-13-10 10:00", "2021-02-29 10:00", "2020-04-31 10:00",
     "2020-04-00 10:00", "2020-04-10 24:00", "2020-04-10 10:60", "2020/04/10 10:00",
     "2020-04-1a 10:00", "0000-04-10 10:00", "2020-04-10 10:0", "2020-04-10 10:000"],
)  # fmt: skip
def test_days_and_times_that_do_not_exist_are_not_read(text: str) -> None:
    start = np.array([0])
    layout = Stamp.of("%Y-%m-%d %H:%M")
    parts, ok = lines.stamps(bytes_of(text), start, start + len(text), layout)
    assert not lines.instants(parts, ok, 1)[1][0]
