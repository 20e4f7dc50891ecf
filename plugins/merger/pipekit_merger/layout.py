"""The folder of merged results: a file for each stream and month, and the summary."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from glob import glob
from hashlib import sha256

from attrs import frozen

SUMMARY_TABLE = "summary.parquet"
SUMMARY_TEXT = "summary.json"

_PATH = re.compile(
    r"(?P<stream>[^/]+)/(?P<year>\d{4})/(?P=stream)_(?P=year)_(?P<month>0[1-9]|1[0-2])\.parquet"
)


@frozen(order=True)
class StreamMonth:
    """A month of a stream, which is published as one file. As text: `ES1/2020-01`.

    `month`: number of months since January of the year 0.
    """

    stream: str
    month: int

    def __str__(self) -> str:
        return f"{self.stream}/{self.text}"

    @property
    def text(self) -> str:
        """The month as text: `2020-01`."""
        return f"{self.month // 12:04}-{self.month % 12 + 1:02}"

    @classmethod
    def parse(cls, text: str) -> StreamMonth:
        """The inverse of `str`. Raises ValueError."""
        stream, _, month = text.rpartition("/")
        year, _, number = month.partition("-")
        return cls(stream, int(year) * 12 + int(number) - 1)

    @property
    def path(self) -> str:
        """The path of its file, relative to the folder of merged results."""
        year, month = f"{self.month // 12:04}", f"{self.month % 12 + 1:02}"
        return f"{self.stream}/{year}/{self.stream}_{year}_{month}.parquet"

    @classmethod
    def of_path(cls, path: str) -> StreamMonth | None:
        """The inverse of `path`; None for any other path."""
        found = _PATH.fullmatch(path)
        if found is None:
            return None
        return cls(found["stream"], int(found["year"]) * 12 + int(found["month"]) - 1)


def find_months(folder: str) -> list[StreamMonth]:
    """The months that have a file in the folder of merged results, by stream and month."""
    found = glob("*/*/*.parquet", root_dir=folder)
    paths = sorted(path.replace(os.sep, "/") for path in found)
    return [month for month in map(StreamMonth.of_path, paths) if month is not None]


def digest(months: Iterable[tuple[str, str]]) -> str:
    """One digest for all months, each given as (path below the folder, fingerprint)."""
    lines = sorted(f"{path} {fingerprint}\n" for path, fingerprint in months)
    return sha256("".join(lines).encode()).hexdigest()
