"""Many commands in one process: what stays of them; prints JSON.

    many.py COUNT FOLDER

Memory is that of this process and of those that it keeps for its commands.
"""

import gc
import json
import os
import sys
import threading
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2]))

import processes

from pipekit import Command
from pipekit.process import ProcessSupervisor


def state(folder):
    gc.collect()
    helpers = list(processes.descendants(os.getpid()))
    return {
        "descriptors": len(os.listdir("/proc/self/fd")),
        "threads": threading.active_count(),
        "children": len(processes.children(os.getpid())),  # zombies are among them
        "files": len(list(folder.rglob("*"))),
        "memory": sum(map(resident, [os.getpid(), *helpers])),
        "processes": len(helpers),
    }


def resident(pid):
    """Bytes; 0 for a process that is gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def main():
    count, folder = int(sys.argv[1]), Path(sys.argv[2])
    supervisor, command = ProcessSupervisor(spool_dir=folder), Command(argv=["/bin/true"])

    def run(times):
        for _ in range(times):
            assert supervisor.execute(command)

    run(100)  # until allocator and caches have what they want
    before = state(folder)
    run(count)
    print(json.dumps({"before": before, "after": state(folder)}))


main()
