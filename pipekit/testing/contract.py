"""The base of the contract suites: a prepared project, and the rules for settings."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import attrs
import pytest

from pipekit.model.run import Paths


class Contract:
    """The base class of the suites, with project folders to test in."""

    settings: object | None = None
    """The settings to test with (default: all defaults)."""

    def prepare(self, root: Path) -> None:
        """Override this: fill a new project folder, so that the plugin has something to do."""

    @pytest.fixture
    def empty(self, tmp_path: Path) -> Path:
        """A project folder with nothing in it."""
        root = tmp_path / "empty"
        root.mkdir()
        return root

    @pytest.fixture
    def project(self, tmp_path: Path) -> Path:
        """A project folder filled by `prepare`."""
        root = tmp_path / "project"
        root.mkdir()
        self.prepare(root)
        return root

    @property
    def prepares(self) -> bool:
        """Whether the subclass overrides `prepare`."""
        return type(self).prepare is not Contract.prepare


def paths_of(root: Path) -> Paths:
    """The folders of a project with the default configuration."""
    return Paths(root=root, data=root / "data", logs=root / "logs", state=root / "state.db")


def chosen(settings_class: type | None, settings: object | None) -> Any:
    """The given settings, else all defaults; None if there is no settings class."""
    if settings is not None or settings_class is None:
        return settings
    return settings_class()


def snapshot(root: Path) -> dict[str, bytes | None]:
    """Everything below a folder: the content of each file, None for each folder."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes() if path.is_file() else None
        for path in sorted(root.rglob("*"))
    }


def check_settings(settings_class: type | None) -> None:
    """Assert that each setting, also a nested one, has help and a default."""
    if settings_class is None:
        return
    assert attrs.has(settings_class), f"{settings_class.__name__} is not an attrs class"
    required = [
        field.name for field in attrs.fields(settings_class) if field.default is attrs.NOTHING
    ]
    assert not required, f"settings without a default: {required}"
    undocumented = [name for name, field in _fields(settings_class) if not _help(field)]
    assert not undocumented, f"settings without help (use pipekit.setting): {undocumented}"


def _help(field: Any) -> str:
    return str(field.metadata.get("help") or "").strip()


def _fields(settings_class: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    hints = get_type_hints(settings_class)
    for field in attrs.fields(settings_class):
        yield f"{prefix}{field.name}", field
        for nested in _classes(hints.get(field.name)):
            if nested is not settings_class:
                yield from _fields(nested, f"{prefix}{field.name}.")


def _classes(hint: Any) -> Iterator[type]:
    if isinstance(hint, type) and attrs.has(hint) and not issubclass(hint, enum.Enum):
        yield hint
    for argument in get_args(hint):
        yield from _classes(argument)
