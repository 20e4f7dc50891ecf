"""How a tree is stopped: ask politely, wait for the grace, kill, give up."""

from __future__ import annotations

from collections.abc import Callable

from pipekit.model.command import SentSignal
from pipekit.process.child import Child, Force, Member

KILL_TIMEOUT = 0.5  # seconds of repeated SIGKILL before surviving processes are only reported
_KILL_INTERVAL = 0.01  # seconds between two scans, each followed by SIGKILL


class Stop:
    """The stop of one tree: the signals sent so far, and when the next is due.

    `members`: looks for the live processes of the tree, the leader excepted. Times are seconds
    after the start of the command.
    """

    def __init__(self, child: Child, grace: float, members: Callable[[], list[Member]]) -> None:
        self._child = child
        self._grace = grace
        self._members = members
        self._sent: dict[Force, tuple[float, set[tuple[int, float]]]] = {}
        self._survivors: set[int] = set()
        self.next_kill = float("inf")

    @property
    def begun_at(self) -> float | None:
        """When the first signal was sent; None while the tree is not being stopped."""
        return self._sent[Force.POLITE][0] if Force.POLITE in self._sent else None

    @property
    def survivors(self) -> int:
        """How many processes had to be signalled after their leader had exited."""
        return len(self._survivors)

    @property
    def signals(self) -> tuple[SentSignal, ...]:
        """What was sent, when first, and to how many processes in all."""
        return tuple(
            SentSignal(name=force.value, at=at, count=len(who))
            for force, (at, who) in self._sent.items()
            if who
        )

    def begin(self, now: float, *, leader: bool) -> bool:
        """Ask politely and start the grace; whether the leader was running at that moment.

        With `leader`, does nothing if the leader has already exited: it then exited by itself.
        """
        members = self._members()
        if leader and self._child.exited():
            return False
        self.next_kill = now + self._grace
        return self._send(Force.POLITE, now, members)

    def end_grace(self, now: float) -> None:
        """Kill without waiting any longer."""
        self.next_kill = min(self.next_kill, now)

    def kill_if_due(self, now: float) -> None:
        """Kill once the grace is over, repeatedly: a scan may have missed a fork."""
        if now >= self.next_kill:
            self._send(Force.HARD, now, self._members())
            self.next_kill = now + _KILL_INTERVAL

    def given_up(self, now: float) -> bool:
        """Whether killing has not helped."""
        return Force.HARD in self._sent and now >= self._sent[Force.HARD][0] + KILL_TIMEOUT

    def _send(self, force: Force, now: float, members: list[Member]) -> bool:
        sent = self._child.send(force, members)
        _, who = self._sent.setdefault(force, (now, set()))
        if not sent.leader:
            self._survivors.update(member.pid for member in members)
        if sent.delivered:
            who.update((member.pid, member.started) for member in members)
            if sent.leader:
                who.add((self._child.pid, 0.0))
        return sent.leader
