"""numba functions: compiled once for a machine, cached with a checksum, always announced."""

from pipekit_kernels.compiler import compiled as compiled
from pipekit_kernels.machine import state as state

__all__ = ["compiled", "state"]
