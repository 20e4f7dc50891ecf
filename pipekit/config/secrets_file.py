"""The variables of `[secrets]`, from a file or a credential that only one user may read."""

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

_CREDENTIALS = "CREDENTIALS_DIRECTORY"  # systemd sets it for a service that has some
_LARGEST = 1 << 20  # bytes
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FOR_PLUGINS = ("stages", "lifecycle", "sinks", "executors")  # tables whose values a secret may be


def secret_variables(
    root: Path, tree: Mapping[str, Any], environ: Mapping[str, str]
) -> dict[str, str]:
    """The variables of the file and of the systemd credential that `tree` names, if it names any.

    There are credentials only where systemd has started the run; they override the file. Raises
    ConfigError if one cannot be read, if others may read the file, or for a line of another form.
    """
    found: dict[str, str] = {}
    if name := _named(tree, "file"):
        found |= _variables(_text("file", root / name, is_private=False), root / name, "file")
    folder = environ.get(_CREDENTIALS)
    name = _named(tree, "credential")
    if folder and name and name == os.path.basename(name):  # else the name is refused later
        path = Path(folder) / name
        found |= _variables(_text("credential", path, is_private=True), path, "credential")
    return found


def _named(tree: Mapping[str, Any], key: str) -> str:
    """A text of the table; what is none is refused with the rest of the configuration."""
    table = tree.get("secrets")
    name = table.get(key) if isinstance(table, dict) else None
    name = name.text() if isinstance(name, ShellText) else name
    return name if isinstance(name, str) else ""


def _text(key: str, path: Path, *, is_private: bool) -> str:
    """The text of a file. `is_private`: systemd has seen to it that others cannot read it."""
    try:
        with open(open_own(path, os.O_RDONLY), "rb") as file:
            if not is_private:
                _check_owner(path, os.fstat(file.fileno()))
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise ConfigError([f"secrets.{key}: cannot read {path}: {error.strerror}"]) from error
    if len(data) > _LARGEST:
        raise ConfigError([f"secrets.{key}: {path} is larger than {_LARGEST >> 20} MiB"])
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise ConfigError([f"secrets.{key}: {path} is not UTF-8 text"]) from None


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


def _variables(text: str, path: Path, key: str) -> Iterator[tuple[str, str]]:
    """The lines `KEY=VALUE`; quotes around a value are dropped. No value is ever repeated."""
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, equals, value = line.partition("=")
        name, value = name.strip(), value.strip()
        if not equals or not _NAME.fullmatch(name):
            raise ConfigError([f"secrets.{key}: {path}:{number}: write it as KEY=VALUE"])
        table = name.removeprefix(PREFIX).partition("__")[0].lower()
        if name.startswith(PREFIX) and table not in _FOR_PLUGINS:
            text = f"{name} is not a setting of a stage, policy or sink: write it into pipekit.toml"
            raise ConfigError([f"secrets.{key}: {path}:{number}: {text}"])
        quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
        yield name, value[1:-1] if quoted else value
