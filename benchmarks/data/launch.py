"""Starts a command bound to so many cores and says what it used: OUTPUT CORES COMMAND...

A process of its own, small: a child that is forked counts its parent's memory as its own until it
is another program, so that a large parent would hide what a small child needs. Prints one line of
JSON: seconds, memory (MB), cpu (seconds), code.

Memory and processor time are the kernel's account of the child and of all descendants that were
waited for, each by its parent: memory that of the largest of them, time that of all.
"""

import json
import os
import sys
import time


def main() -> None:
    output, cores, *argv = sys.argv[1:]
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(cores)])
    nothing = os.open(os.devnull, os.O_RDONLY)
    said = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    actions = [(os.POSIX_SPAWN_DUP2, nothing, 0)]
    actions += [(os.POSIX_SPAWN_DUP2, said, stream) for stream in (1, 2)]
    began = time.perf_counter()
    child = os.posix_spawnp(argv[0], argv, os.environ, file_actions=actions)
    _, status, used = os.wait4(child, 0)
    took = time.perf_counter() - began
    cpu, code = used.ru_utime + used.ru_stime, os.waitstatus_to_exitcode(status)
    print(json.dumps({"seconds": took, "memory": used.ru_maxrss / 1024, "cpu": cpu, "code": code}))


if __name__ == "__main__":
    main()
