"""Where the tables of the benchmarks go, and what a single round can say."""

from __future__ import annotations

import pytest


def test_a_table_replaces_the_one_between_its_markers(module, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Page\n<!-- events: begin -->\nold\n<!-- events: end -->\nend\n")
    module("", "common").put(page, "events", "new")
    assert page.read_text() == "# Page\n<!-- events: begin -->\nnew\n<!-- events: end -->\nend\n"


def test_a_page_without_a_place_for_the_table_is_left_alone(module, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Page\n<!-- events: begin -->\n")
    with pytest.raises(SystemExit, match="has no place"):
        module("", "common").put(page, "events", "new")
    assert page.read_text() == "# Page\n<!-- events: begin -->\n"


def test_each_work_has_its_own_place_and_what_is_missed_is_listed(module, tmp_path):
    """Tables of one work are replaced, the others stay, and each miss on the page is named."""
    page = tmp_path / "page.md"
    names = ("data-missed", "data-merge", "data-idle")
    page.write_text(
        "# Performance\n" + "".join(f"<!-- {n}: begin --><!-- {n}: end -->" for n in names)
    )
    tables = module("data", "tables")
    tables.write(page, "idle", "| idle: fast | 9 s | **no** |")
    tables.write(page, "merge", "old")
    tables.write(page, "merge", "new\n| merge: fast | 1 s | yes |")
    text = page.read_text()
    assert "old" not in text
    assert text.startswith("# Performance\n")
    assert text.index("data-merge: begin") < text.index("new") < text.index("data-idle: begin")
    assert text.count("- idle: fast: 9 s") == 1
    assert "- merge" not in text


def test_the_spread_of_a_single_start_is_that_start(module):
    spread = module("startup", "tables").spread
    assert spread([12.0]) == "12-12"
    assert spread([10.0, 20.0, 30.0]) == "10-30"
