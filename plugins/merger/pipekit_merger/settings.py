"""The settings of the stage `merger`."""

from __future__ import annotations

import attrs

from pipekit import setting


def _folder(_instance: object, _attribute: object, value: str) -> None:
    parts = value.split("/")
    if not value or "\\" in value or ":" in value or {"", ".", ".."} & set(parts):
        raise ValueError(
            "must be a folder below the project's root, written with '/', "
            f"for example data/results; got {value!r}"
        )


@attrs.frozen(kw_only=True)
class Settings:
    """Where the merger reads and writes."""

    analyzer: str = setting(
        "The stage whose results are merged.", default="analyzer", affects_output=False
    )
    runs: str = setting(
        "Folder of the analyzer's results; it has a folder for each run, with a file for each "
        "instrument.",
        default="data/analyzer_runs",
        affects_output=False,
        validator=_folder,
    )
    merged: str = setting(
        "Folder of the merged results: a file for each stream and month, and the summary.",
        default="data/analyzer_runs/merged",
        validator=_folder,
        publishes=True,
    )
    summary: bool = setting(
        "Whether to write the summary. `pipekit results` does not need it.",
        default=True,
        affects_output=False,
    )
