"""Every setting has an effect: a field that nothing reads turns this red."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import attrs
import pytest

from pipekit.builtins import rules
from pipekit.config import tables

from ...pages import ROOT

STAGES = ("translator", "analyzer", "merger")


def nested(cls: type) -> Iterator[type]:
    """A settings class and those that its fields hold."""
    yield cls
    for hint in get_type_hints(cls).values():
        for inner in (hint, *_arguments(hint)):
            if attrs.has(inner) and inner.__module__.startswith("pipekit"):
                yield from nested(inner)


def _arguments(hint: Any) -> Iterator[Any]:
    for argument in get_args(hint):
        yield argument
        yield from _arguments(argument)


def settings_of(classes: list[type]) -> set[tuple[str, str]]:
    """Class and field of each setting: what has a help text."""
    return {
        (cls.__qualname__, field.name)
        for top in classes
        for cls in nested(top)
        for field in attrs.fields(cls)
        if field.metadata.get("help")
    }


def read_in(folder: Path) -> set[str]:
    """The attributes and literal keys that the code below a folder reads."""
    return {
        name
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if (name := _read(node))
    }


def _read(node: ast.AST) -> object:
    """The name that `x.name`, `x["name"]` or `x.get("name")` reads."""
    match node:
        case ast.Attribute(attr=name, ctx=ast.Load()):
            return name
        case ast.Subscript(slice=ast.Constant(value=name), ctx=ast.Load()):
            return name
        case ast.Call(func=ast.Attribute(attr="get"), args=[ast.Constant(value=name), *_]):
            return name
    return None


@pytest.mark.parametrize("stage", STAGES)
def test_every_setting_of_a_stage_is_read(stage):
    module = pytest.importorskip(f"pipekit_{stage}.plugin")
    (spec,) = module.pipekit_stages()
    declared = settings_of([spec.settings])
    assert declared
    read = read_in(ROOT / "plugins" / stage)
    assert [s for s in sorted(declared) if s[1] not in read] == []


def test_every_setting_of_the_core_is_read():
    tops = [c for c in vars(tables).values() if attrs.has(c) and c.__module__ == tables.__name__]
    declared = settings_of([*tops, rules.Rules])
    assert ("PipelineConfig", "workers") in declared
    read = read_in(ROOT / "pipekit")
    assert [s for s in sorted(declared) if s[1] not in read] == []


def test_a_setting_that_nothing_reads_is_found(tmp_path):
    """So that the two tests above can be trusted."""
    (tmp_path / "worker.py").write_text("def run(s):\n    s.unread = 1\n    return s.rows\n")
    assert "rows" in read_in(tmp_path)
    assert "unread" not in read_in(tmp_path)
