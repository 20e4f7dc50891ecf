"""What the contract suites share: a prepared project, and what is asked of all settings."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import attrs
import pytest

from pipekit.model.run import Paths


class Contract:
    """A suite for one record of a plugin, with a project folder to try it in."""

    settings: object | None = None
    """The settings to test with; None: all defaults."""

    def prepare(self, root: Path) -> None:
        """Fill a new project folder so that the plugin has something to do. Override it."""

    @pytest.fixture
    def empty(self, tmp_path: Path) -> Path:
        """A project folder with nothing in it."""
        root = tmp_path / "empty"
        root.mkdir()
        return root

    @pytest.fixture
    def project(self, tmp_path: Path) -> Path:
        """A project folder as `prepare` fills it."""
        root = tmp_path / "project"
        root.mkdir()
        self.prepare(root)
        return root

    @property
    def prepares(self) -> bool:
        """Whether the subclass fills its project."""
        return type(self).prepare is not Contract.prepare


def paths_of(root: Path) -> Paths:
    """Where a project with all defaults keeps what."""
    return Paths(root=root, data=root / "data", logs=root / "logs", state=root / "state.db")


def chosen(settings_class: type | None, settings: object | None) -> Any:
    """The settings given, or all defaults, or None for a record that has none."""
    if settings is not None or settings_class is None:
        return settings
    return settings_class()


def snapshot(root: Path) -> dict[str, bytes | None]:
    """Everything below a folder: the bytes of files, None for folders."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes() if path.is_file() else None
        for path in sorted(root.rglob("*"))
    }


def check_settings(settings_class: type | None) -> None:
    """Each setting, also a nested one, has help, and all have defaults."""
    if settings_class is None:
        return
    assert attrs.has(settings_class), f"{settings_class.__name__} is no attrs class"
    settings_class()
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
