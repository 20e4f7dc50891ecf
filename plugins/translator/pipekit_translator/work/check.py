"""The worker's self-check."""

from __future__ import annotations

import numba
import numpy as np
import pyarrow as pa


def versions() -> str:
    """The versions of the data libraries that were imported."""
    return f"numpy {np.__version__}, pyarrow {pa.__version__}, numba {numba.__version__}"
