"""The tests that the lane runs, by mode."""

CORE_TESTS = (
    *("tests/windows", "tests/contract"),
    *("tests/unit/cli", "tests/unit/config", "tests/unit/core"),
    *("tests/unit/process", "tests/unit/schedule"),
)
STAGE_TESTS = (
    *("tests/unit/translator", "tests/unit/analyzer", "tests/unit/merger"),
    *("tests/unit/docs", "tests/unit/benchmarks", "tests/property"),
)
