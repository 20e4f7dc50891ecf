"""A backend that follows a script: what any system could tell of a command, in any order."""

from __future__ import annotations

import time

from pipekit.process.child import Exit
from pipekit.process.tree import Member, Reading

OTHER = Member(pid=200, group=200, started=1.0)


class FakeChild:
    """See `Child`. `script`: pairs of seconds after the start and a change, by name:

    `exit N`, `out TEXT`, `eof`, `join` (another process), `leave`, `empty` (it is told), `blind`,
    `sees`, `busy`, `lost`. `dies_of`: the signal that ends all, after so many seconds.
    """

    def __init__(self, *script, told=None, dies_of="SIGTERM", after=0.0, obeys=True):
        self.pid = 100
        self.capacity = 65536
        self.lost = False
        self._start = time.monotonic()
        self._script = sorted(script, key=lambda step: step[0])
        self._told = told
        self._dies_of = dies_of
        self._after = after
        self._obeys = obeys
        self._streams = {"stdout": b"", "stderr": b""}
        self._ended: set[str] = set()
        self._code = None
        self._others = False
        self._empty = False
        self._blind = False
        self._cpu = 0.0
        self._busy = False
        self.sent = []
        self.looked = 0
        self.closed = self.reaped = False

    def _play(self):
        now = time.monotonic() - self._start
        while self._script and self._script[0][0] <= now:
            _, step = self._script.pop(0)
            word, _, rest = step.partition(" ")
            getattr(self, f"_{word}")(rest)
        if self._busy:
            self._cpu = now

    def _exit(self, code):
        self._code = int(code)

    def _out(self, text):
        self._streams["stdout"] += text.encode()

    def _eof(self, _):
        self._ended = set(self._streams)

    def _join(self, _):
        self._others = True

    def _leave(self, _):
        self._others = False

    def _gone(self, _):
        self._empty = True

    def _blinds(self, _):
        self._blind = True

    def _sees(self, _):
        self._blind = False

    def _works(self, _):
        self._busy = True

    def _rests(self, _):
        self._busy = False

    def _loses(self, _):
        self.lost = True

    @property
    def told_empty(self):
        return self._told if self._told is None else self._empty

    def streams(self):
        return list(self._streams)

    def wait(self, seconds, *, output=True):
        self._play()
        rest = self._script[0][0] - (time.monotonic() - self._start) if self._script else 60.0
        time.sleep(max(min(rest, 60.0 if seconds is None else seconds, 0.02), 0))
        self._play()
        return [s for s, data in self._streams.items() if data or s in self._ended]

    def read(self, stream, most):
        data, self._streams[stream] = self._streams[stream], b""
        if not data and stream in self._ended:
            del self._streams[stream]
            return b""
        return data or None

    def exited(self):
        self._play()
        return self.lost or self._code is not None

    def members(self):
        self._play()
        self.looked += 1
        if self._blind:
            raise OSError(24, "Too many open files")
        return [OTHER] if self._others else []

    def readings(self):
        self._play()
        return [Reading(self.pid, 1.0, self._cpu, 0.0, 0, 1000, 1000)]

    def snapshot(self):
        return []

    def send(self, force, members):
        alive = not self.exited()
        self.sent.append((force.value, round(time.monotonic() - self._start, 2), len(members)))
        if self._obeys and force.value in (self._dies_of, "SIGKILL"):
            at = time.monotonic() - self._start + self._after
            number = -15 if force.value == "SIGTERM" else -9
            ends = [] if self._code is not None else [(at, f"exit {number}")]
            self._script = [*ends, (at, "leave"), (at, "gone"), (at, "eof"), *self._script]
        return alive

    def reap(self):
        self.reaped = True
        return (
            Exit(None, None, None)
            if self.lost
            else Exit(self._code, 0.0, None)
            if self._code is not None
            else None
        )

    def close(self):
        self.closed = True
