"""The base of the contract suites: a prepared project, and the rules for settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import attrs
import pytest

from pipekit.config.describe import Field, plain, settings_fields, type_words
from pipekit.config.problems import problems_of
from pipekit.config.structure import structured
from pipekit.plugins.entrypoints import COMMANDS_GROUP, entry_points
from pipekit.plugins.loader import load

_INSTALL = "install it first, for example with `python -m pip install --editable .`"


class Contract:
    """The base class of the suites, with project folders to test in."""

    settings: object | None = None
    """The settings to test with (default: all defaults)."""

    def prepare(self, root: Path) -> None:
        """Override this: fill a new project folder, so that the plugin has something to do."""

    @pytest.fixture
    def project(self, tmp_path: Path) -> Path:
        """A project folder filled by `prepare`."""
        root = tmp_path / "project"
        root.mkdir()
        self.prepare(root)
        return root


def chosen(settings_class: type | None, settings: object | None) -> Any:
    """The given settings, else all defaults; None if there is no settings class."""
    if settings is not None or settings_class is None:
        return settings
    required = [key for key, field in settings_fields(settings_class).items() if field.required]
    assert not required, _without_default(settings_class, required)
    return settings_class()


def snapshot(root: Path) -> dict[str, bytes | None]:
    """Everything below a folder: the content of each file, None for each folder."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes() if path.is_file() else None
        for path in sorted(root.rglob("*"))
    }


def check_settings(settings_class: type | None, given: object | None = None) -> None:
    """Check that each setting, also a nested one, has help, and a default that fits its type.

    `given`: settings to test with; only with these may one be without a default.
    """
    if settings_class is None:
        return
    fields = settings_fields(settings_class)  # raises PluginError for a setting without help
    required = [key for key, field in fields.items() if field.required]
    assert given is not None or not required, _without_default(settings_class, required)
    needed = {key: plain(getattr(given, fields[key].name), fields[key].type) for key in required}
    for key, field in fields.items():
        if not field.required:
            _check_default(settings_class, key, field, needed)


def _check_default(
    settings_class: type, key: str, field: Field, needed: Mapping[str, object]
) -> None:
    """Check that a default is what the configuration would accept for this key."""
    value = field.default
    if value is None:
        words = type_words(field.type)
        assert field.type is Any or type(None) in get_args(field.type), (
            f"the default None of {key} does not fit its type, {words}; change the default in "
            f"{settings_class.__qualname__}, or annotate it as `... | None`"
        )
        return
    if attrs.has(type(value)):
        return
    kept = field._replace(secret=False)  # a masked value would not be the default
    try:
        structured(settings_class, {**needed, key: plain(value, kept.type)})
    except (ValueError, ExceptionGroup) as error:
        problem = next(problems_of(error)).text
        shown = "" if field.secret else f" {value!r}"
        raise AssertionError(
            f"the default{shown} of {key} does not fit its type, {type_words(field.type)}: "
            f"{problem}; change the default in {settings_class.__qualname__}, or its annotation"
        ) from None


def _without_default(settings_class: type, required: Sequence[str]) -> str:
    """What to do about settings that have to be given."""
    values = ", ".join(f"{key}=..." for key in required)
    return (
        f"{settings_class.__qualname__} has settings without a default: {', '.join(required)}. "
        f"Write `settings = {settings_class.__qualname__}({values})` into the test class, with "
        "values to test with"
    )


def installed(kind: str, name: str) -> str:
    """The distribution that offers this stage, sink or the like, as pipekit finds it.

    `kind`: `stage`, `sink`, `policy`, `executor` or `command`. Raises AssertionError, with what to
    do, if no installed distribution offers it, or one that is broken.
    """
    if kind == "command":
        points = [point for point in entry_points(COMMANDS_GROUP) if point.name == name]
        assert points, f"no installed distribution has the command {name!r}; {_INSTALL}"
        return points[0].distribution
    found = load(needed=[f"{kind} {name}"])
    offered = {
        "stage": found.stages,
        "sink": found.sinks,
        "policy": found.policies,
        "executor": found.executors,
    }[kind]
    broken = "; ".join(map(str, found.broken))
    conflict = found.conflicts.get(f"{kind} {name}", "")
    problem = conflict or broken or _INSTALL
    assert name in offered, f"no installed plugin offers the {kind} {name!r}: {problem}"
    return offered[name].origin.distribution
