"""The error tree of pipekit, each error with the exit code of the command that meets it.

PipekitError               3   something pipekit has to say itself
  UsageError              64   a command used in a way it cannot work
  DefinitionError          3   a record (command, task, stage, ...) that cannot be right
  ConfigError              3   pipekit.toml, environment or flags; holds every problem found
  PluginError              3   a plugin that cannot be used
    MissingStageError      3   a configured stage that no installed plugin offers
  StorageError             3   the ledger, the journal or the lock cannot be used
    LockHeldError         75   another run holds the lock
"""

from __future__ import annotations

EXIT_SUCCESS = 0
EXIT_PARTIAL = 1
EXIT_FAILURE = 2
EXIT_ERROR = 3
EXIT_USAGE = 64
EXIT_LOCKED = 75
EXIT_HANGUP = 129
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143


class PipekitError(Exception):
    """An error that pipekit states in its own words, with what to do next."""

    exit_code = EXIT_ERROR


class UsageError(PipekitError):
    """A command was used in a way it cannot work."""

    exit_code = EXIT_USAGE


class DefinitionError(PipekitError, ValueError):
    """A record was defined with values that cannot be right."""


class ConfigError(PipekitError):
    """The configuration has problems; `problems` holds one sentence for each."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(self.problems))


class PluginError(PipekitError):
    """A plugin cannot be used; the text names distribution, version and reason."""


class MissingStageError(PluginError):
    """A configured stage is offered by no installed plugin; nothing was run."""


class StorageError(PipekitError):
    """The ledger, the journal or the lock cannot be used."""


class LockHeldError(StorageError):
    """Another run holds the lock; the text names the holder."""

    exit_code = EXIT_LOCKED
