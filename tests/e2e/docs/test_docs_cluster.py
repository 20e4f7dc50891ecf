"""The tutorial of the cluster, followed; its results are those of one machine, byte for byte."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

pytest.importorskip("pipekit_dask")

from ...pages import docs
from .test_docs_followed import Reader, assert_documented

pytestmark = [
    pytest.mark.posix("the pages are written for a POSIX shell"),
    pytest.mark.slow,
    pytest.mark.timeout(600),
]


def test_the_demo_runs_on_a_cluster_as_the_tutorial_says(project, tmp_path):
    reader = Reader(project, tmp_path)
    for block in docs("tutorial/two-machines.md").blocks("console"):
        lines = block.text.splitlines()
        exports = [line.removeprefix("$ export ") for line in lines if line.startswith("$ export ")]
        for export in exports:
            name, _, value = export.partition("=")
            reader.env[name] = value
        reader.follow("\n".join(line for line in lines if not line.startswith("$ export ")))
    assert {line: code for line, code in reader.codes if code} == {}
    assert "(dask " in reader.said
    assert 'pipeline.executor = "dask"\n  from PIPEKIT_PIPELINE__EXECUTOR' in reader.said
    queued = [json.loads(line) for line in reader.said.splitlines() if '"task_queued"' in line]
    assert [event["stage"] for event in queued] == ["merger"]
    assert reader.said.count("outcome.json\n") == 4
    assert_documented(reader.here / "logs/events")
    assert project.pipekit("demo", "here").code == 0
    there, here = digests(reader.here / "data"), digests(project.root / "here/data")
    assert len(here) > 20
    assert there == here


def digests(data: Path) -> dict[str, str]:
    """The content of the bars and of the merged results."""
    folders = [data / "processed", data / "analyzer_runs/merged"]
    files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
    return {
        file.relative_to(data).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
    }
