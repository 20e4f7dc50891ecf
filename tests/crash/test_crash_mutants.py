"""The harness sees: each of the listed mistakes turns one of its tests red."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ..process.mutants import misplaced, survives, unchanged
from .mutants import MUTANTS

HERE = Path(__file__).parent


def written() -> set[str]:
    """The names of all tests of the harness."""
    text = "".join(file.read_text() for file in HERE.glob("test_*.py"))
    return set(re.findall(r"^def (test_\w+)", text, re.MULTILINE))


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_each_mutant_has_its_place_in_the_source_and_its_test(mutant):
    assert misplaced(mutant) == []
    for test in mutant.test.split(" or "):
        assert any(test in name for name in written())


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_each_mutant_turns_a_test_red(mutant):
    assert not survives(mutant)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_without_a_mutant_the_same_tests_are_green():
    assert survives(unchanged(MUTANTS))
