"""Each promise of the page on security has a test, and the page's command runs all of them."""

from __future__ import annotations

import re

from ...pages import ROOT

PAGE = (ROOT / "docs/explanation/security.md").read_text("utf-8")


def test_each_test_that_the_page_names_exists_in_a_file_that_its_command_runs():
    files = re.findall(r"tests/\S+?\.py", PAGE)
    code = "".join((ROOT / file).read_text("utf-8") for file in files)
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    assert len(named) > 10
    assert named - set(re.findall(r"^def (test_\w+)", code, re.MULTILINE)) == set()
