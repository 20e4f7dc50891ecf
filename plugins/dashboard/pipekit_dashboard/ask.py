"""Questions that import plugins are answered by a process of their own: none can harm the server.

`python -m pipekit_dashboard.ask ROOT BASE KIND [WORD]` prints a piece of HTML. KIND is `settings`,
`file` with a path that the ledger knows, or `page` with the name of a plugin's page.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import PackageLoader
from pipekit_html import environment

from pipekit import PipekitError
from pipekit.pages import Page, installed_pages
from pipekit.reading import ProjectReader

_SECONDS = 60.0  # for an answer
_LARGEST = 8_000_000  # bytes of one
_AT_ONCE = 2


class AskError(Exception):
    """Why there is no answer."""


class Asker:
    """Asks in processes of their own, a few at a time."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(_AT_ONCE)

    async def ask(self, root: Path, base: str, words: Sequence[str]) -> str:
        """The answer, as HTML. Raises AskError."""
        argv = [sys.executable, "-P", "-m", __name__, str(root), base, *words]
        async with self._free:
            process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                cwd=root,
            )
            try:
                assert process.stdout is not None
                found = await asyncio.wait_for(_all_of(process.stdout), _SECONDS)
                await asyncio.wait_for(process.wait(), _SECONDS)
            except TimeoutError as error:
                raise AskError(f"no answer within {_SECONDS:.0f} seconds") from error
            finally:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
        if process.returncode or not found:
            code = process.returncode
            raise AskError(f"the process that makes this part ended with exit code {code}")
        return found.decode("utf-8", "replace")


async def _all_of(stream: asyncio.StreamReader) -> bytes:
    found = bytearray()
    while data := await stream.read(65_536):
        found += data
        if len(found) > _LARGEST:
            raise AskError("the answer is too large for a page")
    return bytes(found)


def page_names() -> tuple[str, ...]:
    """The pages that installed plugins offer."""
    return tuple(sorted(installed_pages()))


def _answer(root: Path, base: str, kind: str, words: Sequence[str]) -> str:
    reader = ProjectReader(root)
    templates = environment(PackageLoader("pipekit_dashboard"))
    values: dict[str, Any] = {"base": base}
    if kind == "settings":
        values["settings"] = reader.settings()
    elif kind == "file":
        values["story"] = reader.file(words[0], plan=True)
    else:
        values["page"] = _page(reader, words[0])
    return templates.get_template(f"ask/{kind}.html").render(**values)


def _page(reader: ProjectReader, name: str) -> Page:
    made = installed_pages()[name].load()(reader)
    if not isinstance(made, Page):
        raise PipekitError(f"the page {name!r} must be a pipekit.pages.Page")
    return made


def main() -> None:
    """Print the answer; what plugins print goes to stderr."""
    stdout = os.dup(1)
    os.dup2(2, 1)
    root, base, kind, *words = sys.argv[1:]
    try:
        text = _answer(Path(root), base, kind, words)
    except (Exception, SystemExit) as error:  # the isolation boundary of plugins' pages
        known = isinstance(error, PipekitError)
        why = str(error) if known else f"{type(error).__name__}: {error}"
        text = (
            environment(PackageLoader("pipekit_dashboard"))
            .get_template("parts/problem.html")
            .render(text=why)
        )
    with open(stdout, "wb") as file:
        file.write(text.encode("utf-8", "backslashreplace"))


if __name__ == "__main__":
    main()
