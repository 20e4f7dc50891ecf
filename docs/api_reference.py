"""Writes docs/reference/api.md: every public name, from its docstring and its signature."""

from __future__ import annotations

import enum
import importlib
import inspect
import re
import typing
from collections.abc import Iterator

import attrs

MODULES = (
    "pipekit",
    "pipekit.worker",
    "pipekit.commands",
    "pipekit.testing",
    "pipekit.reading",
    "pipekit.pages",
)
_LONGEST = 95  # columns of a signature on one line
HEAD = """\
# Public names

<!-- written by docs/generate.py from the docstrings -->

What plugins and their workers may import, by module. Whatever is not here may change in any release; these
names are kept as [the API promise](../explanation/api-promise.md) says. How they work together is in
[hooks](hooks.md) and [the worker's report](worker.md).
"""


def api_page() -> str:
    """The whole page."""
    parts = [HEAD]
    for name in MODULES:
        module = importlib.import_module(name)
        parts.append(f"## Module `{name}`\n")
        parts.append(f"{_text(module.__doc__)}\n")
        for each in sorted(_public(module), key=str.lower):
            parts += _entry(each, getattr(module, each))
    return "\n".join(parts)


def _public(module: typing.Any) -> list[str]:
    """The public names of a module: its `__all__`, or the classes and functions defined in it."""
    if hasattr(module, "__all__"):
        return [name for name in module.__all__ if not name.startswith("__")]
    own = {n for n, v in vars(module).items() if getattr(v, "__module__", "") == module.__name__}
    return [name for name in own if not name.startswith("_")]


def _entry(name: str, value: object) -> Iterator[str]:
    yield f"### `{name}`\n"
    if not callable(value) or typing.get_origin(value) is not None or not _is_ours(value):
        yield f"{_of_value(name, value)}\n"
    elif not inspect.isclass(value):
        yield f"{_code(f'def {name}{_signature(value)}')}\n"
        yield f"{_text(inspect.getdoc(value))}\n"
    elif issubclass(value, enum.Enum):
        yield f"{_text(inspect.getdoc(value))}\n"
        words = ", ".join(f"`{member.name}` (`{member.value}`)" for member in value)
        yield f"Its members: {words}.\n"
    else:
        yield from _class(name, value)


def _is_ours(value: object) -> bool:
    return getattr(value, "__module__", "").startswith("pipekit")


_VALUES = {
    "Block": "The type of what a page is made of: Text, Table or Chart.",
    "DIED": "What is said of a run that was killed before it could end.",
    "HELD": "What is said of a run that was not to begin.",
    "REFUSED": "What is said of a run that did not begin.",
    "RUNNING": "What is said of a run, a stage, a task or a unit that goes on.",
    "ABSENT": "The fingerprint of a file that no longer exists.",
    "COLOURS": "The colour of each status, as click names it.",
    "Duration": "The type of a setting: seconds, 0 or more. In TOML a number of seconds, or text such "
    'as `"90s"`, `"1h30m"` or `"2d"`.',
    "Emit": "The type of what a sink yields: a function that takes an Event.",
    "EXAMPLES": "An example of each kind of event.",
    "hookimpl": "The decorator of a plugin's hooks.",
    "PUBLISH_VARIABLE": "The name of the variable `PIPEKIT_PUBLISH_DIR`, a folder to publish in.",
    "REPORT_VARIABLE": "The name of the variable `PIPEKIT_REPORT`, the file to report to.",
    "report": "The report of this process: an object of the class `Report`.",
    "Size": "The type of a setting: bytes, 0 or more. In TOML a number of bytes, or text such as "
    '`"500MB"` or `"64MiB"`.',
}


def _of_value(name: str, value: object) -> str:
    """What a constant is; a name that has no text here is an error."""
    if name not in _VALUES and isinstance(value, str):
        return f"The word `{value}`."
    text = _VALUES[name]
    return f"{text} Its value is `{value!r}`." if isinstance(value, str) else text


def _class(name: str, cls: type) -> Iterator[str]:
    protocol = getattr(cls, "_is_protocol", False)
    if not protocol:
        yield f"{_code(f'class {name}{_signature(cls)}')}\n"
    yield f"{_text(inspect.getdoc(cls))}\n"
    fields = {each.name for each in attrs.fields(cls)} if attrs.has(cls) else set()
    fields |= set(getattr(cls, "_fields", ()))
    for each, member in inspect.getmembers_static(cls):
        if each.startswith(("_", "test_")) or each in fields or each in ("count", "index"):
            continue
        if not any(each in vars(base) for base in cls.__mro__ if _is_ours(base)):
            continue
        called = getattr(cls, each)
        if isinstance(member, property):
            yield f"#### `{name}.{each}`\n"
            yield f"{_text(inspect.getdoc(member))}\n"
        elif inspect.isfunction(called) or inspect.ismethod(called):
            yield f"#### `{name}.{each}`\n"
            yield f"{_code(f'def {each}{_signature(called)}')}\n"
            yield f"{_text(inspect.getdoc(called))}\n"
    tests = [m for n, m in inspect.getmembers_static(cls) if n.startswith("test_")]
    if tests:
        yield "Its tests:\n"
        yield "".join(f"- {_text(inspect.getdoc(each))}\n" for each in tests)


def _signature(value: typing.Any) -> str:
    """The signature, one parameter a line if it is long; types as they are written."""
    if inspect.isclass(value) and issubclass(value, Exception):
        return "(message)"
    signature = inspect.signature(value)
    parameters = [p for p in signature.parameters.values() if p.name != "self"]
    words, star = [], False
    for each in parameters:
        if each.kind is each.KEYWORD_ONLY and not star:
            words.append("*")
        star = star or each.kind in (each.KEYWORD_ONLY, each.VAR_POSITIONAL)
        words.append(_parameter(each))
    back = signature.return_annotation
    given = "" if inspect.isclass(value) or back is signature.empty else f" -> {_type(back)}"
    line = f"({', '.join(words)}){given}"
    if len(line) <= _LONGEST:
        return line
    return "(\n" + "".join(f"    {word},\n" for word in words) + f"){given}"


def _parameter(each: inspect.Parameter) -> str:
    star = {each.VAR_POSITIONAL: "*", each.VAR_KEYWORD: "**"}.get(each.kind, "")
    text = f"{star}{each.name}"
    if each.annotation is not each.empty:
        text += f": {_type(each.annotation)}"
    if each.default is each.empty:
        return text
    default = "..." if each.default is attrs.NOTHING else repr(each.default)
    return (
        f"{text} = {default}" if re.fullmatch(r"[\w.'\"()+ -]{1,40}", default) else f"{text} = ..."
    )


def _type(annotation: object) -> str:
    if isinstance(annotation, typing.ForwardRef):
        annotation = annotation.__forward_arg__
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    text = text.replace("NoneType", "None")
    return re.sub(r"\b(?:pipekit|collections|typing|pathlib|datetime|dt)\.(?:\w+\.)*", "", text)


def _code(text: str) -> str:
    return f"```py\n{text}\n```"


def _text(docstring: str | None) -> str:
    """A docstring as Markdown: indented blocks are code."""
    assert docstring, "a public name has no docstring"
    found: list[str] = []
    for block in re.split(r"\n\n+", inspect.cleandoc(docstring)):
        lines = block.split("\n")
        if all(line.startswith("    ") for line in lines):
            found.append(_code("\n".join(line[4:] for line in lines)))
        else:
            found.append(block)
    return re.sub(r"\n```\n\n```py\n", "\n\n", "\n\n".join(found))
