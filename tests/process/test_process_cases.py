"""The table of cases and the list of mutants are true: each names what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .cases import CASES
from .mutants import MUTANTS, misplaced, survives, unchanged

HERE = Path(__file__).parent
TESTS = [*HERE.glob("test_*.py"), *(HERE.parent / "e2e").glob("test_*.py")]


def written(files) -> set[str]:
    """The names of all tests in these files."""
    return {
        name
        for file in files
        for name in re.findall(r"^def (test_\w+)", file.read_text(), re.MULTILINE)
    }


@pytest.mark.parametrize("kind", CASES)
def test_each_case_has_a_test_that_exists(kind):
    assert set(CASES[kind].values()) - written(TESTS) == set()


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_each_mutant_has_its_place_in_the_source_and_its_test(mutant):
    assert misplaced(mutant) == []
    assert any(mutant.test in name for name in written(HERE.glob("test_*.py")))


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_each_mutant_turns_a_test_red(mutant):
    assert not survives(mutant)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_without_a_mutant_the_same_tests_are_green():
    assert survives(unchanged(MUTANTS))
