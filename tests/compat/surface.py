"""The public names of pipekit and their signatures, as lines of text.

python tests/compat/surface.py > tests/compat/1.0/api.txt    # when 1.0 was made; never again
"""

from __future__ import annotations

import enum
import importlib
import inspect
from collections.abc import Iterator
from types import ModuleType

import attrs

MODULES = (
    "pipekit",
    "pipekit.commands",
    "pipekit.pages",
    "pipekit.reading",
    "pipekit.testing",
    "pipekit.worker",
)
_NO_DEFAULT = inspect.Parameter.empty


def surface() -> list[str]:
    """A line for each public name, and for each public method and attribute of a class."""
    return sorted({line for module in MODULES for line in _of_module(module)})


def _of_module(name: str) -> Iterator[str]:
    module = importlib.import_module(name)
    for each in _public(module):
        yield from _of(f"{name}.{each}", getattr(module, each))


def _public(module: ModuleType) -> list[str]:
    """The public names of a module: its `__all__`, or the classes and functions defined in it."""
    if hasattr(module, "__all__"):
        return [name for name in module.__all__ if not name.startswith("__")]
    own = {n for n, v in vars(module).items() if getattr(v, "__module__", "") == module.__name__}
    return [name for name in own if not name.startswith("_")]


def _of(path: str, value: object) -> Iterator[str]:
    if not inspect.isclass(value):
        yield f"{path}{_signature(value)}"
        return
    own = value.__module__.startswith("pipekit")
    if not own:
        yield path
        return
    if issubclass(value, enum.Enum):
        yield path
        yield from (f"{path}.{member.name} = {member.value!r}" for member in value)
        return
    yield f"{path}{_signature(value)}"
    fields = {each.name for each in attrs.fields(value)} if attrs.has(value) else set()
    fields |= set(getattr(value, "_fields", ()))
    for name, member in inspect.getmembers_static(value):
        if name.startswith("_") or name in ("count", "index"):
            continue
        if name in fields or isinstance(member, property):
            yield f"{path}.{name}"
        elif isinstance(member, classmethod | staticmethod):
            yield f"{path}.{name}{_signature(getattr(value, name))}"
        elif inspect.isfunction(member):
            yield f"{path}.{name}{_signature(member)}"


def _signature(value: object) -> str:
    """The names of the parameters; `=` after one that may be left out."""
    if not callable(value):
        return ""
    try:
        parameters = list(inspect.signature(value).parameters.values())
    except (TypeError, ValueError):
        return ""
    words, star = [], False
    for each in parameters:
        if each.name == "self":
            continue
        if each.kind is each.KEYWORD_ONLY and not star:
            words.append("*")
            star = True
        star = star or each.kind is each.VAR_POSITIONAL
        mark = {each.VAR_POSITIONAL: "*", each.VAR_KEYWORD: "**"}.get(each.kind, "")
        name = each.name.lstrip("_") or each.name
        words.append(f"{mark}{name}{'' if each.default is _NO_DEFAULT else '='}")
    return f"({', '.join(words)})"


if __name__ == "__main__":
    print("\n".join(surface()))
