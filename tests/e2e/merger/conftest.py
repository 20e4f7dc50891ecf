"""The helpers of the merger's unit tests, for tests that start processes."""

import importlib.util
from pathlib import Path

_path = Path(__file__).parents[2] / "unit/merger/conftest.py"
_spec = importlib.util.spec_from_file_location("merger_helpers", _path)
_helpers = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_helpers)

kit = _helpers.kit
project = _helpers.project
