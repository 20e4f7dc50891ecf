"""How an attempt ended on its node: `outcome.json`, which alone says that something succeeded."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from pipekit.errors import DefinitionError
from pipekit.model.command import ProcessResult
from pipekit.process.records import result_of, result_record
from pipekit.process.remote.folder import AttemptFolder, KnownFile, write_json
from pipekit.worker._publish import sync_folders

FORMAT = 1


class TaskOutcome(NamedTuple):
    """The result of an attempt, as its node saw it.

    `node`: its name. `began`, `ended`: Unix times by the node's clock. `files`: what it has left in
    the attempt's folder, with size and fingerprint.
    """

    attempt: int
    node: str
    process: ProcessResult
    files: tuple[KnownFile, ...] = ()
    began: float = 0.0
    ended: float = 0.0


def write_outcome(folder: AttemptFolder, outcome: TaskOutcome, mode: int) -> None:
    """Write `outcome.json`, whole and synced. Raises OSError."""
    record = outcome._asdict() | {
        "v": FORMAT,
        "process": result_record(outcome.process),
        "files": [file._asdict() for file in outcome.files],
    }
    write_json(folder.outcome, record, mode)
    sync_folders([folder.outcome])


def read_outcome(content: Any) -> TaskOutcome:
    """The outcome that a file holds. Raises DefinitionError if it is none."""
    try:
        return TaskOutcome(
            attempt=int(content["attempt"]),
            node=str(content["node"]),
            process=result_of(content["process"]),
            files=tuple(_files(content["files"])),
            began=float(content["began"]),
            ended=float(content["ended"]),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DefinitionError(f"it is not an outcome: {error!r}") from error


def _files(records: Iterable[Any]) -> Iterable[KnownFile]:
    for record in records:
        file = KnownFile(str(record["path"]), int(record["size"]), str(record["fingerprint"]))
        parts = file.path.split("/")
        if file.path.startswith("/") or ".." in parts or "\0" in file.path:
            raise ValueError(f"{file.path!r} leads out of the folder")
        yield file
