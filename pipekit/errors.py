"""The errors of pipekit, each with the exit code of a command that ends with it.

PipekitError               3   any error that pipekit explains in its own words
  UsageError              64   wrong arguments or options, or no project
  DefinitionError          3   invalid values in a command, task, stage, ...
  ConfigError              3   pipekit.toml, environment or flags; holds every problem found
  PluginError              3   a plugin cannot be used
    MissingStageError      3   no installed plugin offers a configured stage
  StorageError             3   the ledger, the journal or the lock cannot be used
    LockHeldError         75   another run is going on
  RunHeldError             0   `pipekit hold` is blocking new runs
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
    """An error that says what is wrong and what to do next."""

    exit_code = EXIT_ERROR


class UsageError(PipekitError):
    """Wrong arguments or options, or a command outside of a project."""

    exit_code = EXIT_USAGE


class DefinitionError(PipekitError, ValueError):
    """A command, task, stage or other definition with invalid values."""


class ConfigError(PipekitError):
    """The configuration has problems; `problems` holds one sentence for each."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(self.problems))


class PluginError(PipekitError):
    """A plugin cannot be used; the message says which and why."""


class MissingStageError(PluginError):
    """No installed plugin offers a configured stage; nothing was run."""


class StorageError(PipekitError):
    """The ledger, the journal or the lock cannot be used."""


class LockHeldError(StorageError):
    """Another run is going on; the message says which."""

    exit_code = EXIT_LOCKED


class RunHeldError(PipekitError):
    """`pipekit hold` is blocking new runs; the message says until when and why."""

    exit_code = EXIT_SUCCESS
