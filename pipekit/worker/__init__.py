"""For worker processes of stages: report to pipekit, publish files, read the request.

    from pipekit.worker import publish, report, request

    for name in request()["instruments"]:
        with report.unit(name):
            ...
            with publish(f"data/out/{name}.parquet") as file:
                ...

Needs only the standard library, so that it costs a worker almost nothing to import.
"""

from pipekit.worker._exit import leave, loading
from pipekit.worker._publish import Publication, publish, sync_folders
from pipekit.worker._report import (
    ABSENT,
    PUBLISH_VARIABLE,
    REPORT_VARIABLE,
    Report,
    Signature,
    Verb,
    fingerprint,
    hasher,
    look,
    report,
)
from pipekit.worker._request import request

__all__ = [
    "ABSENT",
    "PUBLISH_VARIABLE",
    "REPORT_VARIABLE",
    "Publication",
    "Report",
    "Signature",
    "Verb",
    "fingerprint",
    "hasher",
    "leave",
    "loading",
    "look",
    "publish",
    "report",
    "request",
    "sync_folders",
]
