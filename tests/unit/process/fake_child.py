"""A backend that follows a script: what any system could tell of a command, in any order."""

from __future__ import annotations

from pipekit.process.child import LOST_EXIT, Exit, Force, Member, ProcessUsage, Sent

OTHER = Member(pid=200, group=200, started=1.0)
TICK = 0.0005  # seconds that any wait takes, at least


class Clock:
    """Stands for the module `time`: only a wait of the child lets time pass."""

    def __init__(self):
        self._now = 1000.0

    def monotonic(self):
        return self._now

    def pass_(self, seconds):
        self._now += max(seconds, TICK)


class FakeChild:
    """See `Child`. `script`: pairs of seconds after the start and a step:

    `exit N`, `out TEXT`, `eof`, `join` (another process), `leave`, `gone` (the tree is empty),
    `blind` (nobody can look), `work` (it uses CPU), `download` (bytes over the network), `lose`
    (its guardian is killed), or a function. `known`: whether somebody tells when the tree is empty
    (False), or not (None).
    `dies_of`: the signal that ends all, `after` so many seconds, unless it does not obey.
    """

    def __init__(self, *script, known=None, dies_of="SIGTERM", after=0.0, obeys=True):
        self.clock = Clock()
        self.pid = 100
        self.capacity = 65536
        self.lost = False
        self._start = self.clock.monotonic()
        self._script = sorted(script, key=lambda step: step[0])
        self._known = known
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
        self._downloading = False
        self.sent = []
        self.closed = False

    def at(self, seconds, step):
        """Add a step to the script."""
        self._script = sorted([*self._script, (seconds, step)], key=lambda step: step[0])

    def _now(self):
        return self.clock.monotonic() - self._start

    def _play(self):
        while self._script and self._script[0][0] <= self._now():
            _, step = self._script.pop(0)
            if callable(step):
                step()
                continue
            word, _, rest = step.partition(" ")
            getattr(self, f"_step_{word}")(rest)
        if self._busy:
            self._cpu = self._now()

    def _step_exit(self, code):
        self._code = int(code)

    def _step_out(self, text):
        self._streams["stdout"] += text.encode()

    def _step_eof(self, _):
        self._ended = set(self._streams)

    def _step_join(self, _):
        self._others = True

    def _step_leave(self, _):
        self._others = False

    def _step_gone(self, _):
        self._empty = True

    def _step_blind(self, _):
        self._blind = True

    def _step_work(self, _):
        self._busy = True

    def _step_download(self, _):
        self._downloading = True

    def _step_lose(self, _):
        self.lost = True

    @property
    def tree_empty(self):
        return self._known if self._known is None else self._empty

    def streams(self):
        return list(self._streams)

    def wait(self, seconds, *, output=True):
        self._play()
        ready = self._ready() if output else []
        if not ready:
            rest = self._script[0][0] - self._now() if self._script else 60.0
            self.clock.pass_(min(rest, 60.0 if seconds is None else seconds))
            self._play()
        return self._ready()

    def _ready(self):
        return [s for s, data in self._streams.items() if data or s in self._ended]

    def read(self, stream):
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
        if self._blind:
            raise OSError(24, "Too many open files")
        return [OTHER] if self._others else []

    def usage(self):
        self._play()
        return [ProcessUsage(self.pid, 1.0, self._cpu, 0.0, 0, 1000, 1000)]

    def network(self):
        self._play()
        return {1: int(self._now() * 1000)} if self._downloading else {}

    def snapshot(self):
        return []

    def send(self, force, members):
        alive = not self.exited()
        name = "SIGTERM" if force is Force.POLITE else "SIGKILL"
        self.sent.append((name, round(self._now(), 2), len(members)))
        if self._obeys and name in (self._dies_of, "SIGKILL"):
            at = self._now() + self._after
            number = -15 if force is Force.POLITE else -9
            ends = [] if self._code is not None else [(at, f"exit {number}")]
            self._script = [*ends, (at, "leave"), (at, "gone"), (at, "eof"), *self._script]
        return Sent(leader=alive)

    def reap(self):
        if self.lost:
            return LOST_EXIT
        return None if self._code is None else Exit(self._code, 0.0, None)

    def close(self):
        self.closed = True
