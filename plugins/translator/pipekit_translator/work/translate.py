"""Carries out a request: read all files, publish key by key, report.

A file is consumed when every key that it feeds is published; if one fails, it stays pending.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing

import numpy as np
import pyarrow as pa

from pipekit.worker import ABSENT, report, sync_folders
from pipekit_translator import layout
from pipekit_translator.contracts import MARK, is_kept_apart, shown
from pipekit_translator.dialects import VolumeType
from pipekit_translator.request import FileJob, Request
from pipekit_translator.work.assemble.buffer import Chunk, RowBuffer, limit_of
from pipekit_translator.work.assemble.file_rows import Assembly
from pipekit_translator.work.contracts import refused_files
from pipekit_translator.work.feeding import Feedings
from pipekit_translator.work.publish.agreement import is_other
from pipekit_translator.work.publish.existing import Existing
from pipekit_translator.work.publish.key_report import KeyReports
from pipekit_translator.work.publish.publisher import PartResult, Publisher, of_days
from pipekit_translator.work.publish.rolled import Rolled
from pipekit_translator.work.publish.unusable import UnusableError
from pipekit_translator.work.publish.volume import volume_of
from pipekit_translator.work.read.files import read_all
from pipekit_translator.work.read.outcome import Files
from pipekit_translator.work.read.record import RawFile
from pipekit_translator.work.set_aside import SetAside
from pipekit_translator.work.table import Ints
from pipekit_translator.work.zones import Zone

Parts = list[Future[PartResult | None]]  # of a key, in order

_DISK_THREADS = 4  # each finished file waits some milliseconds for the disk
_PARTS_AHEAD = 256  # that threads work on or have ready; a key is submitted as a whole


def translate(request: Request) -> None:
    """Carry out a request. The working directory must be the project's root."""
    pa.set_memory_pool(pa.system_memory_pool())  # pyarrow's others keep tens of megabytes
    with closing(RowBuffer(limit_of(request.memory), request.processed)) as buffer:
        _Translation(request, buffer).run()


class _Translation:
    def __init__(self, request: Request, buffer: RowBuffer) -> None:
        self._request = request
        self._assembly = Assembly(
            buffer=buffer,
            timezone=request.timezone,
            processed=request.processed,
            removed=frozenset(request.removed),
            contracts=request.contracts_folder,
        )
        self._rebuild = request.rebuild
        self._left = request.left
        self._files = Files(request.groups)
        self._feeding = Feedings()
        self._waits: list[int] = []  # by file: keys to publish before it is consumed
        self._unpublished: set[str] = set()  # keys
        self._failed: set[int] = set()  # files of which a key could not be published
        self._noted: dict[int, dict[str, str]] = {}  # by file: the contracts of its keys
        self._refused: dict[int, str] = {}  # files of a second contract: why they are rejected
        self._touched: defaultdict[str, set[str]] = defaultdict(set)  # see _stages
        self._warnings: dict[int, list[str]] = {}  # by file
        self._counts: Counter[str] = Counter(
            dict.fromkeys(("files", "empty_files", "rows", "bad_rows", "late_rows"), 0)
        )
        self._aside = SetAside(request.quarantine, self._counts, request.partial_at)
        self._reports = KeyReports(request.quality, request.timezone)

    def run(self) -> None:
        self._read()
        with report.gathered():
            for file in range(len(self._files)):
                self._finish_when_done(file)
        workers = max(self._request.workers, 1)
        with ThreadPoolExecutor(_DISK_THREADS) as disks, ThreadPoolExecutor(workers) as threads:
            self._existing = Existing.of(self._request, self._aside.quarantine, self._left)
            for keys in self._stages():
                for key, parts in self._submitted(keys, threads, disks):
                    self._note_published(key, ok=self._publish(key, parts))
        self._report_forgotten()
        self._aside.report()
        for name, value in self._counts.items():
            report.metric(name, value)
        self._reports.write_quality(self._request.quality_file)

    def _stages(self) -> Iterator[list[str]]:
        """The keys to publish: those of single contracts, and then what is made of them as well.

        Before the second, it notes the parts in which a contract has changed.
        """
        keys = {*self._feeding, *self._rebuild, *self._existing.parts}
        single = {key for key in keys if MARK in key}
        yield sorted(single)
        together = {layout.root_key(key) for key in single} | {*self._request.compose}
        for key, composed in self._request.compose.items():
            self._touched[key] |= {*composed.parts}
        for key in single:
            self._touched[layout.root_key(key)] |= self._parts(key)
        yield sorted((keys | together) - single)

    # Reading

    def _read(self) -> None:
        rejected, again = read_all(self._request, self._assembly, self._take)
        ranks = self._files.sort()
        self._feeding.sort(ranks)
        waits = np.empty(len(ranks), np.int64)
        waits[ranks] = self._waits
        self._waits = waits.tolist()
        self._leave_days(again, rejected)
        self._refuse_second_contracts(ranks)
        for file, texts in sorted((int(ranks[file]), t) for file, t in self._warnings.items()):
            for text in texts:
                report.warning(text, path=self._files.paths[file])

    def _take(self, raw: RawFile) -> None:
        """Keep what is needed of a file until it is consumed."""
        file, chunks = self._files.add(raw), raw.rows.chunks
        keys = {key for key, _, _ in chunks}
        self._waits.append(len(keys | {layout.root_key(key) for key in keys}))
        if noted := raw.contracts():
            self._noted[file] = noted
        for key, part, chunk in chunks:
            self._feeding.add(key, part, file, chunk)
        if raw.warnings:
            self._warnings[file] = raw.warnings
        if not raw.repeated:
            self._aside.note_late(raw.rows.late)
        self._reports.note_repeated(raw.rows.repeated)

    def _leave_days(self, again: list[FileJob], rejected: list[FileJob]) -> None:
        """Exclude days that an unreadable file fed from the rebuild."""
        waiting = layout.both(layout.union(job.before.days for job in again), self._rebuild)
        lost = layout.both(layout.union(job.before.days for job in rejected), self._rebuild)
        left = layout.union([waiting, lost])
        self._left = layout.union([self._left, left])
        self._rebuild = layout.without(self._rebuild, left)
        for file, job in self._files.known.items():
            if job.role == "stale" and layout.both(job.before.days, waiting):
                self._failed.add(file)
        if left:
            report.warning(
                f"not rebuilt: {layout.named(left)}, because a file that fed these days could not "
                "be read. Once it can, rebuild them with `pipekit run --rebuild`"
            )

    def _refuse_second_contracts(self, ranks: Ints) -> None:
        """Take out files of another contract than the one that their instrument has."""
        noted = {int(ranks[file]): found for file, found in self._noted.items()}
        known, paths = self._request.contracts, self._files.paths
        self._refused = refused_files(noted, known, paths, self._is_other)
        if not self._refused:
            return
        self._feeding.remove(self._refused)
        for file in self._refused:
            self._waits[file] = 0

    def _is_other(self, key: str, files: Collection[int]) -> bool:
        """Whether the rows of these files are of another contract than what is published."""
        folder, pairs = self._assembly.folder(key), []
        chunk = self._assembly.buffer.chunk
        for part, feeding in sorted(self._feeding.parts(key).items()):
            chunks = [chunk(number) for file, number in feeding if file in files]
            if part[:7] not in self._rebuild.get(key, {}):
                pairs.append((layout.path(folder, key, part), chunks))
        try:
            return is_other(pairs, layout.of_key(key)[1], self._zone(key))
        except (OSError, UnusableError):
            return False  # which publishing will tell

    # Publishing

    def _submitted(
        self, names: Iterable[str], threads: ThreadPoolExecutor, disks: ThreadPoolExecutor
    ) -> Iterator[tuple[str, Parts]]:
        """The keys in order, and their parts in the hands of threads; some keys ahead."""
        keys = iter(names)
        ahead: deque[tuple[str, Parts]] = deque()
        while True:
            while sum(len(parts) for _, parts in ahead) < _PARTS_AHEAD:
                if (key := next(keys, None)) is None:
                    break
                ahead.append((key, self._submit(key, threads, disks)))
            if not ahead:
                return
            first = ahead.popleft()
            if not ahead and (key := next(keys, None)) is not None:
                ahead.append((key, self._submit(key, threads, disks)))
            yield first

    def _submit(self, key: str, threads: ThreadPoolExecutor, disks: ThreadPoolExecutor) -> Parts:
        """Publish the parts of a key in these threads."""
        rebuild, folder = self._rebuild.get(key, {}), self._assembly.folder(key)
        rolled = self._rolled(key)
        try:
            if rolled is not None and self._feeding.parts(key):
                rolled.check_unused()
            volume = volume_of(folder, key, self._volume_types(key))
        except UnusableError as error:
            refused: Future[PartResult | None] = Future()
            refused.set_exception(error)
            return [refused]
        publisher = Publisher(
            processed=folder,
            key=key,
            zone=self._zone(key),
            rules=self._request.quality,
            disks=disks,
            existing=self._existing,
            volume=volume,
        )

        def publish(part: str) -> PartResult | None:
            days = layout.both({key: rebuild}, {key: layout.days_of(part)}).get(key, {})
            if rolled is not None and rolled.rules and not self._feeding.parts(key):
                return rolled.publish(publisher, part, days)
            return publisher.publish(part, self._chunks(key, part), days)

        return [threads.submit(publish, part) for part in sorted(self._parts(key))]

    def _parts(self, key: str) -> set[str]:
        """The parts of a key to publish."""
        rebuild = layout.parts_of(key, self._rebuild.get(key, {}))
        found = {*self._feeding.parts(key), *rebuild, *self._touched.get(key, ())}
        found.update(self._existing.parts.get(key, ()))
        folder, removed = self._assembly.folder(key), self._assembly.removed
        return {part for part in found if layout.path(folder, key, part) not in removed}

    def _rolled(self, key: str) -> Rolled | None:
        """What puts a key together from its contracts, if there are any."""
        if MARK in key:
            return None
        groups = [self._files.group(file) for file in self._feeding_files(key)]
        rules = {group.format.roll for group in groups}
        if not rules and key in self._request.compose:
            rules = {self._request.compose[key].rule}
        rules = rules or {group.format.roll for group in self._request.groups}
        found = Rolled(
            contracts=self._request.contracts_folder,
            key=key,
            zone=self._zone(key),
            rules=sorted(filter(is_kept_apart, rules)),
            uncovered=self._reports.uncovered[key],
        )
        return found if found.names() else None

    def _volume_types(self, key: str) -> dict[VolumeType, str]:
        """The types of the volume in files that feed a key, each with one of the files."""
        files, fed = self._files, self._feeding_files(key)
        return {files.group(file).format.volume_type: files.paths[file] for file in fed}

    def _feeding_files(self, key: str) -> list[int]:
        """The files with rows of a key, or of contracts that it is put together from, in order."""
        keys = [key]
        if key in self._touched:
            keys += [each for each in self._feeding if layout.root_key(each) == key != each]
        return self._feeding.files(keys)

    def _publish(self, key: str, parts: Parts) -> bool:
        """Whether the unit succeeded; published parts are reported in any case."""
        with report.unit(shown(key)):
            for index, part in enumerate(parts):
                part.exception()  # waits
                report.progress(index + 1, len(parts))
            results = [o for part in parts if not part.exception() and (o := part.result())]
            placed = [o for o in results if not (o.placed and o.placed.exception())]
            sync_folders(o.publication.target for o in placed if o.publication.changed)
            for result in placed:
                self._report_part(key, result)
            for part in parts:
                part.result()
            for result in results:
                if result.placed:
                    result.placed.result()
            self._reports.report(key, results, files=len(self._feeding_files(key)))
            return True
        return False  # `report.unit` has suppressed an exception

    def _zone(self, key: str) -> Zone:
        return self._assembly.zone(layout.of_key(key)[1])

    def _chunks(self, key: str, part: str) -> list[tuple[int, Chunk]]:
        """The chunks that feed a part, with the rank of their export, in ascending order.

        From a helper, only the days to rebuild; from a stale file, all but the days to leave alone.
        """
        zone, found = self._zone(key), []
        for file, number in self._feeding.chunks(key, part):
            chunk, role = self._assembly.buffer.chunk(number), self._files.role(file)
            if role != "new":
                inside = role == "helper"
                days = (self._rebuild if inside else self._left).get(key, {})
                chunk = of_days(chunk, zone, days, inside=inside)
            found.append((file, chunk))
        return found

    # Reporting

    def _report_part(self, key: str, result: PartResult) -> None:
        publication = result.publication
        files = [*dict(self._feeding.chunks(key, result.part))] or self._feeding_files(key)
        publication.sources = list(dict.fromkeys(self._files.paths[file] for file in files))
        publication.detail = {"series": layout.series_name(key), **result.detail()}
        publication.tell()

    def _note_published(self, key: str, *, ok: bool) -> None:
        files = self._feeding_files(key)
        if not ok:
            self._unpublished.add(key)
        with report.gathered():
            for file in files:
                self._waits[file] -= 1
                if not ok:
                    self._failed.add(file)
                self._finish_when_done(file)

    def _finish_when_done(self, file: int) -> None:
        """Quarantine the rows that cannot be used, then report the file as consumed."""
        if self._waits[file] or file in self._failed:
            return
        path, found = self._files.paths[file], self._files[file]
        if file in self._refused:
            report.rejected(path, self._refused[file], found.fingerprint, found.signature)
            return
        format, stale = self._files.group(file).format, self._files.role(file) == "stale"
        self._aside.keep(path, format, found, again=stale)
        self._counts.update(found.counts())
        report.consumed(
            path,
            found.fingerprint,
            found.signature,
            detail=self._files.detail(file, self._left),
            complete=found.complete,
        )

    def _report_forgotten(self) -> None:
        """Report files to forget as absent, if all days that they fed were rebuilt."""
        for path, days in self._request.forgotten.items():
            if not (days.keys() & self._unpublished or layout.both(days, self._left)):
                report.consumed(path, ABSENT)
