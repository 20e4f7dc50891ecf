"""What the environment of the pages does to what they show."""

from __future__ import annotations

import math

import pytest
from pipekit_html import environment, resource
from pipekit_html.charts import drawing
from pipekit_html.environment import code, duration, number

from pipekit.pages import Chart


def shown(template, **values):
    return environment().from_string(template).render(**values)


def test_every_value_is_text_whatever_is_in_it():
    evil = "<b>\x1b[31m\u202egnp.exe\n\ud800"
    assert shown("{{ x }}", x=evil) == r"&lt;b&gt;\x1b[31m\u202egnp.exe\n\ud800"
    assert shown('<a title="{{ x }}">', x='"><script>') == '<a title="&#34;&gt;&lt;script&gt;">'
    assert shown("{{ x }}", x=None) == ""


def test_what_a_template_forgets_is_an_error_not_a_gap():
    with pytest.raises(Exception, match="'y' is undefined"):
        shown("{{ y }}")


def test_commands_in_a_sentence_are_marked():
    assert str(code("see `pipekit <x>`, or not")) == ("see <code>pipekit &lt;x&gt;</code>, or not")
    assert str(code("one ` alone")) == "one ` alone"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "-"), (0.04, "0.0s"), (9.96, "10.0s"), (42.4, "42s"), (90, "1m30s"), (3_900, "1h 5m")],
)
def test_durations_are_short(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(1107.0, "1,107"), (0.85081, "0.8508"), (1234.56, "1,234.6"), (math.inf, "inf"), ("x", "x")],
)
def test_numbers_are_rounded(value, text):
    assert number(value) == text


def test_a_chart_is_drawn_within_its_frame_and_says_what_it_shows():
    values = [float(n * n) for n in range(2_000)]
    made = drawing(Chart(title="Rows", x=["Jan", "Dec"], curves={"ES": values}, unit="rows"))
    ((name, points),) = made.curves
    places = [tuple(map(float, each.split(","))) for each in points.split()]
    assert name == "ES"
    assert len(places) <= 601
    assert all(0 <= x <= made.width and 0 <= y <= made.height for x, y in places)
    assert places[-1][1] == min(y for _, y in places)  # the last value is the largest
    assert "Rows, Jan to Dec: ES ends at 3,996,001 rows" in made.label
    assert 3 <= len(made.ticks) <= 8


@pytest.mark.parametrize("values", [[], [0.0], [float("nan")], [-5.0, -5.0], [1e-9, 2e-9]])
def test_any_numbers_can_be_drawn(values):
    assert drawing(Chart(title="x", x=[], curves={"a": values})).ticks


def test_the_stylesheet_asks_nobody_for_anything():
    assert "url(" not in resource("pipekit.css")
    assert "@import" not in resource("pipekit.css")
