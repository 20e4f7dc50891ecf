"""Whether what a tool left in its file is what it was told, each event once."""

from __future__ import annotations

import datetime as dt
import json
import re
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).with_name("tools")))

from telling import RUN, events

STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d")


def check(path: Path, count: int, told: int) -> None:
    """The first `told` of `count` events, a line each. Raises SystemExit with the first fault."""
    lines = path.read_bytes().split(b"\n")
    if len(lines) != told + 1 or lines[-1]:
        raise SystemExit(f"{path.name}: {len(lines) - 1} whole lines of {told}")
    before = ""
    for seq, (line, event) in enumerate(zip(lines[:told], events(count), strict=False), 1):
        found = json.loads(line)
        stamp = found.pop("timestamp", "")
        names = ("stage", "event", "msg", "data")
        wanted = {"v": 1, "run_id": RUN, "seq": seq, **dict(zip(names, event, strict=True))}
        if found != wanted:
            raise SystemExit(f"{path.name}, line {seq}: {found} instead of {wanted}")
        if not STAMP.fullmatch(stamp) or stamp < before:
            raise SystemExit(f"{path.name}, line {seq}: no time stamp in order: {stamp!r}")
        before = stamp
    if abs((dt.datetime.now(dt.UTC) - dt.datetime.fromisoformat(before)).total_seconds()) > 600:
        raise SystemExit(f"{path.name}: the last time stamp is not of now: {before}")
