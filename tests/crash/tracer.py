"""Run a command, and kill it or fail its system calls where they change files (Linux, x86-64).

    python tests/crash/tracer.py PLAN.json COMMAND...

The plan: `root`, only calls on files below this folder are points; `log`, the file that gets the
result; `patience`, the seconds after which all is killed; `rules`, a list of `Rule`s as objects.
The result is JSON: `code`, as of subprocess; `hung`; and `points`, a `Point` for each, in the order
in which the calls began.

strace counts each call of each thread by itself and knows files by whole paths; this has one
counter for a whole tree, and patterns. A seccomp filter stops a process at those calls alone, so
that a traced run is about as fast as any.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import re
import signal
import struct
import sys
from typing import Any, NamedTuple, NoReturn

# --- the calls: number on x86-64, and where the file is ------------------------------------------

DESCRIPTOR = {
    1: "write", 18: "pwrite64", 20: "writev", 40: "sendfile", 73: "flock", 74: "fsync",
    75: "fdatasync", 77: "ftruncate", 91: "fchmod", 285: "fallocate", 296: "pwritev",
    328: "pwritev2",
}  # fmt: skip
PATH = {76: "truncate", 83: "mkdir", 84: "rmdir", 85: "creat", 87: "unlink", 90: "chmod"}
PATH_AT = {258: "mkdirat", 263: "unlinkat", 268: "fchmodat", 280: "utimensat"}
TWO_PATHS = {82: "rename", 86: "link", 88: "symlink"}
TWO_PATHS_AT = {264: "renameat", 265: "linkat", 316: "renameat2"}
OPEN = {2: "open", 257: "openat"}  # only those that can change a file
OPEN_FLAGS = {2: 1, 257: 2}  # the argument with the flags
COPY = {326: "copy_file_range"}  # its third argument is the descriptor
NAMES = {
    **DESCRIPTOR, **PATH, **PATH_AT, **TWO_PATHS, **TWO_PATHS_AT, **OPEN, **COPY
}  # fmt: skip
CHANGING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Point(NamedTuple):
    """A call that changes a file.

    `role`: `run` for the command itself, `guardian` for its supervising processes, `worker` for all
    others. `path`, `to`: from the root on; `to` is the new path of a rename, and else empty.
    `process`: its number.
    """

    role: str
    call: str
    path: str
    to: str
    process: int


class Rule(NamedTuple):
    """What happens at the points that match.

    `role`, `call` and `path`: patterns that must match the whole of each. `number`: the first
    matching point that is meant, from 0. `lasting`: also at all matching points that follow.
    `action`: `kill` the process, kill `all` of the tree at once; `short`, half of the bytes are
    written; `torn`, the same, and the process is killed; or the name of an errno, with which the
    call fails.
    """

    role: str = ".*"
    call: str = ".*"
    path: str = ".*"
    number: int = 0
    action: str = "kill"
    lasting: bool = False

    def matches(self, point: Point) -> bool:
        """Whether this is one of its points; a rename is one if either of its paths matches."""
        paths = filter(None, (point.path, point.to))
        return bool(
            re.fullmatch(self.role, point.role)
            and re.fullmatch(self.call, point.call)
            and any(re.fullmatch(self.path, path, re.DOTALL) for path in paths)
        )


# --- seccomp and ptrace --------------------------------------------------------------------------

_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_LIBC.ptrace.restype = ctypes.c_long

TRACEME, CONT, GETREGS, SETREGS, TO_NEXT_CALL, SETOPTIONS = 0, 7, 12, 13, 24, 0x4200
_ARCH_X86_64 = 0xC000003E
_ALLOW, _TRACE = 0x7FFF0000, 0x7FF00000
_LOAD, _EQUAL, _ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06
_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS, _FILTER_MODE = 22, 38, 2
# calls marked; fork, vfork, clone, exec, seccomp; and nothing outlives the tracer
_OPTIONS = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 7 | 1 << 20
_EVENT_EXEC, _EVENT_SECCOMP = 4, 7
_ALL_THREADS = 0x40000000  # __WALL
_REGISTERS = struct.Struct("27Q")  # user_regs_struct
_ARGUMENTS = (14, 13, 12, 7, 9, 8)  # rdi, rsi, rdx, r10, r8, r9
_RESULT, _NUMBER, _LENGTH = 10, 15, 12  # rax, orig_rax, rdx
_AT_CWD = -100  # AT_FDCWD
_AT_CALL = signal.SIGTRAP | 0x80


def _program() -> bytes:
    """The filter, as instructions of classic BPF: stop at our calls, let all others pass."""
    code = [
        (_LOAD, 0, 0, 4),
        (_EQUAL, 1, 0, _ARCH_X86_64),
        (_RETURN, 0, 0, _ALLOW),
        (_LOAD, 0, 0, 0),
    ]
    for number in NAMES:
        if number in OPEN:
            code += [
                (_EQUAL, 0, 4, number),
                (_LOAD, 0, 0, 16 + 8 * OPEN_FLAGS[number]),
                (_ANY_BIT, 0, 1, CHANGING),
                (_RETURN, 0, 0, _TRACE),
                (_RETURN, 0, 0, _ALLOW),
            ]
        else:
            code += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _TRACE)]
    code.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("HBBI", *each) for each in code)


def _become(argv: list[str]) -> NoReturn:
    """Turn this process into the traced command."""
    program = _program()
    buffer = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(buffer))
    _LIBC.ptrace(TRACEME, 0, None, None)
    os.kill(os.getpid(), signal.SIGSTOP)
    _LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if _LIBC.prctl(_PR_SET_SECCOMP, _FILTER_MODE, header, 0, 0):
        os._exit(126)
    os.execvp(argv[0], argv)


def available() -> str:
    """Why nothing can be traced here; empty if it can."""
    if sys.platform != "linux" or os.uname().machine != "x86_64":
        return "it needs ptrace(2) and seccomp(2) on Linux, x86-64"
    pid = os.fork()
    if pid == 0:
        os._exit(1 if _LIBC.ptrace(TRACEME, 0, None, None) else 0)
    return "ptrace(2) is not permitted here" if os.waitpid(pid, 0)[1] else ""


class Tracer:
    """Runs one command to the end of its whole tree."""

    def __init__(self, root: str, rules: list[Rule]) -> None:
        self.points: list[Point] = []
        self.hung = False
        self.code = 0
        self._root = os.path.realpath(root)
        self._rules = rules
        self._matched = [0] * len(rules)
        self._roles: dict[int, str] = {}
        self._threads: set[int] = set()
        self._main = 0

    def run(self, argv: list[str], patience: int) -> None:
        """Start the command and serve its stops until nothing is left of it."""
        self._main = os.fork()
        if self._main == 0:
            _become(argv)
        os.waitpid(self._main, os.WUNTRACED)
        self._threads.add(self._main)
        _LIBC.ptrace(SETOPTIONS, self._main, None, _OPTIONS)
        _LIBC.ptrace(CONT, self._main, None, None)
        signal.signal(signal.SIGALRM, self._give_up)
        signal.alarm(patience)
        while True:
            try:
                thread, status = os.waitpid(-1, _ALL_THREADS)
            except ChildProcessError:
                return
            if os.WIFSTOPPED(status):
                _LIBC.ptrace(*self._stopped(thread, status))
            elif thread == self._main:
                self.code = os.waitstatus_to_exitcode(status)
                self._threads.discard(thread)
            else:
                self._threads.discard(thread)

    def _give_up(self, *_: object) -> None:
        self.hung = True
        self._kill_all()

    def _kill_all(self) -> None:
        for thread in list(self._threads):
            _kill(thread)

    def _stopped(self, thread: int, status: int) -> tuple[int, int, None, int]:
        """Serve one stop; returns how the thread goes on, maybe with a signal."""
        number, event = os.WSTOPSIG(status), status >> 16
        if event == _EVENT_SECCOMP:
            return self._called(thread), thread, None, 0
        if event == _EVENT_EXEC:
            self._roles.pop(thread, None)
        if number == _AT_CALL:  # the end of a call that is torn
            _kill(_process_of(thread))
        if event or number == _AT_CALL:
            return CONT, thread, None, 0
        if number == signal.SIGSTOP and thread not in self._threads:  # it is new
            self._threads.add(thread)
            return CONT, thread, None, 0
        return CONT, thread, None, number

    def _called(self, thread: int) -> int:
        """Serve a call; returns how the thread goes on."""
        buffer = ctypes.create_string_buffer(_REGISTERS.size)
        if _LIBC.ptrace(GETREGS, thread, None, buffer):
            return CONT  # killed meanwhile
        registers = list(_REGISTERS.unpack(buffer.raw))
        number = registers[_NUMBER]
        paths = self._paths(thread, number, [registers[each] for each in _ARGUMENTS])
        if not any(paths):
            return CONT
        process = _process_of(thread)
        point = Point(self._role(process), NAMES[number], *paths, process)
        self.points.append(point)
        action = self._action(point)
        if action == "kill":
            _kill(process)
        elif action == "all":
            self._kill_all()
        elif action in ("short", "torn"):
            registers[_LENGTH] //= 2
        elif action:
            registers[_NUMBER] = (1 << 64) - 1  # no call is made
            registers[_RESULT] = (1 << 64) - getattr(errno, action)
        buffer.raw = _REGISTERS.pack(*registers)
        _LIBC.ptrace(SETREGS, thread, None, buffer)
        return TO_NEXT_CALL if action == "torn" else CONT

    def _action(self, point: Point) -> str:
        """The action of the first rule that means this point; "" if none does."""
        found = ""
        for index, rule in enumerate(self._rules):
            if rule.matches(point):
                past = self._matched[index] - rule.number
                self._matched[index] += 1
                if past == 0 or (rule.lasting and past > 0):
                    found = found or rule.action
        return found

    def _paths(self, thread: int, number: int, arguments: list[int]) -> tuple[str, str]:
        """The path and, for a rename, the new path, both from the root on; "" if not below it."""
        one, two, three, four, *_ = arguments
        if number in DESCRIPTOR:
            return self._of_descriptor(thread, one), ""
        if number in COPY:
            return self._of_descriptor(thread, three), ""
        if number in TWO_PATHS:
            return self._of_name(thread, None, one), self._of_name(thread, None, two)
        if number in TWO_PATHS_AT:
            return self._of_name(thread, one, two), self._of_name(thread, three, four)
        if number in PATH or OPEN.get(number) == "open":
            return self._of_name(thread, None, one), ""
        return self._of_name(thread, one, two), ""

    def _of_descriptor(self, thread: int, descriptor: int) -> str:
        try:
            return self._below(os.readlink(f"/proc/{thread}/fd/{descriptor & 0xFFFFFFFF}"))
        except OSError:
            return ""

    def _of_name(self, thread: int, folder: int | None, address: int) -> str:
        try:
            with open(f"/proc/{thread}/mem", "rb", buffering=0) as memory:
                memory.seek(address)
                name = os.fsdecode(_until_nul(memory))
            at = _AT_CWD if folder is None else ctypes.c_int(folder & 0xFFFFFFFF).value
            base = "cwd" if at == _AT_CWD else f"fd/{at}"
            where = os.path.join(os.readlink(f"/proc/{thread}/{base}"), name)
        except OSError:
            return ""
        head, tail = os.path.split(os.path.normpath(where))
        return self._below(os.path.join(os.path.realpath(head), tail))

    def _below(self, path: str) -> str:
        return path[len(self._root) + 1 :] if path.startswith(f"{self._root}/") else ""

    def _role(self, process: int) -> str:
        if process == self._main:
            return "run"
        if process not in self._roles:
            with open(f"/proc/{process}/cmdline", "rb") as file:
                line = file.read()
            self._roles[process] = "guardian" if b"guardian" in line else "worker"
        return self._roles[process]


def _until_nul(memory: Any) -> bytes:
    """Bytes up to a NUL, in reads that do not cross a page that may be missing."""
    found = b""
    while b"\0" not in found and len(found) < 4096:
        part = memory.read(256 - memory.tell() % 256)
        if not part:
            break
        found += part
    return found.partition(b"\0")[0]


def _process_of(thread: int) -> int:
    with open(f"/proc/{thread}/status", "rb") as file:
        return int(re.search(rb"^Tgid:\s*(\d+)", file.read(), re.MULTILINE)[1])  # type: ignore[index]


def _kill(process: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


def main(plan: str, argv: list[str]) -> None:
    """Trace a command as the plan says; writes the result."""
    with open(plan, "rb") as file:
        read = json.load(file)
    tracer = Tracer(read["root"], [Rule(**rule) for rule in read["rules"]])
    tracer.run(argv, read["patience"])
    with open(read["log"], "w") as file:
        json.dump({"code": tracer.code, "hung": tracer.hung, "points": tracer.points}, file)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
