"""The merged results as a page of the dashboard."""

from __future__ import annotations

import pytest
from pipekit_merger.results.browser import page

from pipekit.reading import ProjectReader


@pytest.fixture
def shown(project):
    """What is on the page, by kind."""
    (project.root / "pipekit.toml").write_text('[pipeline]\nstages = ["merger"]\n')

    def show():
        return {each.kind: each for each in page(ProjectReader(project.root)).blocks}

    return show


def test_before_the_first_results_it_says_so(shown):
    assert "no results yet" in shown()["text"].text.lower()


def test_it_shows_what_the_command_shows(project, kit, shown):
    rows = [kit.row("2024-01-08", "07:30", 10.0), kit.row("2024-01-09", "07:30", -4.0)]
    project.run_file([*rows, kit.row("2024-01-09", "08:00", 6.0)], kit.scope(kit.always))
    project.run()
    found = shown()
    table, chart = found["table"], found["chart"]
    assert table.head[:3] == ["stream", "slot", "trades"]
    assert [row[:3] for row in table.rows] == [
        ["ES1", "07:30", "2"],
        ["ES1", "08:00", "1"],
        ["ES1", "all", "3"],
    ]
    assert list(table.bold) == [2]
    assert chart.x == ["2024-01-08", "2024-01-09"]
    assert chart.curves == {"default": [500.0, 600.0]}
    assert "2024-01-08 to 2024-01-09" in found["text"].text


def test_a_month_that_cannot_be_read_is_named(project, kit, shown):
    project.run_file([kit.row("2024-01-08", "07:30", 10.0)], kit.scope(kit.always))
    project.run()
    (project.root / kit.merged / "ES1/2024/ES1_2024_01.parquet").write_bytes(b"damaged")
    assert "ES1_2024_01.parquet cannot be read" in shown()["text"].text
