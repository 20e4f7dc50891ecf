"""A tree looked at every second with psutil, all of its processes: memory and CPU.

sampling.py WORD...
"""

import contextlib
import sys

import psutil

process = psutil.Popen(sys.argv[1:])
while True:
    try:
        process.wait(1.0)
        break
    except psutil.TimeoutExpired:
        pass
    total = 0.0
    for member in [process, *process.children(recursive=True)]:
        with contextlib.suppress(psutil.Error), member.oneshot():
            total += member.memory_info().rss + sum(member.cpu_times()[:2])
