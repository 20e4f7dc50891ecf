"""Files on Windows: appended to by several processes, replaced while they are open."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time

import pytest

from pipekit.worker import publish

REPORTING = """
import sys
from pipekit.worker import report
for number in range(500):
    report.metric(f"{sys.argv[1]}.{number}", number)
"""


def test_reports_of_several_processes_lose_no_line(tmp_path):
    path = tmp_path / "report"
    env = {**os.environ, "PIPEKIT_REPORT": str(path)}
    writers = [
        subprocess.Popen([sys.executable, "-c", REPORTING, str(number)], env=env)
        for number in range(4)
    ]
    assert [writer.wait(60) for writer in writers] == [0] * 4
    names = {json.loads(line)["name"] for line in path.read_bytes().splitlines()}
    assert len(names) == 2000


def test_a_file_that_is_open_for_an_instant_is_replaced(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    reader = open(path)  # noqa: SIM115  # closed by a timer
    threading.Timer(0.5, reader.close).start()
    publish(path, b"new")
    assert path.read_bytes() == b"new"


def test_a_file_that_stays_open_is_named_and_keeps_its_content(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    began = time.monotonic()
    with open(path), pytest.raises(PermissionError, match="another program has it open") as raised:
        publish(path, b"new")
    assert time.monotonic() - began >= 5
    assert raised.value.filename == str(path)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]
