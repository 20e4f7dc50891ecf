"""The documentation as a site: `nox -s docs`. Built from the pages as they are, without a network."""

from __future__ import annotations

import re
from pathlib import Path

import pipekit

ROOT = Path(__file__).parents[2]
_LINK = re.compile(r"\]\(([^)#\s:]+)\.md\)")
_HEAD = re.compile(r"^\*\*\[?([\w ]+?)\]?(?:\([^)]*\))?\*\*", re.MULTILINE)

project = "pipekit"
author = "the authors of pipekit"
release = version = pipekit.__version__
extensions = ["myst_parser"]
root_doc = "docs/index"
include_patterns = [
    "docs/index.md",
    "docs/*/*.md",
    "docs/*/*/*.md",
    "*.md",
    "examples/*/README.md",
    "plugins/*/README.md",
    "tools/*/README.md",
    "benchmarks/**/README.md",
]
exclude_patterns = ["**/.venv", "**/node_modules"]
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]
suppress_warnings = ["misc.highlighting_failure"]  # `text` that only looks like TOML or a console
html_theme = "furo"
html_title = f"pipekit {release}"
html_baseurl = ""
html_copy_source = False
html_show_sourcelink = False
html_extra_path = ["root"]  # the first page, which leads to the map


def _tree(caption: str, pages: list[str]) -> str:
    entries = "\n".join(f"/{page}" for page in pages)
    return f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{entries}\n```\n"


def _menu(text: str) -> str:
    """The menu of the site: the sections of the map, with the pages that they link to, in order."""
    heads = [match for match in _HEAD.finditer(text)]
    bounds = [0, *(match.start() for match in heads), len(text)]
    captions = ["Start", *(match[1] for match in heads)]
    known, trees = set[str](), []
    for caption, begin, end in zip(captions, bounds, bounds[1:], strict=False):
        links = _LINK.findall(text[begin:end])
        pages = [path.removeprefix("../") if "../" in path else f"docs/{path}" for path in links]
        fresh = [page for page in dict.fromkeys(pages) if page not in known]
        known.update(fresh)
        trees += [_tree(caption, fresh)] if fresh else []
    rest = ["README", "SECURITY", *_pages("plugins/*/README.md"), *_pages("examples/*/README.md")]
    rest += [*_pages("benchmarks/*/README.md"), *_pages("tools/*/README.md")]
    deeper = [page for page in _pages("docs/*/*/*.md") if page not in known]
    return "".join([*trees, _tree("Further pages", deeper), _tree("This repository", rest)])


def _pages(pattern: str) -> list[str]:
    found = sorted(ROOT.glob(pattern))
    return [path.relative_to(ROOT).as_posix().removesuffix(".md") for path in found]


def _add_menu(_app: object, name: str, source: list[str]) -> None:
    """The pages are Markdown for people; only the site needs a tree of them."""
    if name == root_doc:
        source[0] += _menu(source[0])
    elif name == "docs/decisions/README":
        source[0] += _tree("Decisions", _pages("docs/decisions/[0-9]*.md"))


def setup(app: object) -> None:
    """Hooked in by Sphinx."""
    app.connect("source-read", _add_menu)  # type: ignore[attr-defined]  # Sphinx is not imported here
