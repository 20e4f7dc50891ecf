"""Parts of a page that change while a run goes on: made once, for all who look at the page."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import NamedTuple

from pipekit_html.run import read_timeline

from pipekit.reading import PipelineState, ProjectReader, Timeline, parse_events
from pipekit_dashboard.follow import Followers

_ASK = 2.0  # seconds between two looks into the ledger for a run that goes on
_LINGER = 1.5  # seconds after the end of a run in which its report is written

Parts = Mapping[str, str]
"""HTML by the id of its element."""


class Moment(NamedTuple):
    """What is going on: the run that is watched and its timeline so far, if there is one."""

    run: PipelineState | None = None
    timeline: Timeline | None = None


class Live:
    """The parts of one page, and who waits for them.

    `find`: the run to watch now, or None. `make`: the parts, from what is going on; both are called
    in a thread. `every`: seconds between two looks. `ends`: nothing comes after the first run that
    is found.
    """

    def __init__(
        self,
        reader: ProjectReader,
        followers: Followers,
        find: Callable[[], PipelineState | None],
        make: Callable[[Moment], Parts],
        *,
        every: float = 0.2,
        ends: bool = False,
    ) -> None:
        self._reader = reader
        self._followers = followers
        self._find = find
        self._make = make
        self._every = every
        self._ends = ends
        self._parts: dict[str, tuple[int, str]] = {}
        self._version = 0
        self._changed = asyncio.Condition()
        self._viewers = 0
        self._task: asyncio.Task[None] | None = None
        self.is_over = False

    async def changes(self, patience: float) -> AsyncIterator[Parts]:
        """The parts, then those that have changed; nothing each time that none did for so long."""
        self._viewers += 1
        if self._task is None:
            self._task = asyncio.create_task(self._watch())
        try:
            seen = 0
            while True:
                news = {name: html for name, (at, html) in self._parts.items() if at > seen}
                seen = self._version
                yield news
                if self.is_over:
                    return
                async with self._changed:
                    try:
                        await asyncio.wait_for(self._changed.wait(), patience)
                    except TimeoutError:
                        continue
        finally:
            self._viewers -= 1
            if not self._viewers and self._task is not None:
                self._task.cancel()
                self._task = None

    async def _watch(self) -> None:
        while not self.is_over:
            run = await asyncio.to_thread(self._find)
            if run is not None:
                await self._follow(run)
            else:
                await self._publish(Moment())
                await asyncio.sleep(self._every)
            self.is_over = self._ends
        async with self._changed:
            self._changed.notify_all()

    async def _follow(self, run: PipelineState) -> None:
        """Publish the parts again whenever something happens in this run, until it has ended."""
        timeline, at = await asyncio.to_thread(read_timeline, self._reader, run)
        await self._publish(Moment(run, timeline))
        ended, published = 0.0, time.monotonic()
        asked = published
        with self._followers.follow(self._reader.journal(run), at) as followed:
            async for news in followed.news(at, self._every):
                now = time.monotonic()
                for _, event in parse_events(news.lines if news else ()):
                    timeline.add(event)
                if now - published >= self._every:
                    if timeline.status or now - asked > _ASK:
                        run, asked = await asyncio.to_thread(self._again, run), now
                    await self._publish(Moment(run, timeline))
                    published = now
                if not ended and (timeline.status or not await self._goes_on(run)):
                    ended = now  # the ledger knows it before the journal and the report do
                if ended and now - ended > _LINGER:
                    break
        await self._publish(Moment(run, timeline))

    async def _goes_on(self, run: PipelineState) -> bool:
        return run.status is None and await asyncio.to_thread(self._reader.is_going_on, run)

    def _again(self, run: PipelineState) -> PipelineState:
        """The run as the ledger has it now."""
        return self._reader.run(run.run_id) or run

    async def _publish(self, moment: Moment) -> None:
        made = await asyncio.to_thread(self._make, moment)
        changed = {n: html for n, html in made.items() if self._parts.get(n, (0, None))[1] != html}
        if changed:
            self._version += 1
            self._parts |= {name: (self._version, html) for name, html in changed.items()}
            async with self._changed:
                self._changed.notify_all()
