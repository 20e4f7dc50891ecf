"""A sequence of screenshots of `pipekit dashboard`: `python tools/browser/record.py FOLDER`.

A run from its start to its end, one that fails, one that hangs, a feed that is stale, and each page
in light and dark at three widths. The projects are made anew below the system's temporary folder.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2]))

from tests.conftest import ProjectFolder
from tests.e2e.dashboard.browser import Browser, browser, missing
from tests.e2e.dashboard.conftest import Server, dashboard
from tests.e2e.dashboard.projects import ask_for, many_runs, prepare

SETTINGS = '[schedule]\nevery = "15m"\n[[expect]]\nfiles = "data/raw/**"\nnewest_within = "26h"\n'
STALE = '[[expect]]\nfiles = "data/late/**"\nnewest_within = "2h"\n'
UNITS = "\n".join(("ES", "NQ", "CL", "GC", "YM"))
WIDTHS = (380, 800, 1600)
FRAMES = 12  # of the run, one a second


def main() -> None:
    """Write the pictures. Raises SystemExit without a browser."""
    if missing():
        raise SystemExit(missing())
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    with _projects() as (bars, news), tempfile.TemporaryDirectory() as profile:
        words = ("-C", str(bars.root), "-C", str(news.root))
        with dashboard(bars, *words) as server, browser(Path(profile)) as shown:
            shown.cdp("Emulation.setScrollbarsHidden", hidden=True)
            shown.look(1440, "light", 700)
            shown.open(server.url)
            _run(shown, server, bars, folder)
            _pages(shown, server, folder)


@contextmanager
def _projects() -> Iterator[tuple[ProjectFolder, ProjectFolder]]:
    """One that works, with runs that hung and failed, and one whose feed is stale."""
    with tempfile.TemporaryDirectory(prefix="pipekit-record-") as place:
        made = []
        for name, more in (("bars", SETTINGS), ("news", STALE)):
            (Path(place) / f"of-{name}").mkdir()
            project = ProjectFolder(Path(place) / f"of-{name}")
            project.root = project.root.rename(project.root.with_name(name))
            prepare(project, more)
            many_runs(project, 200, every=9)
            ask_for(project, load="ok\n0.05", check="ok\n0.03", merge="ok\n0.02")
            project.pipekit("run")
            made.append(project)
        bars, news = made
        ask_for(bars, load=f"hang\n0.05\n{UNITS}")
        bars.pipekit("run")
        ask_for(bars, load=f"ok\n0.1\n{UNITS}", check="fail")
        bars.pipekit("run")
        yield bars, news


def _run(shown: Browser, server: Server, project: ProjectFolder, folder: Path) -> None:
    """Pictures of a run while it goes on: of the grid, its own page and its log, in turn."""
    ask_for(project, load=f"slow\n0.3\n{UNITS}", check=f"ok\n0.1\n{UNITS}", merge="ok\n0.1")
    places = ("/", "/", "/p/1/runs/204", "/p/1/runs/204/log")
    shown.shot(folder / "run-00.png", whole=False)
    run = project.start("run")
    time.sleep(2)
    for number in range(1, FRAMES + 1):
        place = places[number % len(places)]
        if shown.run("return location.pathname") != place:
            shown.open(server.root + place)
        time.sleep(1)
        shown.shot(folder / f"run-{number:02}.png", whole=False)
    run.communicate()
    shown.open(server.root + "/p/1/runs/204")
    time.sleep(0.5)
    shown.shot(folder / f"run-{FRAMES + 1:02}.png", whole=False)


def _pages(shown: Browser, server: Server, folder: Path) -> None:
    """Each page, in light and dark, narrow and wide."""
    pages = {
        "overview": "/",
        "runs": "/p/1/runs",
        "run": "/p/1/runs/204",
        "run-failed": "/p/1/runs/203",
        "run-hung": "/p/1/runs/202",
        "log-events": "/p/1/runs/203/log",
        "log-output": "/p/1/runs/203/log?of=check",
        "files": "/p/1/files?stage=load",
        "file": "/p/1/file?path=data/raw/ES.csv",
        "health": "/p/1/health",
        "health-stale": "/p/2/health",
        "settings": "/p/1/settings",
    }
    for name, path in pages.items():
        shown.open(server.root + path)
        time.sleep(4 if name in ("file", "settings") else 0.3)
        for width in WIDTHS:
            for scheme in ("light", "dark"):
                shown.look(width, scheme)
                time.sleep(0.1)
                shown.shot(folder / f"{name}-{width}-{scheme}.png")


if __name__ == "__main__":
    main()
