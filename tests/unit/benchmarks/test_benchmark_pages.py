"""Where the tables of the benchmarks go, and what a single round can say."""

from __future__ import annotations

import pytest


def test_a_table_replaces_the_one_between_its_markers(module, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Page\n<!-- events: begin -->\nold\n<!-- events: end -->\nend\n")
    module("", "markers").put(page, "events", "new")
    assert page.read_text() == "# Page\n<!-- events: begin -->\nnew\n<!-- events: end -->\nend\n"


def test_a_page_without_a_place_for_the_table_is_left_alone(module, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Page\n<!-- events: begin -->\n")
    with pytest.raises(SystemExit, match="has no place"):
        module("", "markers").put(page, "events", "new")
    assert page.read_text() == "# Page\n<!-- events: begin -->\n"


def test_each_work_has_its_own_place_and_leaves_the_others(module, monkeypatch, tmp_path):
    """Tables of one work are replaced, a new one comes in order, and what is missed is listed."""
    path = tmp_path / "page.md"
    path.write_text("# Performance\n")
    page = module("data", "page")
    monkeypatch.setattr(page, "PAGE", path)
    order = ["merge", "idle"]
    page.write("idle", "| idle: fast | 9 s | **no** |", order)
    page.write("merge", "old", order)
    page.write("merge", "new\n| merge: fast | 1 s | yes |", order)
    text = path.read_text()
    assert "old" not in text
    assert text.startswith("# Performance\n")
    assert text.index("data-merge: begin") < text.index("new") < text.index("data-idle: begin")
    assert text.count("- idle: fast: 9 s") == 1
    assert "- merge" not in text


def test_the_spread_of_a_single_start_is_that_start(module):
    spread = module("startup", "measure").spread
    assert spread([12.0]) == "12-12"
    assert spread([10.0, 20.0, 30.0]) == "10-30"
