"""Programs that write or sleep, for the benchmark's figures; the standard library alone.

    children.py STAMP KIND NUMBER...

Each writes the time of its start (the monotonic clock's) into the file STAMP.
"""

from __future__ import annotations

import os
import sys
import time

LINE = b"x" * 99 + b"\n"
BLOCK = 655  # lines in one write: as many as go into 64 KiB


def lines(size: int) -> None:
    """`size` bytes of 100-byte lines, as fast as they are taken."""
    block = LINE * BLOCK
    for _ in range(size // len(block)):
        put(block)
    put(block[: size % len(block)])


def paced(rate: int, seconds: int) -> None:
    """`rate` lines a second, each in a write of its own."""
    started = time.monotonic()
    for number in range(rate * seconds):
        put(LINE)
        ahead = started + number / rate - time.monotonic()
        if ahead > 0:
            time.sleep(ahead)


def blob(size: int) -> None:
    """`size` bytes without a line's end."""
    for _ in range(size // 65536):
        put(b"x" * 65536)


def sleepers(count: int, seconds: int) -> None:
    """`count` processes that do nothing, this one among them."""
    for _ in range(count - 1):
        if os.fork() == 0:
            break
    time.sleep(seconds)


def put(data: bytes) -> None:
    """All of it to standard output: a pipe may take less at once."""
    while data:
        data = data[os.write(1, data) :]


if __name__ == "__main__":
    stamp, kind, *numbers = sys.argv[1:]
    with open(f"{stamp}.new", "w", encoding="ascii") as file:
        file.write(str(time.monotonic()))
    os.rename(f"{stamp}.new", stamp)
    kinds = {each.__name__: each for each in (lines, paced, blob, sleepers)}
    kinds[kind](*map(int, numbers))
