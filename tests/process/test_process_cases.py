"""The table of cases and the list of mutants are true: each names what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .cases import CASES
from .mutants import MUTANTS, ROOT, survives

HERE = Path(__file__).parent
TESTS = [*HERE.glob("test_*.py"), *(HERE.parent / "e2e").glob("test_*.py")]


@pytest.mark.parametrize("kind", CASES)
def test_each_case_has_a_test_that_exists(kind):
    written = {
        name
        for file in TESTS
        for name in re.findall(r"^def (test_\w+)", file.read_text(), re.MULTILINE)
    }
    assert set(CASES[kind].values()) - written == set()


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_each_mutant_changes_one_place_of_the_source(mutant):
    assert (ROOT / mutant.file).read_text().count(mutant.old) == 1


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_each_mutant_turns_a_test_red(mutant, tmp_path):
    assert not survives(mutant, tmp_path)
