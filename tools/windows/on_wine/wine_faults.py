"""A pytest plugin that skips what cannot be seen under Wine 8, each test with its reason.

Everything here holds on Windows itself, or is presumed to: the CI workflow runs these tests there.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

_SUPERVISOR = "tests/windows/test_windows_supervisor.py::test_"
_FILES = "tests/windows/test_windows_files.py::test_"
_CORE = "tests/unit/core/test_core_"
_TICKS = "tests/unit/translator/test_translator_ticks.py::test_"
_CREATION = "Wine: the time of creation is that of the last change"
_LINKS = "Wine: it makes symbolic links that it cannot follow"
FAULTS: dict[str, str] = {
    _SUPERVISOR + "a_hang_is_found": "Wine: the CPU times of any process are those of who asks",
    _SUPERVISOR + "a_memory_limit_is_kept": "Wine: it ignores the limits of a job",
    _SUPERVISOR + "ctrl_break_comes_first_and_its_grace_is_used": "Wine: it cannot send Ctrl-Break",
    _FILES + "a_folder_that_is_a_junction_is_not_entered": "Wine: it makes no junctions",
    _FILES + "a_placeholder_is_skipped_and_noted": "Wine: it does not keep the attribute",
    _CORE
    + "files.py::test_links_to_files_are_followed_and_links_to_folders_are_not_entered": _LINKS,
    _CORE + "files.py::test_a_manager_of_a_root_that_is_a_link_finds_its_files": _LINKS,
    _CORE + "lifecycle.py::test_links_are_refused_and_what_is_reached_through_them": _LINKS,
    _CORE
    + "retention.py::test_a_link_in_the_place_of_a_folder_is_not_followed_and_is_said": _LINKS,
    _CORE + "temporaries.py::test_links_and_folders_are_left_alone": _LINKS,
    _CORE + "expectations.py::test_a_file_with_an_old_modification_time_has_come_today": _CREATION,
    _CORE + "lifecycle.py::test_the_age_counts_from_the_later_of_both_times": _CREATION,
    _TICKS + "only_the_rest_of_a_growing_tick_file_is_read": _CREATION,
}
_SUITES = "tests/contract/test_contract_suites.py::test_"
_MESSAGES = "tests/unit/cli/test_messages.py::test_"
_NO_STAGES = "core mode: the stages and their libraries are not installed"
_SLOW = "core mode: it takes minutes under Wine, where it opens thousands of files"
_MANY = "core mode: what it does a hundred times takes ten seconds and more under Wine"
_DAMAGED = "tests/unit/cli/test_damaged.py::test_"
_ONLY_IN_FULL_MODE = {
    _SUPERVISOR + "a_hundred_commands": _MANY,
    _CORE
    + "events.py::test_events_of_many_threads_are_numbered_in_the_order_of_the_journal": _MANY,
    _MESSAGES + "no_message_names_a_command_that_does_not_exist[plugins]": _NO_STAGES,
    _SUITES + "a_plan_that_imports_a_data_library_is_noticed[inside]": _NO_STAGES,
    _CORE
    + "retention.py::test_all_that_is_beyond_a_bound_goes_at_once_after_it_was_lowered": _SLOW,
    _DAMAGED + "show_tells_what_it_can_of_a_damaged_report": _SLOW,
    _DAMAGED + "a_journal_with_odd_values_keeps_no_run_from_starting": _SLOW,
}

_JSONSCHEMA = "no bcryptprimitives.dll, which the wheel of rpds-py needs, and jsonschema needs that"
MODULES = {
    "tests/unit/config/test_config_command.py": _JSONSCHEMA,
    "tests/unit/config/test_config_json_schema.py": _JSONSCHEMA,
}


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    return collection_path.relative_to(config.rootpath).as_posix() in MODULES or None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for path, reason in MODULES.items():
        terminalreporter.write_line(f"LEFT OUT {path}: Wine has {reason}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    core_mode = find_spec("numpy") is None
    reasons = FAULTS | _ONLY_IN_FULL_MODE if core_mode else FAULTS
    for item in items:
        name = item.nodeid.partition("[")[0]
        if reason := reasons.get(item.nodeid) or reasons.get(name):
            item.add_marker(pytest.mark.skip(reason=reason))
