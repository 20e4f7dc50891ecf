"""numba functions: compiled once for a machine, cached with a checksum, always announced."""

from pipekit_kernels.compiler import compiled as compiled

__all__ = ["compiled"]
