"""`pipekit results --html`: a page that needs no network and shows what the tables show."""

from __future__ import annotations

import base64
import json
import re
import struct
from html.parser import HTMLParser

import pytest

from pipekit.cli.main import run_command_line

MONDAY, TUESDAY = "2024-01-08", "2024-01-09"


class Reader(HTMLParser):
    """Takes a page apart: tags with their attributes, texts of tables, contents of scripts."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.scripts, self.tables = [], [], []
        self._in_script = self._in_cell = False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._in_script = tag == "script"
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self._in_cell = True
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag):
        self._in_cell = self._in_cell and tag not in ("td", "th")

    def handle_data(self, data):
        if self._in_script:
            self.scripts.append(data)
            self._in_script = False
        elif self._in_cell:
            self.tables[-1][-1][-1] += data

    @property
    def figures(self):
        return json.loads(self.scripts[0])


@pytest.fixture
def page(project, tmp_path, capsys):
    """The page of what is merged, as text and taken apart."""
    (project.root / "pipekit.toml").write_text('[pipeline]\nstages = ["merger"]\n')
    file = tmp_path / "out.html"

    def make(*words, code=0):
        words = ["-C", str(project.root), "results", "--html", str(file), *words]
        assert run_command_line(words) == code
        assert capsys.readouterr().out == ""
        text = file.read_text("utf-8")
        return text, Reader(text)

    return make


def values(numbers):
    """The numbers of a trace: in plain JSON, or packed into four bytes each."""
    if isinstance(numbers, list):
        return numbers
    data = base64.b64decode(numbers["bdata"])
    form = {"f4": "f", "f8": "d", "i1": "b", "i2": "h", "i4": "i", "u1": "B"}[numbers["dtype"]]
    return list(struct.unpack(f"<{len(data) // struct.calcsize(form)}{form}", data))


def trades(kit, *profits, **more):
    """A trade each at 07:30, Monday and Tuesday in turn, week after week."""
    days = [f"2024-01-{8 + 7 * (i // 2) + i % 2:02}" for i in range(len(profits))]
    return [
        kit.row(day, "07:30", profit, result="Win" if profit > 0 else "Loss", **more)
        for day, profit in zip(days, profits, strict=True)
    ]


def test_the_page_loads_nothing(project, kit, page):
    """And it tells the browser to fetch nothing, whatever the library might want."""
    project.run_file(trades(kit, 10.0), kit.scope(kit.always))
    project.run()
    _, read = page()
    for _tag, attributes in read.tags:
        assert "src" not in attributes
        assert attributes.get("href", "#").startswith("#")
    (policy,) = [a["content"] for t, a in read.tags if a.get("http-equiv")]
    assert policy.startswith("default-src 'none';")
    assert "http" not in policy


def test_curves_are_the_cumulated_trades_and_their_drawdown(project, kit, page):
    rows = trades(kit, 10.0, -4.0, -3.0, 6.0)
    open_one = kit.row("2024-01-22", "07:30", 99.0, result="Open")
    project.run_file([*rows, open_one], kit.scope(kit.always))
    project.run()
    _, read = page()
    overview, stream = read.figures["figures"][:2]
    assert read.figures["dates"][1] == ["2024-01-08", "2024-01-09", "2024-01-15", "2024-01-16"]
    profit, drawdown = stream["data"]
    assert values(profit["y"]) == [10.0, 6.0, 3.0, 9.0]
    assert values(drawdown["y"]) == [0.0, -4.0, -7.0, -1.0]
    assert values(overview["data"][0]["y"]) == [500.0, 300.0, 150.0, 450.0]
    (total, *_) = read.tables[0][1:]
    assert total[0] == "ES1"
    assert "7.00" in total  # the maximum drawdown, as in the chart


def test_win_rates_are_shown_by_slot_and_weekday(project, kit, page):
    project.run_file(trades(kit, 10.0, -4.0, -3.0, -2.0), kit.scope(kit.always))
    project.run()
    _, read = page()
    (heat,) = [f["data"][0] for f in read.figures["figures"] if f["data"][0]["type"] == "heatmap"]
    assert heat["x"] == ["Mon", "Tue", "Wed", "Thu", "Fri"]
    assert heat["y"] == ["07:30"]
    assert heat["z"] == [[0.5, 0.0, None, None, None]]
    assert heat["text"][0][:3] == ["50%<br>2", "0%<br>2", ""]


def test_a_peak_is_in_the_bar_of_its_share_of_the_target(project, kit, page):
    """Also on the edge of a bar; the last bar has everything beyond."""
    peaks = {0.0: 0, 0.999: 0, 1.0: 1, 3.0: 3, 10.0: 10, 29.9: 29, 30.0: 30, 500.0: 30}  # of 10
    days = [f"2024-01-{8 + i // 5 * 7 + i % 5:02}" for i in range(len(peaks))]
    rows = [kit.row(d, "07:30", 1.0, peak=p) for d, p in zip(days, peaks, strict=True)]
    project.run_file(rows, kit.scope(kit.always))
    project.run()
    _, read = page()
    (bars,) = [f["data"] for f in read.figures["figures"] if f["data"][0]["type"] == "bar"]
    (wins,) = bars
    counts = values(wins["y"])
    assert {i: n for i, n in enumerate(counts) if n} == {0: 2, 1: 1, 3: 1, 10: 1, 29: 1, 30: 2}
    assert len(counts) == 31


def test_variants_have_parts_of_their_own_and_share_the_curves(project, kit, page):
    """`default` is shown first."""
    rows = [
        *trades(kit, 10.0, variant="a wide <one>"),
        *trades(kit, 5.0),
        *trades(kit, 2.0, variant="z"),
    ]
    project.run_file(rows, kit.scope(kit.always))
    project.run()
    text, read = page()
    assert re.findall("<option>(.*?)</option>", text) == ["default", "a wide &lt;one&gt;", "z"]
    names = [trace["name"] for trace in read.figures["figures"][0]["data"]]
    assert set(names) == {"a wide <one>", "default", "z"}
    marked = [a["data-variant"] for _, a in read.tags if "data-variant" in a]
    assert {marked.count(name) for name in set(marked)} == {4}  # two tables, two charts


EVIL = "<!--<script>\u202egnp</script>\x1b[31m"


def test_names_can_neither_begin_a_tag_nor_hide(project, kit, page):
    """A browser reads `<!--<script` in a script as the start of a script that nothing ends."""
    project.run_file([*trades(kit, 5.0, variant=EVIL), *trades(kit, 2.0)], kit.scope(kit.always))
    project.run()
    text, read = page()
    assert re.search("<!--|gnp</script>", text) is None
    assert re.search("\u202egnp|\x1b.31m", text) is None
    shown = r"<!--<script>\u202egnp</script>\x1b[31m"
    assert {trace["name"] for trace in read.figures["figures"][0]["data"]} == {"default", shown}
    assert {a["data-variant"] for _, a in read.tags if "data-variant" in a} == {"default", shown}
    assert shown in {cell for table in read.tables for row in table for cell in row}


def test_the_page_says_what_it_is_about_and_what_is_missing(project, kit, page):
    project.run_file(trades(kit, 10.0, -1.0), kit.scope(kit.always))
    project.run()
    text, _ = page("--from", TUESDAY, "--slot", "07:30")
    said = "2024-01-09 to 2024-01-09; 1 closed trade; left out: 0 open, 0 slots without a trade"
    assert f"{said}; slot 07:30" in text
    text, _ = page("--from", "2030-01-01")
    assert "No rows." in text


def test_the_same_rows_make_the_same_page(project, kit, page):
    project.run_file(trades(kit, 10.0, -1.0), kit.scope(kit.always))
    project.run()
    assert page()[0] == page()[0]


def test_an_unreadable_month_is_named_in_the_page(project, kit, page):
    project.run_file(trades(kit, 10.0), kit.scope(kit.always))
    project.run_file([kit.row("2024-02-05", "07:30", 1.0)], kit.scope(["2024-02-01", "2024-02-28"]))
    project.run()
    (project.root / kit.merged / "ES1/2024/ES1_2024_02.parquet").write_bytes(b"damaged")
    text, _ = page(code=1)
    assert "ES1_2024_02.parquet cannot be read" in text
