"""Why a published file cannot be used."""

from __future__ import annotations


class UnusableError(Exception):
    """A published file that new rows cannot be merged into; the message says what to do."""


class DamagedError(UnusableError):
    """A published file that cannot be read at all. `reason`: a clause."""

    def __init__(self, path: str, reason: object) -> None:
        self.reason = str(reason).strip().partition("\n")[0] or type(reason).__name__
        super().__init__(
            f"{path} cannot be read ({self.reason}) and was left as it is. To rebuild it from the "
            "raw files, move it away and run `pipekit run`"
        )
