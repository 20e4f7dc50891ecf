"""What each scheduler can do, and how its programs are called."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, Protocol

from pipekit.errors import PipekitError
from pipekit.schedule.job import Job

_PATIENCE = 60.0  # seconds for a scheduler's program
_MODE = 0o644  # of a scheduler's files, before the umask


class File(NamedTuple):
    """A file that a scheduler reads; `place` is its path, or says where the text goes."""

    place: str
    text: str


class Installed(NamedTuple):
    """A job that is installed. `since`: Unix time. `current`: whether it is as it would be now."""

    since: float
    current: bool


class Scheduler(Protocol):
    """A scheduler of an operating system."""

    title: str
    log_hint: str
    """Where what a run prints is found."""

    def files(self, job: Job) -> list[File]:
        """What `install` writes."""

    def install(self, job: Job) -> None:
        """Have the job started from now on; replaces one of this name. Raises PipekitError."""

    def installed(self, job: Job) -> Installed | None:
        """What is installed under the job's name; None also where this scheduler is not in use."""

    def remove(self, name: str) -> None:
        """Remove the job, and all that it consists of. Raises PipekitError."""


def call(*words: str, text: bytes | None = None) -> bytes:
    """Run a scheduler's program and return what it prints. Raises PipekitError if it fails."""
    if shutil.which(words[0]) is None:
        raise PipekitError(f"there is no program `{words[0]}` on this machine")
    import subprocess  # `status` asks for what is installed, mostly without a program

    try:
        done = subprocess.run(
            words,
            input=text,
            stdin=subprocess.DEVNULL if text is None else None,
            capture_output=True,
            timeout=_PATIENCE,
            check=False,
            env={**os.environ, "LC_ALL": "C"},
        )
    except OSError as error:
        raise PipekitError(f"`{words[0]}` could not be started: {error}") from error
    except subprocess.TimeoutExpired as error:
        raise PipekitError(f"`{' '.join(words)}` did not end within {_PATIENCE:.0f}s") from error
    if done.returncode:
        said = (done.stderr or done.stdout).decode(errors="replace").strip()
        raise PipekitError(f"`{' '.join(words)}` failed: {said or f'exit {done.returncode}'}")
    return done.stdout


def write_files(files: Iterable[File]) -> None:
    """Write these; each is complete, or as it was. Raises PipekitError."""
    from pipekit.worker import Publication  # `status` only reads

    for file in files:
        path = Path(file.place)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with Publication(path, reported=False, mode=_MODE) as publication:
                publication.write(file.text.encode())
        except OSError as error:
            raise PipekitError(f"cannot write {path}: {error.strerror}") from error


def remove_files(paths: Iterable[Path]) -> None:
    """Remove those that are there. Raises PipekitError."""
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise PipekitError(f"cannot remove {path}: {error.strerror}") from error
