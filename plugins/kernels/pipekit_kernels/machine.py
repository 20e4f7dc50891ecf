"""What of this machine matters to kernels, as a line for the self-check of a worker."""

from __future__ import annotations

from typing import Any

from pipekit_kernels.compiler import jit_problem

_NAMED = ("avx512f", "avx2", "sse4.2", "sve", "neon")
"""Features of processors that make the difference, the widest first."""


def state(*, wanted: bool = True) -> str:
    """Which way kernels are run here: compiled, and for which processor, or interpreted.

    One that is not as it should be begins with `warning: `. `wanted`: whether the settings allow
    compiled code. Compiles a small function, and keeps nothing. Raises what numba raises.
    """
    if not wanted:
        return 'kernels: interpreted, as kernels = "off" says'
    if problem := jit_problem():
        return f"warning: kernels: interpreted, which is slower: {problem}"
    import llvmlite  # takes long, and only after `jit_problem`
    import numba

    compiled: Any = numba.njit(_add, cache=False)
    if compiled(1, 2) != _add(1, 2):
        return 'warning: kernels: compiled code gives wrong results here; set kernels = "off"'
    versions = f"numba {numba.__version__}, llvmlite {llvmlite.__version__}"
    return f"kernels: compiled, {versions}, for {_processor()}"


def _add(first: int, second: int) -> int:
    return first + second


def _processor() -> str:
    from llvmlite import binding  # takes long

    features = binding.get_host_cpu_features()
    named = [name for name in _NAMED if features.get(name)]
    return f"{binding.get_host_cpu_name()}{f' with {named[0]}' if named else ''}"
