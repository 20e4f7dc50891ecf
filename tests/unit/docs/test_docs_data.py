"""The data page says what the stages' files hold: columns, metadata, parameters, sessions."""

from __future__ import annotations

import json
import re
import tomllib

import pyarrow as pa
import pytest
from pipekit_analyzer import instruments
from pipekit_analyzer.settings import Settings as AnalyzerSettings
from pipekit_analyzer.work import kernel, rows
from pipekit_merger.work import rows as merged_rows
from pipekit_merger.work import scope, summary
from pipekit_translator.presets.house import PRESETS
from pipekit_translator.work.publish import parquet

from ...pages import docs
from ...pages import rows as table_rows


@pytest.fixture
def page():
    return docs("reference/data.md")


def columns(text: str) -> dict[str, str]:
    """Name → type of a table of columns, in order; several names may stand in one cell."""
    listed = re.findall(r"^\| (`[a-z_` ]+`) \| ([^|]*) \|", text, re.MULTILINE)
    return {name: kind.strip() for names, kind in listed for name in re.findall(r"\w+", names)}


def kinds(schema: pa.Schema) -> dict[str, str]:
    """The types as the page writes them."""
    plain = {"double": "float64", "date32[day]": "date32"}
    found = {field.name: plain.get(str(field.type), str(field.type)) for field in schema}
    return {name: kind.replace("tz=", "") for name, kind in found.items()}


def test_the_columns_of_processed_bars(page):
    """Name, order and type of each."""
    assert list(columns(page.section("Processed bars")).items()) == list(
        kinds(parquet.SCHEMAS["1m"]).items()
    )


def test_the_columns_of_processed_ticks(page):
    """Likewise."""
    assert columns(page.section("Processed ticks")) == kinds(parquet.SCHEMAS["tick"])


def test_the_metadata_of_processed_bars(page):
    """Every key has its row."""
    named = re.findall(r"^\| `(pipekit\.\w+)`", page.section("Processed bars"), re.MULTILINE)
    assert named == [parquet.DAYS_KEY, parquet.LAST_KEY, parquet.ZONE_KEY]


def test_the_columns_of_results(page):
    """Those that the analyzer writes and the merger reads."""
    section = page.section("Results").partition("### ")[0]
    found = columns(section.replace("zone of the exchange", "America/Chicago"))
    assert list(found.items()) == list(kinds(rows.schema("America/Chicago")).items())
    assert tuple(found) == merged_rows.COLUMNS


def test_the_columns_of_the_summary(page):
    """Name, order and type of each."""
    found = columns(page.section("Summary"))
    assert list(found.items()) == list(kinds(summary.SCHEMA).items())


def test_every_result_has_its_row(page):
    """And no other."""
    section = page.section("Breakout analysis").partition("| result |")[2]
    listed = [row[0] for row in table_rows(f"| result |{section}")]
    assert sorted(listed) == sorted(kernel.RESULTS)


def test_the_instruments_are_the_built_in_ones(page):
    """With the parameters that the plugin has, micros included."""
    with open(instruments.BUILT_IN, "rb") as file:
        tables = tomllib.load(file)
    listed = {}
    for name, *parameters, micro, usd in table_rows(page.section("Instruments")):
        fields = ("tick", "target", "decimals", "usd_per_point")
        listed[name] = dict(zip(fields, map(float, parameters), strict=True))
        listed[micro] = {"parent": name, "usd_per_point": float(usd)}
    assert listed == tables


def test_the_sessions_are_the_default_ones(page):
    """Start, slots and stream."""
    text = page.section("Breakout analysis").partition("\n\nTimes are")[0]
    listed = [(name, start, slots.split(", "), s) for name, start, slots, s in table_rows(text)]
    assert listed == [
        (s.name, f"{s.start:%H:%M}", [f"{at:%H:%M}" for at in s.slots], s.stream)
        for s in AnalyzerSettings().sessions
    ]


def test_the_dialects_are_the_presets(page):
    """Header and separator of each."""
    listed = {row[0]: (row[2] == "yes", row[4]) for row in table_rows(page.section("Raw files"))}
    parts = {name: preset.parts for name, preset in PRESETS.items()}
    assert listed == {name: (bool(d.header), d.separator) for name, d in parts.items()}


def test_the_rules_have_the_numbers_that_the_code_speaks_of(page):
    """`work/kernel.py` refers to them."""
    numbers = re.findall(r"^(\d)\. \*\*", page.section("Breakout analysis"), re.MULTILINE)
    assert numbers == [str(n) for n in range(10)]


def test_the_example_of_a_scope_can_be_read(page):
    """By the merger."""
    (block,) = page.blocks("json")
    read = scope.parse_scope(json.loads(block.text))
    assert read.instrument == "ES"
    assert read.parts[0].covers("default", ("S2", "09:30"))
    assert not read.parts[0].covers("default", ("S2", "10:00"))
