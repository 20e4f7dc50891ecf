"""A pytest plugin that skips what cannot be seen under Wine 8, each test with its reason.

Everything here holds on Windows itself, or is presumed to: the CI workflow runs these tests there.
"""

from __future__ import annotations

from pathlib import Path

import pytest

_SUPERVISOR = "tests/windows/test_windows_supervisor.py::test_"
FAULTS: dict[str, str] = {
    _SUPERVISOR + "a_hang_is_found": "Wine: the CPU times of any process are those of who asks",
    _SUPERVISOR + "a_memory_limit_is_kept": "Wine: it ignores the limits of a job",
    _SUPERVISOR + "ctrl_break_comes_first_and_its_grace_is_used": "Wine: it cannot send Ctrl-Break",
}

_JSONSCHEMA = "no bcryptprimitives.dll, which the wheel of rpds-py needs, and jsonschema needs that"
MODULES = {
    "tests/unit/config/test_config_command.py": _JSONSCHEMA,
    "tests/unit/config/test_config_json_schema.py": _JSONSCHEMA,
}


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    path = collection_path.relative_to(config.rootpath).as_posix()
    if path not in MODULES:
        return None
    print(f"left out: {path}: Wine has {MODULES[path]}")
    return True


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        name = item.nodeid.partition("[")[0]
        reason = FAULTS.get(item.nodeid) or FAULTS.get(name)
        if reason:
            item.add_marker(pytest.mark.skip(reason=reason))
