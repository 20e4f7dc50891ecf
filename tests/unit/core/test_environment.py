"""Each kind of environment is told by what its tool leaves in it, and has its own commands."""

from __future__ import annotations

import sys

import pytest

from pipekit.plugins.environment import Tool, current


@pytest.mark.parametrize(
    ("file", "text", "tool", "command"),
    [
        ("pipx_metadata.json", "{}", Tool.PIPX, "pipx inject --editable pipekit DIR"),
        ("uv-receipt.toml", "", Tool.UV_TOOL, "uv tool install pipekit --with-editable DIR"),
        ("pyvenv.cfg", "uv = 0.9\n", Tool.UV, "uv pip install --python PYTHON --editable DIR"),
        ("pyvenv.cfg", "home = /usr\n", Tool.PIP, "PYTHON -m pip install --editable DIR"),
    ],
)
def test_an_environment_is_told_by_its_files(tmp_path, file, text, tool, command):
    prefix = tmp_path / "pipekit"
    prefix.mkdir()
    (prefix / file).write_text(text)
    found = current(str(prefix), "PYTHON")
    assert (found.tool, found.install("DIR", editable=True)) == (tool, command)
    assert "DIR" in found.uninstall("DIR")


def test_a_folder_with_a_blank_is_quoted(tmp_path):
    quote = '"' if sys.platform == "win32" else "'"
    expected = "'a b' -m pip install 'c d'".replace("'", quote)
    assert current(str(tmp_path), "a b").install("c d") == expected


def test_this_process_has_an_environment():
    assert current().python == sys.executable
