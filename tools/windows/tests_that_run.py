"""The tests that the lane runs, by mode; the full ones are those of the CI workflow on Windows."""

# Of the command line and the configuration, `core` has what depends on the system: paths, locks,
# names, encodings, damaged files. What is computed alike everywhere takes a minute more.
_CLI = ("damaged", "doctor_machine", "doctor_system", "messages", "new", "output", "refused")
_CONFIG = ("errors", "loading")

TESTS = {
    "core": (
        *("tests/windows", "tests/contract"),
        *("tests/unit/core", "tests/unit/process", "tests/unit/schedule"),
        *(f"tests/unit/cli/test_{name}.py" for name in _CLI),
        *(f"tests/unit/config/test_config_{name}.py" for name in _CONFIG),
    ),
    "full": ("tests/windows", "tests/contract", "tests/unit", "tests/property"),
}
