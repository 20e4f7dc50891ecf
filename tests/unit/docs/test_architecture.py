"""ARCHITECTURE.md shows the code as it is: every path and name exists, no file is missing."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import grimp
import pytest

from ...pages import ROOT, Page

PLACE = re.compile(r"`((?:[\w.-]+/)+[\w.-]*|\w+\.py)(?:: ([^`]+))?`")


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(ROOT / "ARCHITECTURE.md")


@cache
def defined(path: Path) -> frozenset[str]:
    """The classes, functions, methods, fields and constants of a module: `Class.method`."""
    return frozenset(_defined(ast.parse(path.read_text("utf-8")).body, ""))


def _defined(body: list[ast.stmt], prefix: str) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield prefix + node.name
        if isinstance(node, ast.ClassDef):
            yield from _defined(node.body, f"{prefix}{node.name}.")
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield prefix + node.target.id


def found(place: str) -> Path | None:
    """A file or folder by its path from the root, from the core, or inside a stage."""
    stages = [*ROOT.glob("plugins/*/pipekit_*"), *ROOT.glob("plugins/*/pipekit_*/work")]
    bases = [ROOT, ROOT / "pipekit", *stages]
    return next((base / place for base in bases if (base / place).exists()), None)


def test_every_path_and_name_in_the_text_exists(page):
    places = PLACE.findall(page.prose)
    assert len(places) > 60
    lost = []
    for place, names in places:
        path = found(place)
        if path is None:
            lost.append(place)
        elif names:
            known = defined(path)
            lost += [f"{place}: {name}" for name in names.split(", ") if name not in known]
    assert lost == []


def entries(page: Page) -> list[str]:
    """The paths of the tree of the core, from its indentation."""
    (tree,) = [b.text for b in page.blocks("text") if b.text.startswith("pipekit/\n")]
    found, above = [], []
    for line in tree.splitlines():
        name = line.split()[0]
        depth = (len(line) - len(line.lstrip())) // 2
        above[depth:] = [name]
        found.append("".join(above))
    return found


def test_every_entry_of_the_tree_exists(page):
    assert [entry for entry in entries(page) if not (ROOT / entry).exists()] == []


def test_the_tree_has_every_module_of_the_core(page):
    modules = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "pipekit").rglob("*.py")
        if path.name != "__init__.py"
    }
    assert modules - set(entries(page)) == set()


def test_the_layers_are_those_of_the_import_contract(page):
    """In the order of pyproject.toml, each room once."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    layers = next(c["layers"] for c in contracts if c.get("containers") == ["pipekit"])
    (block,) = re.findall(r"```text\n(__main__\n.*?)```", page.section("Who imports whom"), re.DOTALL)
    shown = [line.partition("     do not import")[0].split() for line in block.splitlines()]
    assert shown == [layer.replace("|", " ").split() for layer in layers]


def test_no_modules_import_each_other_in_a_circle():
    """Neither at the top of a file nor within a function; the checks of types are exempt."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    packages = settings["tool"]["importlinter"]["root_packages"]
    graph = grimp.build_graph(*packages, exclude_type_checking_imports=True, cache_dir=None)
    assert len(graph.modules) > 400
    imported = {each: graph.find_modules_directly_imported_by(each) for each in graph.modules}
    TopologicalSorter(imported).prepare()  # raises CycleError, which names them
