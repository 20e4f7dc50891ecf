"""Run ids: UUIDs of version 7 (RFC 9562), which sort by the time they were made."""

from __future__ import annotations

import os
import time


def new_run_id() -> str:
    """A new UUIDv7 as text: 48 bits of Unix milliseconds, then randomness."""
    value = int.from_bytes(os.urandom(10), "big") | ((time.time_ns() // 1_000_000) << 80)
    value = value & ~(0xF << 76) | (0x7 << 76)  # version
    value = value & ~(0x3 << 62) | (0x2 << 62)  # variant
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
