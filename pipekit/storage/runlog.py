"""The log of a run for people: its events in plain lines, and what the stages' programs printed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

OUTPUT_LIMIT = 1024 * 1024  # bytes of a stream that are repeated here: half head, half tail


class RunLog:
    """Appends to `pipeline_{YYYYMMDD_HHMMSS}_{run_id}.log`. Never raises; a full disk ends it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
            self._descriptor = os.open(path, flags, 0o644)
        except OSError:
            pass  # the journal tells the same, and its own trouble is reported

    def event(self, record: Mapping[str, Any]) -> None:
        """One line for one event, as it stands in the journal; progress is left out."""
        stage, event = record["stage"], record["event"]
        if event != "progress":
            line = f"{record['timestamp']} {stage:<12} {event:<11} {record['msg']}\n"
            self._write(line.encode("utf-8", "backslashreplace"))

    def output(self, task: str, stream: str, spool: Path | None) -> None:
        """What a task printed: whole, or head and tail with the name of the spool for the rest."""
        if spool is None:
            return
        try:
            with open(spool, "rb") as file:
                size = os.fstat(file.fileno()).st_size
                if not size:
                    return
                self._write(f"--- {task} {stream} ({size} bytes) ---\n".encode())
                if size <= OUTPUT_LIMIT:
                    self._write(file.read())
                else:
                    self._write(file.read(OUTPUT_LIMIT // 2))
                    self._write(f"\n... the rest is in {spool} ...\n".encode())
                    file.seek(-OUTPUT_LIMIT // 2, os.SEEK_END)
                    self._write(file.read())
                self._write(b"\n--- end ---\n")
        except OSError:
            return

    def close(self) -> None:
        """Close the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _write(self, data: bytes) -> None:
        if self._descriptor is None:
            return
        try:
            os.write(self._descriptor, data)
        except OSError:
            self.close()
