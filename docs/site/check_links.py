"""Checks the built site: every link within it leads to a page that is there, and to a part of it.

python docs/site/check_links.py build/site    # exit code 1 when one does not
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class _Page(HTMLParser):
    """The links of a page, and the names that others can link to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.names: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.names |= {given[name] for name in ("id", "name") if name in given}
        for name in ("href", "src"):
            if name in given and tag in ("a", "img", "link", "script"):
                self.links.append(given[name])


def broken(site: Path) -> Iterator[str]:
    """A sentence for each link that leads nowhere."""
    pages = {path: _Page(path.read_text("utf-8")) for path in sorted(site.rglob("*.html"))}
    for path, page in pages.items():
        for link in dict.fromkeys(page.links):
            parts = urlsplit(link)
            if parts.scheme in ("mailto", "data"):
                continue
            if parts.scheme or parts.netloc:
                if not link.startswith(("https://", "http://")):
                    yield f"{path.relative_to(site)}: {link}: unknown scheme"
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.is_file():
                yield f"{path.relative_to(site)}: {link}: there is no such file"
            elif (
                parts.fragment
                and target in pages
                and unquote(parts.fragment) not in (pages[target].names | {""})
            ):
                yield f"{path.relative_to(site)}: {link}: there is no such part"


def fetched(site: Path) -> Iterator[str]:
    """A sentence for each page that would load something from elsewhere."""
    for path in sorted(site.rglob("*.html")):
        page = _Page(path.read_text("utf-8"))
        for link in page.links:
            is_part = link.endswith((".js", ".css", ".png", ".svg", ".woff2"))
            if is_part and urlsplit(link).netloc:
                yield f"{path.relative_to(site)}: loads {link} from elsewhere"


def main(words: list[str]) -> int:
    """Check a site; returns the exit code."""
    site = Path(words[0]).resolve()
    problems = [*broken(site), *fetched(site)]
    print("\n".join(problems) or f"every link in {site} leads somewhere")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
