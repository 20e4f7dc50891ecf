"""The tests that the lane runs, by mode: those of the core first, then those of the stages."""

CORE_TESTS = (
    "tests/unit/config",
    "tests/unit/process",
)
FULL_TESTS = (*CORE_TESTS,)
