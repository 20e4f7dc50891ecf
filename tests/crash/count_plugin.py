"""Three small stages: `clean` copies raw files, `count` adds up their keys, `top` sums those up.

What they publish follows from the raw files alone, whatever happened on the way. The module is
copied into a project by `lab`, and is the worker of its tasks as well.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections import Counter
from pathlib import Path

import pipekit
from pipekit.worker import ABSENT, fingerprint, look, publish, report, request

RAW, CLEAN, COUNT, TOP = "data/raw", "data/clean", "data/count", "data/top.txt"
KEYS = "abcde"
TASKS = 2  # of the stage `clean`


# --- what is published, of what: also for the tests, as the truth --------------------------------


def sealed(lines: list[str]) -> bytes:
    """The lines, and a last one that tells whether they are whole."""
    text = "".join(f"{line}\n" for line in lines)
    return f"{text}end {hashlib.sha256(text.encode()).hexdigest()}\n".encode()


def opened(data: bytes) -> list[str]:
    """The lines of a published file. Raises ValueError if it is not whole."""
    lines = data.decode().splitlines()[:-1]
    if sealed(lines) != data:
        raise ValueError(f"not whole: {data[-100:]!r}")
    return lines


def cleaned(raw: bytes) -> list[str]:
    """The complete lines of a raw file, sorted. Raises ValueError if one is not `KEY NUMBER`."""
    lines = raw.decode("ascii").split("\n")[:-1]  # the last is still being written
    for line in lines:
        key, number = line.split(" ")
        if key not in KEYS or not number.isdigit():
            raise ValueError(f"no key and number: {line!r}")
    return sorted(lines)


def counted(files: list[list[str]]) -> dict[str, list[str]]:
    """For each key its sum over all cleaned files, and how many lines it has."""
    sums: Counter[str] = Counter()
    lines: Counter[str] = Counter()
    for key, number in (line.split(" ") for file in files for line in file):
        sums[key] += int(number)
        lines[key] += 1
    return {key: [f"sum {sums[key]}", f"lines {lines[key]}"] for key in KEYS}


def topped(counts: dict[str, list[str]]) -> list[str]:
    """The keys by their sums, the largest first."""
    return sorted(
        (f"{key} {lines[0]}" for key, lines in counts.items()),
        key=lambda line: (-int(line.split()[-1]), line),
    )


def expected(raw: dict[str, bytes]) -> dict[str, bytes]:
    """All that is published of raw files, name to content, by path."""
    files = {}
    for name, data in raw.items():
        try:
            files[name] = cleaned(data)
        except ValueError:
            continue
    counts = counted(list(files.values()))
    return {
        **{f"{CLEAN}/{name}": sealed(lines) for name, lines in files.items()},
        **{f"{COUNT}/{key}.txt": sealed(lines) for key, lines in counts.items()},
        TOP: sealed(topped(counts)),
    }


# --- the plan ------------------------------------------------------------------------------------


def _planner(stage, folder, tasks=1):
    """A plan with tasks for the files that are new, changed or gone."""

    def plan(ctx, _settings):
        if note := os.environ.get("CRASH_DESCRIPTORS"):
            Path(note).write_text(str(len(os.listdir("/proc/self/fd"))))
        files = ctx.files(f"{folder}/*.txt")
        pending = ctx.pending(files)
        here = {file.path for file in files}
        known = ctx.consumed().items()
        gone = [path for path, c in known if path not in here and c.fingerprint != ABSENT]
        work = sorted([*(item.path for item in pending), *gone])
        if not work:
            return pipekit.StagePlan.skip(pending.sentence(folder), pending)
        parts = [part for n in range(tasks) if (part := work[n::tasks])]
        return pipekit.StagePlan(
            reason=f"{len(work)} files",
            inputs=pending.inputs,
            rejected=pending.rejected,
            tasks=[_task(stage, f"{stage}{n}", part) for n, part in enumerate(parts)],
        )

    return plan


def _task(stage, name, paths):
    asked = json.dumps({"stage": stage, "paths": paths}).encode()
    command = pipekit.Command(argv=[sys.executable, __file__], stdin=asked, grace=0.5)
    units = paths if stage == "clean" else ["all"]
    return pipekit.Task(name=name, units=units, command=command)


def pipekit_stages():
    """The three stages."""
    yield pipekit.StageSpec("clean", _planner("clean", RAW, TASKS))
    yield pipekit.StageSpec("count", _planner("count", CLEAN), after={"clean": "partial"})
    yield pipekit.StageSpec("top", _planner("top", COUNT), after={"count": "partial"})


# --- the worker ----------------------------------------------------------------------------------


def _consume(path: str):
    """The content of an input, and how to report it; None if it is gone."""
    try:
        signature = look(path)
        data = Path(path).read_bytes()
    except FileNotFoundError:
        return None, lambda: report.consumed(path, ABSENT)
    digest = hashlib.sha256(data).hexdigest()
    return data, lambda: report.consumed(path, digest, signature)


def _clean(path: str) -> None:
    target = f"{CLEAN}/{os.path.basename(path)}"
    data, tell = _consume(path)
    try:
        if data is not None:
            publish(target, sealed(cleaned(data)), sources=[path])
    except ValueError as error:
        Path(target).unlink(missing_ok=True)
        report.rejected(path, str(error), fingerprint(path))
        return
    if data is None:
        Path(target).unlink(missing_ok=True)
    tell()


def _all(folder: str) -> list[list[str]]:
    return [opened(path.read_bytes()) for path in sorted(Path(folder).glob("*.txt"))]


def main() -> None:
    """Do the work that a plan has asked for."""
    asked = request()
    print(asked["stage"], len(asked["paths"]))
    if asked["stage"] == "clean":
        for path in asked["paths"]:
            with report.unit(path):
                _clean(path)
        return
    with report.unit("all"):
        tells = [_consume(path)[1] for path in asked["paths"]]
        if asked["stage"] == "count":
            for key, lines in counted(_all(CLEAN)).items():
                publish(f"{COUNT}/{key}.txt", sealed(lines), sources=asked["paths"])
        else:
            counts = {key: opened(Path(f"{COUNT}/{key}.txt").read_bytes()) for key in KEYS}
            publish(TOP, sealed(topped(counts)), sources=asked["paths"])
        for tell in tells:
            tell()


if __name__ == "__main__":
    main()
else:
    pipekit_stages = pipekit.hookimpl(pipekit_stages)
