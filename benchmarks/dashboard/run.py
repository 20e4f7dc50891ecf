"""What `pipekit dashboard` costs: its pages, its memory, a new line, and the runs it looks at.

    uv run python benchmarks/dashboard/run.py [--rounds 15] [--write]

Projects and environment are made anew below the system's temporary folder (about 400 MB, removed at
the end). `--write` puts the tables into docs/explanation/performance.md.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import NamedTuple

sys.path.append(str(Path(__file__).resolve().parents[1]))
sys.path.append(str(Path(__file__).resolve().parents[1] / "scale"))

import common
import projects
import venvs
from server import Server, viewers
from venvs import Environment

HERE = Path(__file__).resolve().parent
RUNS = {"few": 100, "many": 10_000}
EVENTS = {"few": 1_000, "many": 1_000_000}
LINES = 60  # whose way to the page is timed
SINKS = '[sinks.console]\n[sinks.prometheus]\n[sinks.ping]\nurl = "{url}"\n'
STREAMS = ("/stream", "/stream", "/p/1/runs/{run}/stream")
LOGS = ("/p/1/runs/{run}/log/stream", "/p/1/runs/{run}/log/stream?of=one/task-0.out")


class Taken(NamedTuple):
    """What a run took: seconds, and seconds of CPU with all of its processes."""

    seconds: float
    cpu: float


def main() -> None:
    options = common.parser(__doc__, "dashboard", 15).parse_args()
    print("building the environment", file=sys.stderr)
    plugins = [venvs.REPOSITORY / "plugins" / n for n in ("html", "dashboard", "ping", "otel")]
    wheels = [venvs.REPOSITORY, venvs.PLUGIN, *plugins]
    pipekit = venvs.pipekit(options.cache / "pipekit", wheels)
    with tempfile.TemporaryDirectory(prefix="pipekit-dashboard-") as folder:
        text = _measure(Path(folder), pipekit, options.rounds)
    versions = [f"{name} {pipekit.versions[name]}" for name in ("pipekit", "starlette", "uvicorn")]
    text = f"{common.conditions(versions)} {text}"
    print(text)
    if options.write:
        common.put(common.PERFORMANCE, "dashboard", text)


def _measure(folder: Path, pipekit: Environment, rounds: int) -> str:
    pages, memory = _pages(folder, pipekit, rounds)
    line = _line(folder / "line", pipekit)
    alone, watched, cpu = _runs(folder / "runs", pipekit, rounds)
    used = median(each.cpu for each in watched) / median(each.cpu for each in alone)
    names = ("grid, looked at anew", "grid, as it was", "log, its end", "log, event in the middle")
    rows = [[n, *(f"{median(pages[n, size]):.1f} ms" for size in RUNS)] for n in names]
    rows.append(["memory of the server", *(f"{memory[size]:.0f} MB" for size in RUNS)])
    ratios = {n: median(pages[n, "many"]) / median(pages[n, "few"]) for n in names}
    before, after = (median(each.seconds for each in runs) for runs in (alone, watched))
    seconds = after / before
    worst = sorted(line)[int(0.95 * len(line))]
    bars = [(f"{n} ≤ 2 × few", f"{ratio:.2f} ×", ratio <= 2) for n, ratio in ratios.items()]
    bars += [
        ("memory ≤ 80 MB", f"{memory['many']:.0f} MB", memory["many"] <= 80),
        ("a new line, 95 of 100 ≤ 300 ms", f"{worst:.0f} ms", worst <= 300),
        ("a run with five viewers and three sinks ≤ 1.03 ×", f"{seconds:.3f} ×", seconds <= 1.03),
    ]
    sizes = "; ".join(f"{n}: {RUNS[n]:,} runs and {EVENTS[n]:,} events" for n in RUNS)
    said = (
        f"From the line in the file to its message: median {median(line):.0f} ms, 95 of 100 within "
        f"{worst:.0f} ms. A run of {before:.2f} s took {after:.2f} s with five viewers and three "
        f"sinks (medians of {rounds}, in turn), and {used:.3f} times its CPU; meanwhile the server "
        f"used {cpu:.2f} s of CPU a run."
    )
    how = f"Medians of {rounds * 3} requests. {sizes}."
    return "\n\n".join([how, common.table(["page", *RUNS], rows), said, common.bars(bars)])


def _pages(
    folder: Path, pipekit: Environment, rounds: int
) -> tuple[dict[tuple[str, str], list[float]], dict[str, float]]:
    """Milliseconds of each page, few and many, and megabytes of the server."""
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    servers = {}
    for size, count in RUNS.items():
        print(f"making {count:,} runs and {EVENTS[size]:,} events", file=sys.stderr)
        place = folder / size
        projects.with_runs(place, pipekit, count)
        _journal(place, EVENTS[size])
        servers[size] = Server(pipekit, place)
    try:
        for _ in range(rounds * 3):
            for size, server in servers.items():
                log = "/p/1/runs/1/log"
                os.utime(folder / size / ".pipekit/state.db")  # so that it is looked at anew
                found["grid, looked at anew", size].append(server.ms("/"))
                found["grid, as it was", size].append(server.ms("/"))
                found["log, its end", size].append(server.ms(log))
                middle = f"{log}?seq={EVENTS[size] // 2}"
                found["log, event in the middle", size].append(server.ms(middle))
        return found, {size: server.memory for size, server in servers.items()}
    finally:
        for server in servers.values():
            server.close()


def _journal(place: Path, events: int) -> None:
    """Give the journal of run 1 so many events."""
    (journal,) = place.glob("logs/events/*.jsonl")
    *begin, end = journal.read_text().splitlines()
    last = json.loads(end)
    record = {**last, "stage": "one", "event": "warning", "msg": "something to know", "data": {}}
    with open(journal, "w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in begin)
        file.writelines(
            json.dumps({**record, "seq": number}) + "\n" for number in range(len(begin), events)
        )
        file.write(json.dumps({**last, "seq": events}) + "\n")


def _line(place: Path, pipekit: Environment) -> list[float]:
    """Milliseconds from a line in a journal to its message, for each of many."""
    projects.trivial(place, pipekit)
    (journal,) = place.glob("logs/events/*.jsonl")
    record = json.loads(journal.read_text().splitlines()[-1])
    found = []
    server = Server(pipekit, place)
    try:
        with server.stream("/p/1/runs/1/log/stream") as messages:
            next(messages)
            for number in range(LINES):
                time.sleep(0.137)  # so that it is not always the same time after a look
                line = json.dumps({**record, "event": "warning", "msg": f"line {number}"})
                with open(journal, "a", encoding="utf-8") as file:
                    file.write(f"{line}\n")
                begun = time.perf_counter()
                while f"line {number}<" not in str(next(messages)["html"]):
                    pass
                found.append(1000 * (time.perf_counter() - begun))
    finally:
        server.close()
    return found


def _runs(place: Path, pipekit: Environment, rounds: int) -> tuple[list[Taken], list[Taken], float]:
    """Runs alone, runs that are looked at, and the server's seconds of CPU for each of these."""
    place.mkdir()
    alone, watched = [], []
    with _listener() as url:
        base = '[pipeline]\nstages = ["one"]\n'
        (place / "pipekit.toml").write_text(base)
        _run(place, pipekit)  # warms the file cache
        server = Server(pipekit, place)
        try:
            before = server.cpu
            for number in range(rounds):
                print(f"run {number + 1} of {rounds}", file=sys.stderr)
                (place / "pipekit.toml").write_text(base)
                alone.append(_run(place, pipekit))
                (place / "pipekit.toml").write_text(base + SINKS.format(url=url))
                run = 2 * number + 3
                paths = [path.format(run=run) for path in (*STREAMS, *LOGS)]
                with viewers(server, paths):
                    watched.append(_run(place, pipekit))
            return alone, watched, (server.cpu - before) / rounds
        finally:
            server.close()


def _run(place: Path, pipekit: Environment) -> Taken:
    command = f"{pipekit.program('python')} {HERE / 'work.py'}"
    begun, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [pipekit.program("pipekit"), "run"],
        cwd=place,
        env={**os.environ, "COMMAND": command},
        capture_output=True,
        text=True,
        check=False,
    )
    taken, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"pipekit run failed:\n{done.stdout}{done.stderr}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Taken(taken, cpu)


@contextlib.contextmanager
def _listener() -> Iterator[str]:
    """A server that answers the pings of a run."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.do_GET()

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/ping"
    finally:
        server.shutdown()
        server.server_close()


if __name__ == "__main__":
    main()
