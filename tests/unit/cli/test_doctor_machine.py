"""What `pipekit doctor` says of the machine: its time zones, and where nothing was tried."""

from __future__ import annotations

import time
import zoneinfo

import pytest

from pipekit.cli.doctor import machine
from pipekit.read.findings import Level


@pytest.fixture
def zones(tmp_path, monkeypatch):
    """What is said of a system whose time zones have this first line in this file."""

    def said(name: str, line: str) -> tuple[Level, str]:
        (tmp_path / "UTC").touch()
        (tmp_path / name).write_text(f"{line}\n")
        monkeypatch.setattr(zoneinfo, "TZPATH", ("/nope", str(tmp_path)))
        (found,) = machine.zones("")
        return found.level, found.text.replace(str(tmp_path), "HERE")

    return said


@pytest.mark.parametrize(
    ("name", "line", "version"),
    [("tzdata.zi", "# version {}b", "{}b"), ("+VERSION", "{}a", "{}a"), ("x", "", "unknown")],
)
def test_the_version_of_the_time_zones_is_named(zones, name, line, version):
    year = time.localtime().tm_year - 2
    level, text = zones(name, line.format(year))
    assert level is Level.OK
    assert text.endswith(f"; zones are those of HERE, version {version.format(year)}")


def test_time_zones_that_are_three_years_old_are_a_warning(zones):
    level, _ = zones("+VERSION", f"{time.localtime().tm_year - 3}e")
    assert level is Level.WARNING


def test_where_the_system_has_none_they_are_those_of_the_package(monkeypatch):
    tzdata = pytest.importorskip("tzdata")
    monkeypatch.setattr(zoneinfo, "TZPATH", ())
    (found,) = machine.zones("")
    assert found.text.endswith(f"those of the package tzdata, version {tzdata.IANA_VERSION}")


def test_a_zone_that_nobody_knows_is_an_error():
    (found,) = machine.zones("Europe/Atlantis")
    assert (found.level, "tzdata" in found.remedy) == (Level.BROKEN, True)
