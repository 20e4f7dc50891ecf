"""What a node runs: a command and what surrounds it, as a JSON file that is shared with it."""

from __future__ import annotations

import base64
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import attrs

from pipekit.errors import DefinitionError
from pipekit.model.command import Command

FORMAT = 1
PYTHON = "{python}"  # the interpreter of whoever runs the command, in a spec
_PATHS = ("cwd", "activity")
_FIELDS = tuple(f.name for f in attrs.fields(Command) if f.name not in ("done", "stdin"))
_KNOWN = frozenset({*_FIELDS, "stdin"})


class Promise(NamedTuple):
    """What a node must have in common with the run, or it does not begin.

    `root`: the project's folder, and `marker` the id in its marker file, unless both are empty.
    `versions`: of distributions, by name. `settings`: a digest of the stage's settings, for people:
    the settings themselves are in the command's input.
    """

    root: str = ""
    marker: str = ""
    versions: Mapping[str, str] = {}
    settings: str = ""


class LeaseTerms(NamedTuple):
    """The run's lease: its file, and for how many seconds a node may go on without news of it.

    Without a file there is no lease.
    """

    file: str = ""
    seconds: float = 30.0

    @property
    def poll(self) -> float:
        """Seconds between two looks of a node."""
        return min(self.seconds / 10, 2.0)

    def dead_after(self, grace: float) -> float:
        """Seconds after the last renewal in which every node has stopped what it runs."""
        return self.seconds + grace + 2 * self.poll


class TaskSpec(NamedTuple):
    """One attempt at a task. `cookie`: see ProcessSupervisor. `mode`: of the files a node makes."""

    command: Command
    attempt: int = 0
    name: str = "command"
    cookie: str = ""
    mode: int = 0o600
    lease: LeaseTerms = LeaseTerms()
    promise: Promise = Promise()

    def record(self) -> dict[str, Any]:
        """The content of the file. Raises DefinitionError for what cannot be sent to a node."""
        return {
            "v": FORMAT,
            "attempt": self.attempt,
            "name": self.name,
            "cookie": self.cookie,
            "mode": self.mode,
            "lease": self.lease._asdict(),
            "promise": {**self.promise._asdict(), "versions": dict(self.promise.versions)},
            "command": _command_record(self.command),
        }


def read_spec(content: Any) -> TaskSpec:
    """The spec that a file holds. Raises DefinitionError with a sentence for whoever wrote it."""
    try:
        if content.get("v", FORMAT) != FORMAT:
            raise DefinitionError(f"it has format {content['v']}, this pipekit reads {FORMAT}")
        return TaskSpec(
            command=_command(dict(content["command"])),
            attempt=int(content.get("attempt", 0)),
            name=str(content.get("name", "command")),
            cookie=str(content.get("cookie", "")),
            mode=int(content.get("mode", 0o600)),
            lease=LeaseTerms(**content.get("lease", {})),
            promise=Promise(**content.get("promise", {})),
        )
    except DefinitionError:
        raise
    except KeyError as error:
        raise DefinitionError(f"the key {error} is missing") from error
    except (AttributeError, TypeError, ValueError) as error:
        raise DefinitionError(f"it does not describe a command: {error}") from error


def _command_record(command: Command) -> dict[str, Any]:
    """The fields that differ from their defaults; the interpreter of this process as a word."""
    if command.done is not None:
        raise DefinitionError("`done` is a function and cannot be sent to a node: use done_pattern")
    if isinstance(command.stdin, int):
        raise DefinitionError("`stdin` is a descriptor and cannot be sent to a node: use bytes")
    usual = Command(argv=["-"])
    values = {name: getattr(command, name) for name in _FIELDS}
    found = {name: value for name, value in values.items() if value != getattr(usual, name)}
    found["argv"] = [PYTHON if word == sys.executable else word for word in command.argv]
    for name in _PATHS:
        if found.get(name) is not None:
            found[name] = str(found[name])
    if "env" in found:
        found["env"] = dict(found["env"])
    if command.stdin is not None:
        found["stdin"] = base64.b64encode(command.stdin).decode("ascii")
    return found


def _command(found: dict[str, Any]) -> Command:
    if unknown := sorted(set(found) - _KNOWN):
        raise DefinitionError(f"a command has no {', '.join(map(repr, unknown))}")
    if "stdin" in found:
        found["stdin"] = base64.b64decode(found["stdin"], validate=True)
    found["argv"] = [sys.executable if word == PYTHON else word for word in found["argv"]]
    for name in _PATHS:
        if found.get(name) is not None:
            found[name] = Path(found[name])
    return Command(**found)
