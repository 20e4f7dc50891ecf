"""What Windows is told of a command, and what its exit codes mean; on any system."""

from __future__ import annotations

import subprocess

import pytest

from pipekit.model.command import Command
from pipekit.process.start import SpawnError
from pipekit.process.windows.exit_codes import explained
from pipekit.process.windows.words import words_of

COMMAND = Command(argv=("x",), max_cpu=5)


@pytest.fixture
def tool(tmp_path):
    """Makes an executable file; the command that runs it in its folder."""

    def make(name, *words):
        path = tmp_path / name
        path.write_text("")
        path.chmod(0o755)
        return Command(argv=(str(path), *words), cwd=tmp_path)

    return make


def test_a_program_gets_its_words_quoted_as_it_will_split_them(tool):
    command = tool("tool.exe", "a b", 'q"q')
    program, line = words_of(command, {})
    assert program == command.argv[0]
    assert line == subprocess.list2cmdline(command.argv)


def test_a_batch_file_is_run_by_a_shell_in_which_no_word_is_a_command(tool):
    command = tool("tool.CMD", "a&b", "")
    program, line = words_of(command, {"COMSPEC": "shell.exe"})
    assert program == "shell.exe"
    assert line == f'"shell.exe" /d /v:off /s /c ""{command.argv[0]}" "a&b" """'


@pytest.mark.parametrize("word", ['"', "%x%", "a\nb", "!x!"])
def test_what_a_batch_file_would_get_otherwise_is_refused(tool, word):
    with pytest.raises(SpawnError, match="batch file"):
        words_of(tool("tool.bat", word), {})


def test_a_program_that_is_not_found_is_left_to_the_system_to_name():
    assert words_of(Command(argv=("no-such-program",)), {"PATH": "/nowhere"}).program is None


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (0, ""),
        (1, ""),
        (1816, "exited with code 1816: it used more CPU time than its max_cpu (5 s)"),
        (0xC0000005, "exited with code 3221225477 (0xC0000005: access violation)"),
        (0xC0FFEE00, "exited with code 3237998080 (0xC0FFEE00)"),
    ],
)
def test_codes_of_the_system_are_told_in_hex_with_their_meaning(code, text):
    assert explained(code, COMMAND) == text


def test_a_code_of_a_limit_says_nothing_without_that_limit():
    assert explained(1816, Command(argv=("x",))) == ""
