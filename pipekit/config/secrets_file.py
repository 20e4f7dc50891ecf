"""The file of `[secrets]`: variables that only the user who runs pipekit may read."""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipekit.config.sources import PREFIX, ShellText
from pipekit.errors import ConfigError
from pipekit.worker._files import open_own

_LARGEST = 1 << 20  # bytes
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FOR_PLUGINS = ("stages", "lifecycle", "sinks")  # tables whose values a secret may be


def secret_variables(root: Path, tree: Mapping[str, Any]) -> dict[str, str]:
    """The variables of the file that `tree` names, if it names one.

    Raises ConfigError if it cannot be read, if others may read it, or for a line of another form.
    """
    table = tree.get("secrets")
    name = table.get("file") if isinstance(table, dict) else None
    name = name.text() if isinstance(name, ShellText) else name
    if not isinstance(name, str) or not name:
        return {}  # what is not a text is refused with the rest of the configuration
    path = root / name
    return dict(_variables(_text(path), path))


def _text(path: Path) -> str:
    try:
        with open(open_own(path, os.O_RDONLY), "rb") as file:
            _check_owner(path, os.fstat(file.fileno()))
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise ConfigError([f"secrets.file: cannot read {path}: {error.strerror}"]) from error
    if len(data) > _LARGEST:
        raise ConfigError([f"secrets.file: {path} is larger than {_LARGEST >> 20} MiB"])
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise ConfigError([f"secrets.file: {path} is not UTF-8 text"]) from None


def _check_owner(path: Path, status: os.stat_result) -> None:
    if sys.platform == "win32":  # has no such modes
        return
    if status.st_uid != os.geteuid():
        users = f"user {status.st_uid}, but pipekit runs as user {os.geteuid()}, who must own it"
        raise ConfigError([f"secrets.file: {path} belongs to {users}"])
    if status.st_mode & (stat.S_IXUSR | stat.S_IRWXG | stat.S_IRWXO):
        mode = stat.S_IMODE(status.st_mode)
        raise ConfigError(
            [f"secrets.file: {path} has mode {mode:04o}, so others may use it: chmod 600 {path}"]
        )


def _variables(text: str, path: Path) -> Iterator[tuple[str, str]]:
    """The lines `KEY=VALUE`; quotes around a value are dropped. No value is ever repeated."""
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, equals, value = line.partition("=")
        name, value = name.strip(), value.strip()
        if not equals or not _NAME.fullmatch(name):
            raise ConfigError([f"secrets.file: {path}:{number}: write it as KEY=VALUE"])
        table = name.removeprefix(PREFIX).partition("__")[0].lower()
        if name.startswith(PREFIX) and table not in _FOR_PLUGINS:
            text = f"{name} is no setting of a stage, policy or sink: write it into pipekit.toml"
            raise ConfigError([f"secrets.file: {path}:{number}: {text}"])
        quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
        yield name, value[1:-1] if quoted else value
