"""Rounds on a Dask cluster in which something dies; all of them with `-m long`."""

from __future__ import annotations

import pytest

pytest.importorskip("distributed")
from .remote_chaos import EVENTS, Lab

pytestmark = pytest.mark.posix("signals, and process groups")


@pytest.fixture
def lab(tmp_path):
    made = Lab(tmp_path)
    yield made
    made.cluster.stop()


def test_a_worker_and_a_run_that_die(lab):
    lab.round(0, 1, "worker")
    lab.round(1, 1, "submitter")
    assert lab.faults == []


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_whatever_dies(lab):
    """Three hundred rounds, of each kind as many."""
    for number in range(300):
        lab.round(number, 20261129)
    assert lab.faults == []
    assert sum(lab.counts[event] for event in EVENTS) == 300
