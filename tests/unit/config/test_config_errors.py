from __future__ import annotations

import pytest

from pipekit.config import load
from pipekit.errors import ConfigError


def test_all_problems_of_file_environment_and_flags_are_told_at_once(problems):
    text = """\
[pipeline]
workers = "many"
stges = ["a"]

[lifecycle]
max_files = "all"
[paths]
data = "/srv/bars"
"""
    assert problems(text, {"PIPEKIT_PIPELINE__QUIET_SECONDS": "soon"}, ("retention.runs=0",)) == [
        'pipekit.toml:2: pipeline.workers: expected an integer, got the string "many"',
        "pipekit.toml:3: pipeline.stges: unknown key; did you mean 'stages'?",
        'pipekit.toml:6: lifecycle.max_files: expected an integer, got the string "all"',
        (
            "pipekit.toml:8: paths.data: must be a folder inside the project, written with /, "
            'not "/srv/bars"'
        ),
        (
            "PIPEKIT_PIPELINE__QUIET_SECONDS: pipeline.quiet_seconds: expected a duration such as "
            '"90s", "10m", "1h30m" or a number of seconds, got the string "soon"'
        ),
        "--set retention.runs: must be 1 or more, not 0",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[pipline]\n", "pipekit.toml:1: pipline: unknown key; did you mean 'pipeline'?"),
        ("pipeline = 1", "pipekit.toml:1: pipeline: expected a table, got 1"),
        (
            "[pipeline]\nworkers = -1",
            "pipekit.toml:2: pipeline.workers: must be 0 or more, not -1",
        ),
        (
            "[pipeline]\nworkers = 2.0",
            "pipekit.toml:2: pipeline.workers: expected an integer, got 2.0",
        ),
        (
            "[pipeline]\nworkers = true",
            "pipekit.toml:2: pipeline.workers: expected an integer, got true",
        ),
        (
            '[pipeline]\nstages = "a"',
            (
                "pipekit.toml:2: pipeline.stages: expected a list, such as ['a', 'b'], "
                'got the string "a"'
            ),
        ),
        (
            '[pipeline]\nstages = [\n  "a",\n  5,\n]',
            ("pipekit.toml:4: pipeline.stages[1]: expected a string, got 5; strings need quotes"),
        ),
        (
            '[pipeline]\nstages = ["a", "b", "a"]',
            "pipekit.toml:2: pipeline.stages: lists a stage more than once: a",
        ),
        (
            '[pipeline]\nstages = ["My Stage"]',
            (
                "pipekit.toml:2: pipeline.stages: invalid name 'My Stage': use a-z, 0-9 and _, "
                "starting with a letter"
            ),
        ),
        (
            '[pipeline]\ntimezone = "America/Chicgo"',
            (
                'pipekit.toml:2: pipeline.timezone: unknown time zone "America/Chicgo"; '
                "did you mean 'America/Chicago'?"
            ),
        ),
        (
            '[pipeline]\ntimezone = "../x"',
            'pipekit.toml:2: pipeline.timezone: unknown time zone "../x"',
        ),
        (
            "[stages.a]\nraw = 1",
            (
                "pipekit.toml:2: stages.a.raw: unknown key; known here: use, executor, "
                "queue_timeout, timeout, plan_timeout, hang_timeout, grace, max_memory, nice, "
                "retries, retry_on, retry_delay, back_off, after, settings, command, inputs, "
                "outputs, done_pattern, watch, units, env"
            ),
        ),
        (
            '[stages.a]\nafter = {b = "fine"}',
            (
                "pipekit.toml:2: stages.a.after.b: expected one of 'success', 'partial', 'any', "
                'got the string "fine"'
            ),
        ),
        (
            '[stages.a]\nafter = {a = "any"}',
            "pipekit.toml:2: stages.a.after.a: a stage cannot depend on itself",
        ),
        (
            "[stages.a]\ntimeout = 0",
            "pipekit.toml:2: stages.a.timeout: must be greater than 0",
        ),
        (
            "[stages.a]\nafter = {b = 1}",
            (
                "pipekit.toml:2: stages.a.after.b: expected one of 'success', 'partial', 'any', "
                "got 1"
            ),
        ),
        (
            "[stages]\nSt-1 = {}",
            (
                "pipekit.toml:2: stages.St-1: invalid name 'St-1': use a-z, 0-9 and _, starting "
                "with a letter"
            ),
        ),
        (
            "stages.a = 3",
            (
                "pipekit.toml:1: stages.a: expected a table, got a number "
                "(not shown: it is or may be secret)"
            ),
        ),
        (
            "[sinks]\nconsole = true",
            (
                "pipekit.toml:2: sinks.console: expected a table, got true or false "
                "(not shown: it is or may be secret)"
            ),
        ),
        (
            '[lifecycle]\nroots = ["."]',
            "pipekit.toml:2: lifecycle.roots: must not be the whole project: name the folders",
        ),
        (
            '[lifecycle]\nroots = ["data/../.."]',
            'pipekit.toml:2: lifecycle.roots: must not lead out of the project: "data/../.."',
        ),
        (
            "[lifecycle]\nrulse = []",
            "pipekit.toml:2: lifecycle.rulse: unknown key; did you mean 'rules'?",
        ),
        (
            '[lifecycle]\nmax_bytes = "much"',
            (
                'pipekit.toml:2: lifecycle.max_bytes: expected a size such as "500MB", "64MiB" '
                'or a number of bytes, got the string "much"'
            ),
        ),
        (
            '[schedule]\nevery = "5s"',
            "pipekit.toml:2: schedule.every: must be 60 or more, not 5",
        ),
        (
            '[schedule]\nevery = "7m"',
            (
                "pipekit.toml:2: schedule.every: 7m does not divide the hour or the day evenly; "
                "use one of 1m, 2m, 3m, 4m, 5m, 6m, 10m, 12m, 15m, 20m, 30m, 1h, 2h, 3h, 4h, 6h, "
                "8h, 12h, 1d"
            ),
        ),
        (
            '[schedule]\nbetween = "8-22"',
            (
                'pipekit.toml:2: schedule.between: "8-22" is not a span of whole hours such as '
                '"08:00-22:00"'
            ),
        ),
        (
            "[schedule]\ndays = []",
            "pipekit.toml:2: schedule.days: name at least one of mon, tue, wed, thu, fri, sat, sun",
        ),
    ],
)
def test_a_wrong_value_is_told_with_line_path_and_remedy(problems, text, expected):
    assert problems(text) == [expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "[pipeline]\nworkers 2\n",
            (
                "pipekit.toml:2: not valid TOML: expected '=' after a key in a key/value pair, "
                "at column 9"
            ),
        ),
        (
            '[pipeline]\nstages = ["a"\n',
            "pipekit.toml:3: not valid TOML: unclosed array, at the end of the file",
        ),
    ],
)
def test_a_syntax_error_is_told_with_its_line(problems, text, expected):
    assert problems(text) == [expected]


@pytest.mark.parametrize(
    ("line", "remedy"),
    [
        ("timeout = 1h", 'timeout = "1h"'),
        ("  max_memory=500MB  # enough", 'max_memory = "500MB"'),
        ("token = hunter2", 'token = "..."'),
        ("token = 4hunter2", 'token = "..."'),
    ],
)
def test_a_value_without_quotes_is_told_to_be_put_into_them(problems, line, remedy):
    assert problems(f"[stages.a]\n{line}\ngrace = 1\n") == [
        f"pipekit.toml:2: put the value in quotes: {remedy}"
    ]


def test_a_table_written_twice_is_a_syntax_error_with_its_line(problems):
    (problem,) = problems("[pipeline]\n[paths]\n[pipeline]\n")
    assert problem.startswith("pipekit.toml:3: not valid TOML: cannot declare")


def test_a_file_that_is_not_utf8_is_told_with_its_line(problems):
    assert problems(b"[paths]\ndata = 'donn\xe9es'\n") == [
        "pipekit.toml:2: not UTF-8 text (byte 0xe9); save it as UTF-8"
    ]


def test_a_file_as_an_old_powershell_saves_it_is_named_for_what_it_is(problems):
    assert problems("[pipeline]\n".encode("utf-16")) == [
        "pipekit.toml: saved as UTF-16; save it as UTF-8"
    ]


def test_a_missing_file_says_what_makes_one(tmp_path):
    with pytest.raises(
        ConfigError, match=r"there is no pipekit.toml in .*; create one with `pipekit init`"
    ):
        load(tmp_path, environ={})


def test_a_variable_of_an_unknown_table_is_an_error_with_a_suggestion(problems):
    assert problems("", {"PIPEKIT_STAGE__A__TIMEOUT": "1h"}) == [
        "PIPEKIT_STAGE__A__TIMEOUT: unknown table 'stage'; did you mean 'stages'?"
    ]


def test_a_variable_with_an_unknown_key_is_an_error_that_names_the_variable(problems):
    assert problems("[pipeline]\nworkers = 1", {"PIPEKIT_PIPELINE__WORKER": "2"}) == [
        "PIPEKIT_PIPELINE__WORKER: pipeline.worker: unknown key; did you mean 'workers'?"
    ]


def test_the_winning_source_is_blamed_not_the_beaten_one(problems):
    assert problems("[pipeline]\nworkers = 1", {"PIPEKIT_PIPELINE__WORKERS": "x"}) == [
        'PIPEKIT_PIPELINE__WORKERS: pipeline.workers: expected an integer, got the string "x"'
    ]


def test_a_variable_cannot_smuggle_in_a_second_key(problems):
    assert problems("", {"PIPEKIT_PIPELINE__WORKERS": "1\nmore = 2"}) == [
        (
            "PIPEKIT_PIPELINE__WORKERS: pipeline.workers: expected an integer, "
            'got the string "1 more = 2"'
        )
    ]


@pytest.mark.parametrize("word", ["pipeline.workers", "=2", "pipeline..workers=2"])
def test_a_flag_that_is_no_key_and_value_says_how_to_write_one(problems, word):
    (problem,) = problems("", None, (word,))
    assert problem.endswith("write it as KEY=VALUE, such as pipeline.workers=2")


def test_a_long_wrong_text_is_shortened(problems):
    (problem,) = problems(f'[pipeline]\nworkers = "{"x" * 500}"')
    assert len(problem) < 160
