"""How a tree is stopped: ask, wait, insist, give up; knows no reason why."""

from __future__ import annotations

from pipekit.model.command import SentSignal
from pipekit.process.child import Child, Force
from pipekit.process.tree import Member

INSIST = 0.5  # seconds that SIGKILL is repeated for, before what is left is named and left alone
_REPEAT = 0.01  # seconds between two looks at what is left, and SIGKILL to it


class Ladder:
    """The signals sent to one tree. Times are seconds after the start of the command."""

    def __init__(self, child: Child, grace: float) -> None:
        self._child = child
        self._grace = grace
        self._sent: dict[Force, tuple[float, set[tuple[int, float]]]] = {}
        self._force_at = float("inf")
        self._leaderless: set[int] = set()

    @property
    def begun(self) -> bool:
        """Whether the tree is being stopped."""
        return bool(self._sent)

    @property
    def begun_at(self) -> list[float]:
        """When it was asked first, if it was."""
        return [self._sent[Force.POLITE][0]] if Force.POLITE in self._sent else []

    @property
    def survivors(self) -> int:
        """How many processes were signalled after their leader was gone."""
        return len(self._leaderless)

    @property
    def signals(self) -> tuple[SentSignal, ...]:
        """What was sent, when first, and to how many processes in all."""
        return tuple(
            SentSignal(name=force.value, at=at, count=len(who))
            for force, (at, who) in self._sent.items()
            if who
        )

    @property
    def forced(self) -> bool:
        """Whether the hard signal was sent."""
        return Force.HARD in self._sent

    def begin(self, now: float, *, leader: bool) -> bool:
        """Ask politely, and start the grace.

        With `leader`, only if that still runs. Says whether it ran when it was asked: whether it
        exited by itself is settled in that moment.
        """
        members = self._members()
        if leader and self._child.exited():
            return False
        self._force_at = now + self._grace
        return self._send(Force.POLITE, now, members)

    def hurry(self, now: float) -> None:
        """End the grace."""
        self._force_at = min(self._force_at, now)

    def climb(self, now: float) -> None:
        """Insist once the grace is over, again and again: a fork may just have been missed."""
        if now >= self._force_at:
            self._send(Force.HARD, now, self._members())
            self._force_at = now + _REPEAT

    @property
    def due(self) -> float:
        """When `climb` has something to do next."""
        return self._force_at

    def given_up(self, now: float) -> bool:
        """Whether insisting did not help."""
        return self.forced and now >= self._sent[Force.HARD][0] + INSIST

    def _members(self) -> list[Member]:
        try:
            return self._child.members()
        except OSError:  # nobody can look; the leader's group can be reached all the same
            return []

    def _send(self, force: Force, now: float, members: list[Member]) -> bool:
        alive = self._child.send(force, members)
        _, who = self._sent.setdefault(force, (now, set()))
        who.update((member.pid, member.started) for member in members)
        if alive:
            who.add((self._child.pid, 0.0))
        else:
            self._leaderless.update(member.pid for member in members)
        return alive
