"""A setting that nobody reads, or that no page documents, turns a test red."""

from __future__ import annotations

import ast
import importlib
import re
from functools import cache
from pathlib import Path

import pytest

from pipekit.config.describe import nested_classes, settings_fields
from pipekit.config.expect import ExpectConfig
from pipekit.config.tables import TABLES, StageConfig

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "reference" / "configuration.md"
ROOTS = {
    "pipekit": [
        *(*TABLES.values(), StageConfig, ExpectConfig),
        *("builtins.rules:Rules", "builtins.console:ConsoleSettings", "scripts:Script"),
    ],
    "plugins/translator/pipekit_translator": ["settings:Settings"],
    "plugins/analyzer/pipekit_analyzer": ["settings:Settings"],
    "plugins/merger/pipekit_merger": ["plugin:Settings"],
}


def classes(package, root):
    """A settings class with those nested in it."""
    if isinstance(root, str):
        module, name = root.split(":")
        root = getattr(importlib.import_module(f"{Path(package).name}.{module}"), name)
    found = [root]
    for cls in found:
        for field in settings_fields(cls).values():
            found += [nested for nested in nested_classes(field.type) if nested not in found]
    return found


SETTINGS = [
    pytest.param(package, cls, field, id=f"{cls.__module__}.{cls.__qualname__}.{key}")
    for package, roots in ROOTS.items()
    for root in roots
    for cls in classes(package, root)
    for key, field in settings_fields(cls).items()
]


@cache
def names_read(package):
    """Every `.name`, `["name"]` and `get("name")` that the package's code reads.

    What only `__attrs_post_init__` reads, to check it, is not used.
    """
    found = set()
    for file in (ROOT / package).rglob("*.py"):
        waiting = [ast.parse(file.read_text(encoding="utf-8"))]
        while waiting:
            node = waiting.pop()
            found.add(name_read(node))
            if not (isinstance(node, ast.FunctionDef) and node.name == "__attrs_post_init__"):
                waiting += ast.iter_child_nodes(node)
    return found


def name_read(node):
    match node:
        case ast.Attribute(attr=name, ctx=ast.Load()):
            return name
        case ast.Subscript(slice=ast.Constant(value=name)):
            return name
        case ast.Call(func=ast.Attribute(attr="get"), args=[ast.Constant(value=name), *_]):
            return name


@cache
def documented(module, name):
    """The keys in the page's table of a class."""
    page = PAGE.read_text(encoding="utf-8")
    marked = re.findall(r"<!-- settings: \S+:(\w+) -->\n((?:\|.*\n)+)", page)
    rows = "".join(table for cls, table in marked if cls == name)
    assert rows, f"{PAGE.name} has no table for {module}.{name}"
    return set(re.findall(r"^\| `(\w+)` \|", rows, re.MULTILINE))


@pytest.mark.parametrize(("package", "cls", "field"), SETTINGS)
def test_a_setting_is_read_somewhere(package, cls, field):
    assert field.name in names_read(package), "nothing reads this setting"


@pytest.mark.parametrize(("package", "cls", "field"), SETTINGS)
def test_a_setting_is_documented(package, cls, field):
    assert field.help.endswith((".", ")")), "its help is a sentence"
    if cls.__qualname__ != "Rules":  # a list of `Rule`, which has a table
        wanted = documented(cls.__module__, cls.__qualname__)
        assert field.key in wanted, "add it with `python docs/generate.py`"
