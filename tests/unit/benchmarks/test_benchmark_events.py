"""What the benchmark of events accepts as equal, and how it compares with its bar."""

from __future__ import annotations

import pytest

TOLD = 200


@pytest.fixture
def check(module):
    return module("events", "check").check


@pytest.fixture
def told(module, tmp_path):
    """The journal that pipekit writes of the benchmark's events."""
    telling = module("events/tools", "telling")
    from pipekit.run.events import EventLogger
    from pipekit.storage.journal import Journal, RunLog

    path = tmp_path / "j.jsonl"
    logger = EventLogger(telling.RUN, Journal(path), RunLog(path.with_suffix(".log")))
    for stage, event, msg, data in telling.events(TOLD):
        logger.emit(stage, event, msg, **data)
    logger.close()
    return path


def test_what_pipekit_writes_is_accepted(check, told):
    check(told, TOLD, TOLD)


FAULTS = {
    "a lost line": lambda lines: lines[:5] + lines[6:],
    "a line twice": lambda lines: lines[:5] + lines[4:],
    "half a line": lambda lines: [*lines[:-1], lines[-1][:-9]],
    "another message": lambda lines: [lines[0].replace('"msg": ""', '"msg": " "'), *lines[1:]],
    "a field more": lambda lines: [lines[0].replace("{", '{"level": 1, ', 1), *lines[1:]],
    "no offset": lambda lines: [*lines[:-1], lines[-1].replace("+00:00", "")],
    "a later time first": lambda lines: [lines[0].replace('"timestamp": "20', '"timestamp": "30'),
                                         *lines[1:]],
    "all of another day": lambda lines: [line.replace('"timestamp": "20', '"timestamp": "19')
                                         for line in lines],
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_not_equal_is_refused(fault, check, told):
    told.write_text("".join(FAULTS[fault](told.read_text().splitlines(keepends=True))))
    with pytest.raises(SystemExit, match=r"j\.jsonl"):
        check(told, TOLD, TOLD)


@pytest.mark.parametrize(("ours", "met"), [(2.0, "1.50 ×, 2.00 × by CPU | yes |"),
                                           (2.1, "1.43 ×, 1.90 × by CPU | **no** |")])  # fmt: skip
def test_the_bar_is_held_against_the_medians_of_logging(module, ours, met):
    run = module("events", "run")
    logging = [run.Sample(n, 4.0, 100, 100) for n in (9.0, 3.0, 1.0)]
    text = run.render({"pipekit": [run.Sample(ours, ours, 200, 100)] * 3, "logging": logging})
    assert text.endswith(f"logging with JSON | {met}")
