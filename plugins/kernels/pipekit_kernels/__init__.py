"""numba functions: compiled once for a machine, kept with a checksum, never compiled in silence."""

from pipekit_kernels.compiler import compiled as compiled

__all__ = ["compiled"]
