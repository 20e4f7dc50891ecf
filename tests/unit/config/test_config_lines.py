from __future__ import annotations

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from pipekit.config.positions import key_lines

TRICKY = '''\
# a comment with [brackets] = and "quotes
top = 1

[a]  # another
x = "a # that is none, ] nor } this ="
y.z = [1, 2,
  3,  # three
  { k = "v", l.m = [ 4,
     5 ] }, ]
"quoted key" = 'lit = eral'
"esc\\u0061ped" = 1
text = """
[not.a.table]
no = "key"
""" # after
raw = \'\'\'
[neither]
x = 1\'\'\'
date = 1979-05-27 07:32:00Z
float = -1.5e+3
[a.b]
inner = {}
[[list]]
n = 1
[[list.deep]]
d = 1
[[list.deep]]
d = 2
[list.table]
t = 1
[[list]]
n = 2
[[list.deep]]
d = 3
["dotted.name".q]
end = true'''

EXPECTED = {
    ("top",): 2,
    ("a",): 4,
    ("a", "x"): 5,
    ("a", "y"): 6,
    ("a", "y", "z"): 6,
    ("a", "y", "z", 0): 6,
    ("a", "y", "z", 1): 6,
    ("a", "y", "z", 2): 7,
    ("a", "y", "z", 3): 8,
    ("a", "y", "z", 3, "k"): 8,
    ("a", "y", "z", 3, "l"): 8,
    ("a", "y", "z", 3, "l", "m"): 8,
    ("a", "y", "z", 3, "l", "m", 0): 8,
    ("a", "y", "z", 3, "l", "m", 1): 9,
    ("a", "quoted key"): 10,
    ("a", "escaped"): 11,
    ("a", "text"): 12,
    ("a", "raw"): 16,
    ("a", "date"): 19,
    ("a", "float"): 20,
    ("a", "b"): 21,
    ("a", "b", "inner"): 22,
    ("list",): 23,
    ("list", 0): 23,
    ("list", 0, "n"): 24,
    ("list", 0, "deep"): 25,
    ("list", 0, "deep", 0): 25,
    ("list", 0, "deep", 0, "d"): 26,
    ("list", 0, "deep", 1): 27,
    ("list", 0, "deep", 1, "d"): 28,
    ("list", 0, "table"): 29,
    ("list", 0, "table", "t"): 30,
    ("list", 1): 31,
    ("list", 1, "n"): 32,
    ("list", 1, "deep"): 33,
    ("list", 1, "deep", 0): 33,
    ("list", 1, "deep", 0, "d"): 34,
    ("dotted.name",): 35,
    ("dotted.name", "q"): 35,
    ("dotted.name", "q", "end"): 36,
}


def paths(value, here=()):
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        yield (*here, key)
        if isinstance(inner, dict | list):
            yield from paths(inner, (*here, key))


def test_each_key_of_a_text_full_of_traps_is_found_on_its_line():
    assert key_lines(TRICKY) == EXPECTED
    assert set(EXPECTED) == set(paths(tomllib.loads(TRICKY)))


SCALARS = st.sampled_from(
    ["1", "true", '"text"', "'[x]'", '"a # b"', '"\\""', "1.5", "2020-01-01", '"""a\nb=1\n"""']
)
KEYS = st.text("abc", min_size=1, max_size=3)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: "[\n" + ", # c\n".join(items) + "]"),
        st.dictionaries(KEYS, inner, max_size=3).map(
            lambda table: "{" + ", ".join(f"{k} = {v}" for k, v in table.items()) + "}"
        ),
    ),
    max_leaves=6,
)
TABLES = st.dictionaries(KEYS, st.dictionaries(KEYS, VALUES, max_size=3), max_size=3)


@given(TABLES)
def test_every_key_that_tomllib_finds_has_a_line_that_it_stands_on(tables):
    text = "".join(
        f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in table.items())
        for name, table in tables.items()
    )
    lines = key_lines(text)
    rows = text.split("\n")
    assert set(lines) == set(paths(tomllib.loads(text)))
    for path, line in lines.items():
        if isinstance(path[-1], str):
            assert path[-1] in rows[line - 1]
