"""`pipekit completion SHELL`: a script that completes commands, stages and runs in a shell."""

from __future__ import annotations

import os
from typing import Any, ClassVar

import click
from click.shell_completion import (
    CompletionItem,
    ShellComplete,
    add_completion_class,
    get_completion_class,
    split_arg_string,
)

from pipekit.cli.help import Command
from pipekit.cli.output import print_output

SHELLS = ("bash", "zsh", "fish", "powershell")
VARIABLE = "_PIPEKIT_COMPLETE"
_WHERE = {
    "bash": 'add to ~/.bashrc:   eval "$(pipekit completion bash)"',
    "zsh": 'add to ~/.zshrc, below `compinit`:   eval "$(pipekit completion zsh)"',
    "fish": "pipekit completion fish > ~/.config/fish/completions/pipekit.fish",
    "powershell": "add to the file that $PROFILE names:   "
    "pipekit completion powershell | Out-String | Invoke-Expression",
}
_POWERSHELL = """\
Register-ArgumentCompleter -Native -CommandName %(prog_name)s -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $line = $commandAst.ToString()
    $env:COMP_WORDS = $line.Substring(0, [Math]::Min($cursorPosition, $line.Length))
    $env:COMP_CWORD = $wordToComplete
    $env:%(complete_var)s = "powershell_complete"
    try {
        %(prog_name)s | ForEach-Object {
            $kind, $value, $help = $_ -split "`t", 3
            if (-not $help) { $help = $value }
            [System.Management.Automation.CompletionResult]::new(
                $value, $value, "ParameterValue", $help)
        }
    } finally {
        Remove-Item Env:COMP_WORDS, Env:COMP_CWORD, Env:%(complete_var)s
    }
}
"""


class PowerShellComplete(ShellComplete):
    """Completion in PowerShell. Not yet run in PowerShell itself."""

    name: ClassVar[str] = "powershell"
    source_template: ClassVar[str] = _POWERSHELL

    def get_completion_args(self) -> tuple[list[str], str]:
        """The words before the one to complete, and that one."""
        incomplete = os.environ.get("COMP_CWORD", "").strip("\"'")
        words = split_arg_string(os.environ.get("COMP_WORDS", ""))[1:]
        if incomplete and words and words[-1] == incomplete:
            words.pop()
        return words, incomplete

    def format_completion(self, item: CompletionItem) -> str:
        """A line: the kind, the value and the help, with tabs between them."""
        text = (item.help or "").replace("\t", " ").replace("\n", " ")
        return f"{item.type}\t{item.value}\t{text}"


add_completion_class(PowerShellComplete)


@click.command(
    "completion",
    cls=Command,
    arguments={"SHELL": f"The shell: {', '.join(SHELLS)}."},
    example=("pipekit completion bash", "the script for bash"),
)
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def command(ctx: click.Context, shell: str) -> int:
    """Print a completion script for your shell.

    It completes commands and options, and in a project its stages, runs and settings. The comment
    at the top of the script says where to put it.
    """
    found: Any = get_completion_class(shell)
    root = ctx.find_root()
    script = found(root.command, {}, root.info_name or "pipekit", VARIABLE).source()
    if shell == "fish":  # click cuts a description at its first comma, and lets fish sort runs
        script = script.replace('string split ","', 'string split -m 1 ","')
        script = script.replace("complete --no-files", "complete --no-files --keep-order")
    print_output(f"# {_WHERE[shell]}\n{script.lstrip()}")
    return 0
