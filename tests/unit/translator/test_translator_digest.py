"""The content hash is the same whoever works it out, and keeps no bytes that it has seen."""

from __future__ import annotations

import gc
import hashlib
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from pipekit_translator.work.read.digest import WORTH, Digest

SIZES = (WORTH, 5, 2 * WORTH, WORTH - 1, WORTH)


def block(size: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, size, np.uint8)


@pytest.fixture(params=["busy", "free"])
def pool(request: pytest.FixtureRequest) -> Iterator[ThreadPoolExecutor]:
    """A thread that is kept busy, as by a file that it reads, or has nothing to do."""
    over = threading.Event()
    with ThreadPoolExecutor(1) as threads:
        if request.param == "busy":
            threads.submit(over.wait, 60)
        yield threads
        over.set()


def test_the_hash_is_that_of_all_bytes_in_their_order(pool: ThreadPoolExecutor) -> None:
    digest, expected = Digest(pool), hashlib.sha256()
    for seed, size in enumerate(SIZES):
        data = block(size, seed)
        digest.update(memoryview(data))  # type: ignore[arg-type]  # an array is one
        expected.update(data)
    assert digest.hexdigest() == expected.hexdigest()


def test_bytes_that_were_hashed_are_let_go(pool: ThreadPoolExecutor) -> None:
    """Also where the pool has not yet come upon the tasks that were taken back from it."""
    digest = Digest(pool)
    seen = []
    for seed in range(8):
        data = block(WORTH, seed)
        seen.append(weakref.ref(data))
        digest.update(memoryview(data))  # type: ignore[arg-type]  # as above
        del data
    digest.hexdigest()
    gc.collect()
    assert [ref() for ref in seen] == [None] * 8
