"""Machine code in files, checked before it is loaded; does not know what it computes.

numba, and LLVM below it, trust what they find. Files that a full disk or a power failure cut off
make numba raise whatever unpickling may raise, and a page of zeros within one ends the process. So
a sum stands beside each file, and one that is not what its sum says is not loaded.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pipekit.worker import fingerprint, hasher

_Function = Callable[..., Any]
_ENDINGS = (".nbi", ".nbc")  # numba's index of a function, and its machine code
_SUM = ".sum"


def place(beside: str, otherwise: str) -> str:
    """The folder for machine code: what NUMBA_CACHE_DIR says, else the first that can be had.

    Beside the module, in `__pycache__`, is the right place, where the interpreter keeps its own:
    all projects share it, and it goes with the package.
    """
    from tempfile import TemporaryFile

    if named := os.environ.get("NUMBA_CACHE_DIR"):
        return named
    try:
        os.makedirs(beside, exist_ok=True)
        with TemporaryFile(dir=beside):
            return beside
    except OSError:
        return os.path.abspath(otherwise)


def loaded(
    name: str, folder: str, alone: Callable[[str], Any], by_numba: Callable[[str], Any]
) -> Any:
    """A function as `alone` loads it from a folder, or `by_numba`, where that cannot be had.

    Why it cannot goes to standard error, where `pipekit logs` finds it.
    """
    if sys.platform == "linux":  # where it has been tried
        try:
            return alone(folder)
        except Exception as error:  # those of LLVM and numba have no common base
            reason = f"{type(error).__name__}: {error}"
            sys.stderr.write(f"{name} is loaded by numba, which takes 0.3 s more: {reason}\n")
    return by_numba(folder)


def inlining(numba: Any, parts: Iterable[_Function]) -> Any:
    """numba, to which these functions are known; they become a part of those that call them."""
    for part in parts:
        numba.extending.register_jitable(forceinline=True, error_model="numpy")(part)
    return numba


def kept(
    numba: Any,
    function: _Function,
    parts: Iterable[_Function],
    folder: str,
    use: Callable[[_Function], object],
) -> Any:
    """A function compiled by numba, with the `parts` that it calls, whose machine code is kept.

    `use` calls what it is given with arguments of the types that it is for. Where the folder cannot
    be written to, or what is there cannot be used, that costs time and no result: at last nothing
    is kept. Raises what that raises.
    """
    inlining(numba, parts)
    numba.config.CACHE_DIR = folder
    for cleared in (False, True):
        try:
            made = _jitted(numba, function, cache=True)
            files = _Files(made.stats.cache_path, function)
            files.check(nothing=cleared)
            use(made)
        except Exception:  # noqa: S112  # unpickling garbage raises anything; the last try counts
            continue
        files.seal()
        return made
    made = _jitted(numba, function, cache=False)
    use(made)
    return made


def _jitted(numba: Any, function: _Function, *, cache: bool) -> Any:
    return numba.njit(nogil=True, error_model="numpy", cache=cache)(function)


class _Files:
    """numba's files of one function, and their sums."""

    def __init__(self, folder: str, function: Any) -> None:
        module = os.path.splitext(os.path.basename(function.__code__.co_filename))[0]
        self._folder = folder
        self._beginning = f"{module}.{function.__qualname__}-"

    def check(self, *, nothing: bool) -> None:
        """Remove what is damaged; everything, where `nothing` is right. Raises OSError."""
        for path in self._paths():
            if nothing or not _is_right(path):
                os.remove(path)

    def seal(self) -> None:
        """Say what the files are now. One that has no sum is made anew next time."""
        for path in self._paths():
            with contextlib.suppress(OSError):
                if not _is_right(path):
                    _write_sum(path)

    def _paths(self) -> Iterator[str]:
        with contextlib.suppress(FileNotFoundError):
            for name in os.listdir(self._folder):
                if name.startswith(self._beginning) and name.endswith(_ENDINGS):
                    yield os.path.join(self._folder, name)


def alone(
    name: str,
    sources: Iterable[str],
    folder: str,
    make: Callable[[], Any],
    pointers: int,
    numbers: int,
) -> _Function:
    """A C function that numba compiled, loaded without numba where it was kept.

    `make()` is `numba.cfunc(...)(function)`, of a function that returns and raises nothing and
    takes no memory. Its arguments are so many pointers, to what its arrays hold, and then so many
    whole numbers. It is asked for when `folder` has no code made of these `sources` (files) for
    this processor. Raises ValueError where the function needs more of numba than its code, and what
    `make` and llvmlite raise.
    """
    types = [ctypes.c_void_p] * pointers + [ctypes.c_int64] * numbers
    return ctypes.CFUNCTYPE(None, *types)(_address(name, sources, folder, make))


def _address(name: str, sources: Iterable[str], folder: str, make: Callable[[], Any]) -> int:
    import llvmlite
    from llvmlite import binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    processor = llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
    target = llvm.Target.from_default_triple()
    machine = target.create_target_machine(*processor, opt=3, jit=True)
    made_of = hasher(repr((llvmlite.__version__, *processor)).encode())
    for source in sources:
        made_of.update(fingerprint(source).encode())
    path = os.path.join(folder, f"{name}-{made_of.hexdigest()[:16]}.o")
    with contextlib.suppress(OSError):
        return _linked(name, _right(path), machine)
    code = _object(name, make(), machine)
    with contextlib.suppress(OSError):
        _keep(path, code)
    return _linked(name, code, machine)


def _linked(name: str, code: bytes, machine: Any) -> int:
    """The address of a function of an object file, which stays in memory."""
    from llvmlite import binding as llvm

    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    _engines.append(engine)
    return int(engine.get_function_address(name))


_engines: list[Any] = []  # which hold the code that is in use
_OF_THE_SYSTEM = {"memcpy", "memmove", "memset"}


def _object(name: str, function: Any, machine: Any) -> bytes:
    """An object file with the C function of that name, and nothing that only numba has."""
    from llvmlite import binding as llvm

    module = llvm.parse_assembly(function.inspect_llvm())
    for part in module.functions:
        if part.name == function.native_name:
            part.name = name
        elif not part.is_declaration:  # what it calls becomes a part of it
            part.linkage = "internal"
            part.add_function_attribute("alwaysinline")
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    passes = llvm.create_pass_builder(machine, options)
    passes.getModulePassManager().run(module, passes)
    foreign = {part.name for part in module.functions if part.is_declaration} - _OF_THE_SYSTEM
    if needed := sorted(part for part in foreign if not part.startswith("llvm.")):
        raise ValueError(f"{name} needs {', '.join(needed)}")
    return bytes(machine.emit_object(module))


def _right(path: str) -> bytes:
    """What a file holds. Raises OSError, also where that is not what its sum says."""
    with open(path, "rb") as code, open(path + _SUM, encoding="ascii", errors="replace") as sum:
        data = code.read()
        if sum.read() != hasher(data).hexdigest():
            raise OSError(f"{path} is damaged")
        return data


def _keep(path: str, data: bytes) -> None:
    """All of it or nothing, for others who read it now. Raises OSError."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    written = f"{path}.{os.getpid()}"
    with open(written, "wb") as file:
        file.write(data)
    os.replace(written, path)
    _write_sum(path)


def _is_right(path: str) -> bool:
    """Whether a file is what its sum says."""
    try:
        with open(path + _SUM, encoding="ascii", errors="replace") as file:
            return file.read() == fingerprint(path)
    except OSError:
        return False


def _write_sum(path: str) -> None:
    """All of it or nothing, for others who read it now. Raises OSError."""
    written = f"{path}{_SUM}.{os.getpid()}"
    with open(written, "w", encoding="ascii") as file:
        file.write(fingerprint(path))
    os.replace(written, path + _SUM)
