"""The tests that the lane runs, by mode, in two halves that run at the same time."""

CORE_TESTS = (
    ("tests/windows", "tests/unit/config", "tests/contract"),
    ("tests/unit/core", "tests/unit/cli", "tests/unit/process"),
)
STAGE_TESTS = (
    ("tests/unit/translator",),
    ("tests/unit/analyzer", "tests/unit/merger"),
)
