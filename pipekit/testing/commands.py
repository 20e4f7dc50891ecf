"""The contract of a plugin's own commands."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import click
import pytest
from click.testing import CliRunner, Result

from pipekit.errors import PipekitError
from pipekit.testing.contract import Contract
from pipekit.testing.stages import DATA_LIBRARIES


class CommandContract(Contract):
    """The rules for commands of plugins. Subclass it, and set `command`.

    Override `prepare(root)` and `words`, so that there is something to show: `words` are typed
    after the command's name. The prepared project gets an empty pipekit.toml if it has none.
    """

    command: ClassVar[click.Command]
    words: ClassVar[Sequence[str]] = ()

    def call(self, root: Path, *words: str) -> Result:
        """Call the command for a project folder, as `pipekit -C ROOT NAME WORDS` does."""
        if not (root / "pipekit.toml").exists():
            (root / "pipekit.toml").write_text("", "utf-8")
        told = {"project": root, "no_plugins": False}
        return CliRunner().invoke(self.command, list(words), obj=told, standalone_mode=False)

    def test_its_help_says_what_it_does(self) -> None:
        """`--help` begins with a sentence; it is what a list of commands shows."""
        text = (self.command.help or "").strip()
        assert text, "the command has no help: give its function a docstring"
        first = text.splitlines()[0]
        assert first.endswith("."), f"write a whole sentence as first line of its help: {first!r}"
        nameless = [p.opts[0] for p in self.command.params if not _has_help(p)]
        assert not nameless, f"say what these options are for, with help=...: {nameless}"

    def test_its_name_can_be_typed(self) -> None:
        """A command has a name of its own: small letters, digits, `-` and `_`."""
        name = self.command.name or ""
        fine = name and all(c.isalnum() or c in "-_" for c in name) and name == name.lower()
        assert fine, f"rename the command {name!r}: use a-z, 0-9, '-' and '_'"

    def test_it_ends_with_an_exit_code(self, project: Path) -> None:
        """In the prepared project it returns its exit code, and raises nothing unexpected."""
        if not any(project.iterdir()):
            pytest.skip("prepare(root) is not overridden: there is nothing to show")
        done = self.call(project, *self.words)
        _check_end(done)
        assert done.return_value in (None, 0), f"it ended with {done.return_value}: {done.output}"

    def test_an_empty_project_gets_a_sentence(self, tmp_path: Path) -> None:
        """Where nothing has happened yet, it says so; it does not fail with a traceback."""
        done = self.call(tmp_path, *self.words)
        _check_end(done)
        text = done.output.strip() or str(done.exception or "")
        assert text, "it says nothing in an empty project: say what is missing, and what to do"

    def test_its_module_imports_no_data_library(self) -> None:
        """`--help` is quick: what is slow is imported inside the command's function."""
        assert self.command.callback is not None, "the command calls no function"
        module = self.command.callback.__module__
        code = f"import sys, {module}; print(*{{*{DATA_LIBRARIES}}} & {{*sys.modules}})"
        done = subprocess.run(
            [sys.executable, "-P", "-c", f"import sys; sys.path[:] = {sys.path!r}; {code}"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert not done.stdout.split(), (
            f"import these inside the function, not at the top of {module}: {done.stdout.strip()}"
        )


def _has_help(parameter: click.Parameter) -> bool:
    return not isinstance(parameter, click.Option) or bool(parameter.help) or parameter.hidden


def _check_end(done: Result) -> None:
    expected = (PipekitError, click.ClickException, SystemExit)
    unexpected = done.exception is not None and not isinstance(done.exception, expected)
    assert not unexpected, (
        f"it raised {done.exception!r}: catch it, and raise a PipekitError with a sentence"
    )
    assert done.return_value is None or isinstance(done.return_value, int), (
        f"return the exit code, not {done.return_value!r}"
    )
