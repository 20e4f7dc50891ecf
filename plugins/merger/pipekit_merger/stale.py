"""Whether the summary is that of the months as they are; knows fingerprints, and opens no file."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

from pipekit import Published

SUMMARY_TABLE = "summary.parquet"
SUMMARY_TEXT = "summary.json"


def digest(months: Iterable[tuple[str, str]]) -> str:
    """One fingerprint for (path below the folder of results, fingerprint) of all months."""
    lines = sorted(f"{path} {fingerprint}\n" for path, fingerprint in months)
    return str(_sha256("".join(lines).encode()).hexdigest())


def _sha256(data: bytes) -> Any:
    """As `hashlib` has it; without OpenSSL, which takes 2 ms of each plan to load."""
    for name in ("_sha2", "_sha256"):  # from Python 3.12 on, and before
        with suppress(ImportError):
            return importlib.import_module(name).sha256(data)
    import hashlib

    return hashlib.sha256(data)


def summary_request(
    merged: str, months: Sequence[str], present: Iterable[str], published: Iterable[Published]
) -> dict[str, Any]:
    """What the ledger says to the summary's worker, with whether there is anything to do for it.

    `months` and `present` (the summary's own files): paths that are there. The summary's ledger
    row holds the digests it was made for: that of the months on the disk, and the one computed
    here, so that a ledger that knows less than the disk does not ask for it again and again.
    """
    known = {file.path: file for file in published}
    standing = digest(
        (path.removeprefix(f"{merged}/"), known[path].fingerprint if path in known else "")
        for path in months
    )
    text = known.get(f"{merged}/{SUMMARY_TEXT}")
    current = text is not None and standing in text.detail.get("of", ())
    complete = {f"{merged}/{SUMMARY_TEXT}", f"{merged}/{SUMMARY_TABLE}"} <= set(present)
    return {
        "merged": merged,
        "known": standing,
        "stale": bool(months) and not (current and complete),
    }
