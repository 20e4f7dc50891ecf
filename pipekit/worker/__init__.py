"""For worker processes of stages: report to pipekit, publish files, read the request.

    from pipekit.worker import publish, report, request

    for name in request()["instruments"]:
        with report.unit(name):
            ...
            with publish(f"data/out/{name}.parquet") as file:
                ...

Needs only the standard library, so that it costs a worker almost nothing to import.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipekit.worker._exit import leave as leave
    from pipekit.worker._exit import loading as loading
    from pipekit.worker._publish import Publication as Publication
    from pipekit.worker._publish import publish as publish
    from pipekit.worker._publish import staged as staged
    from pipekit.worker._publish import sync_folders as sync_folders
    from pipekit.worker._report import ABSENT as ABSENT
    from pipekit.worker._report import PUBLISH_VARIABLE as PUBLISH_VARIABLE
    from pipekit.worker._report import REPORT_VARIABLE as REPORT_VARIABLE
    from pipekit.worker._report import Report as Report
    from pipekit.worker._report import Signature as Signature
    from pipekit.worker._report import Verb as Verb
    from pipekit.worker._report import fingerprint as fingerprint
    from pipekit.worker._report import hasher as hasher
    from pipekit.worker._report import look as look
    from pipekit.worker._report import report as report
    from pipekit.worker._request import request as request

_HOMES = {
    "_exit": ("leave", "loading"),
    "_publish": ("Publication", "publish", "staged", "sync_folders"),
    "_report": (
        "ABSENT",
        "PUBLISH_VARIABLE",
        "REPORT_VARIABLE",
        "Report",
        "Signature",
        "Verb",
        "fingerprint",
        "hasher",
        "look",
        "report",
    ),
    "_request": ("request",),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME)  # noqa: PLE0605  # the names stand in _HOMES, once


if not TYPE_CHECKING:  # else every misspelt name would pass the type checker

    def __getattr__(name: str) -> Any:
        if name not in _HOME:
            raise AttributeError(f"module 'pipekit.worker' has no attribute {name!r}")
        module = importlib.import_module(f"pipekit.worker.{_HOME[name]}")
        globals()[name] = value = getattr(module, name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
