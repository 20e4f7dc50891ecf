"""The tests that the lane runs, by mode; the full ones are those of the CI workflow on Windows."""

TESTS = {
    "core": (
        *("tests/windows", "tests/contract"),
        *("tests/unit/cli", "tests/unit/config", "tests/unit/core"),
        *("tests/unit/process", "tests/unit/schedule"),
    ),
    "full": ("tests/windows", "tests/contract", "tests/unit", "tests/property"),
}
