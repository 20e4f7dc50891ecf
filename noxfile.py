"""The checks of this repository by name: `uv run nox -s fast`, `uv run nox --list`.

The sessions run in the environment that uv has made from pyproject.toml; nox makes none of its own,
so that what is checked is what `uv run pytest` runs, with the versions that are pinned there.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import nox

ROOT = Path(__file__).parent
PLATFORMS = ("linux", "win32", "darwin")
_NOT_RUN = 77  # the exit code of tools/windows/lane.py without Wine, or without a network

nox.needs_version = ">=2025.5"
nox.options.default_venv_backend = "none"
nox.options.sessions = ["fast"]


def python(session: nox.Session, *words: str) -> None:
    """Run a module or script with this interpreter."""
    session.run(sys.executable, *words)


@nox.session
def fast(session: nox.Session) -> None:
    """What to run on save, in under a minute: unit tests but the slow ones, style, types."""
    checks = {sys.platform: _mypy(sys.platform)}  # on the other core
    try:
        words = ("-q", "-m", "not long and not slow", "tests/unit")
        python(session, "-m", "pytest", *words, *session.posargs)
        python(session, "-m", "ruff", "check")
        python(session, "-m", "ruff", "format", "--check")
    finally:
        _wait(session, checks)


@nox.session
def tests(session: nox.Session) -> None:
    """The whole test suite: `nox -s tests -- -k lock` passes words on to pytest."""
    python(session, "-m", "pytest", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Style, format, and who may import whom."""
    python(session, "-m", "ruff", "check")
    python(session, "-m", "ruff", "format", "--check")
    session.run(str(Path(sys.executable).with_name("lint-imports")))


@nox.session
def types(session: nox.Session) -> None:
    """mypy, as if on Linux, Windows and macOS: three processes, since mypy uses one core."""
    _wait(session, {platform: _mypy(platform) for platform in PLATFORMS})


def _mypy(platform: str) -> subprocess.Popen[str]:
    """Each platform has a cache of its own: in a common one each check would undo the others'."""
    cache = ".mypy_cache" if platform == sys.platform else f".mypy_cache/{platform}"
    words = [sys.executable, "-m", "mypy", "--platform", platform, "--cache-dir", cache]
    return subprocess.Popen(
        words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def _wait(session: nox.Session, checks: dict[str, subprocess.Popen[str]]) -> None:
    """Print what each check said. Fails the session if one of them has found errors."""
    said = {platform: check.communicate()[0].strip() for platform, check in checks.items()}
    for platform, text in said.items():
        session.log(f"mypy --platform {platform}: {text}")
    failed = [platform for platform, check in checks.items() if check.returncode]
    if failed:
        session.error(f"mypy found errors for {', '.join(failed)}")


@nox.session
def docs(session: nox.Session) -> None:
    """The pages are fresh and true, and the site in build/site is built without a warning."""
    python(session, "docs/generate.py", "--check")
    python(session, "-m", "pytest", "-q", "-n", "0", "tests/unit/docs", *session.posargs)
    if importlib.util.find_spec("sphinx") is None:
        session.error("the site needs the group docs: uv run --group docs nox -s docs")
    site = ROOT / "build/site"
    kept = ROOT / "build/site-doctrees"
    words = ("-W", "--keep-going", "-q", "-b", "html", "-c", "docs/site", "-d", str(kept))
    python(session, "-m", "sphinx", *words, ".", str(site))
    python(session, "docs/site/check_links.py", str(site))


@nox.session
def bench(session: nox.Session) -> None:
    """A benchmark by its folder's name: `nox -s bench -- startup --rounds 5`."""
    names = sorted(path.parent.name for path in ROOT.glob("benchmarks/*/run.py"))
    if not session.posargs or session.posargs[0] not in names:
        session.error(f"which benchmark? nox -s bench -- {'|'.join(names)} [OPTIONS]")
    name, *options = session.posargs
    python(session, f"benchmarks/{name}/run.py", *options)


@nox.session
def windows(session: nox.Session) -> None:
    """On CPython for Windows, under Wine: `nox -s windows -- core` (the default) or `-- full`."""
    command = [sys.executable, "tools/windows/lane.py", *session.posargs]
    code = subprocess.run(command, cwd=ROOT, check=False).returncode
    if code == _NOT_RUN:
        session.skip("this machine cannot have a Windows, see above")
    if code:
        session.error(f"failed on Windows: exit code {code}")
