"""The base of the contract suites: a prepared project, and the rules for settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest

from pipekit.config.describe import plain, settings_fields
from pipekit.config.problems import problems_of
from pipekit.config.structure import structured


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
    assert given is not None or not required, (
        f"settings without a default: {required}; set `settings` in the test, with values for them"
    )
    defaults = given if required else settings_class()
    needed = {key: plain(getattr(given, fields[key].name), fields[key].type) for key in required}
    for key, field in fields.items():
        if field.required:
            continue
        value = getattr(defaults, field.name)
        if value is None or field.secret or attrs.has(type(value)):
            continue
        written = plain(value, field.type)
        try:
            structured(settings_class, {**needed, key: written})
        except (ValueError, ExceptionGroup) as error:
            problem = next(problems_of(error)).text
            raise AssertionError(f"the default of {key} does not fit its type: {problem}") from None
