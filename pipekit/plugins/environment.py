"""The environment that pipekit runs in: which tool made it, and how to install into it."""

from __future__ import annotations

import os
import sys
import sysconfig
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from pipekit.model.system import quoted


class Tool(StrEnum):
    """What manages an environment."""

    PIP = "pip"
    UV = "uv"
    UV_TOOL = "uv tool"
    PIPX = "pipx"
    SYSTEM = "the operating system"


class Environment(NamedTuple):
    """An environment: its folder, its Python, and the tool that manages it."""

    prefix: Path
    python: str
    tool: Tool

    def install(self, what: str, *, editable: bool = False) -> str:
        """The command that installs a distribution, a wheel or a folder, to be typed as it is."""
        word, edit = quoted(what), "--editable " if editable else ""
        if self.tool is Tool.PIPX:
            return f"pipx inject {edit}{quoted(self.prefix.name)} {word}"
        if self.tool is Tool.UV_TOOL:
            with_it = f"--with-editable {word}" if editable else f"--with {word}"
            return f"uv tool install {quoted(self.prefix.name)} {with_it}"
        if self.tool is Tool.UV:
            return f"uv pip install --python {quoted(self.python)} {edit}{word}"
        if self.tool is Tool.SYSTEM:
            return (
                f"{quoted(self.python)} -m venv ENV, then install pipekit and {word} there: this "
                "Python belongs to the operating system, which forbids it"
            )
        return f"{quoted(self.python)} -m pip install {edit}{word}"

    def uninstall(self, what: str) -> str:
        """The command that removes a distribution."""
        if self.tool is Tool.PIPX:
            return f"pipx uninject {quoted(self.prefix.name)} {what}"
        if self.tool is Tool.UV_TOOL:
            return f"uv tool install {quoted(self.prefix.name)}, with all --with but {what}"
        if self.tool is Tool.UV:
            return f"uv pip uninstall --python {quoted(self.python)} {what}"
        return f"{quoted(self.python)} -m pip uninstall {what}"


def current(prefix: str = sys.prefix, python: str = sys.executable) -> Environment:
    """The environment of this process, or another one."""
    folder = Path(prefix)
    return Environment(folder, python, _tool(folder))


def _tool(folder: Path) -> Tool:
    if (folder / "pipx_metadata.json").exists():
        return Tool.PIPX
    if (folder / "uv-receipt.toml").exists():
        return Tool.UV_TOOL
    settings = folder / "pyvenv.cfg"
    try:
        made_by = settings.read_text("utf-8", errors="replace")
    except OSError:
        made_by = ""
    if any(line.partition("=")[0].strip() == "uv" for line in made_by.splitlines()):
        return Tool.UV
    managed = Path(sysconfig.get_path("stdlib")) / "EXTERNALLY-MANAGED"
    if not made_by and os.fspath(folder) == sys.base_prefix and managed.exists():
        return Tool.SYSTEM
    return Tool.PIP
