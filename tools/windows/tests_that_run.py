"""The tests that the lane runs, by mode; the full ones are those of the CI workflow on Windows."""

# What depends on the system: processes, paths, locks, names, encodings. It runs beside the tests of
# Linux in `.ci/run`; what is computed alike everywhere would take minutes more.
_CORE = (
    *("events", "files", "journal", "ledger", "lifecycle", "modes", "outside", "publish"),
    *("request", "temporaries", "trash"),
)

TESTS = {
    "core": (
        *("-n", "2", "-m", "not long and not slow", "tests/windows"),
        *(f"tests/unit/core/test_core_{name}.py" for name in _CORE),
        *("tests/unit/process", "tests/unit/schedule"),
        *("tests/unit/cli/test_damaged.py", "tests/unit/cli/test_doctor_system.py"),
    ),
    "full": ("tests/windows", "tests/contract", "tests/unit", "tests/property"),
}
