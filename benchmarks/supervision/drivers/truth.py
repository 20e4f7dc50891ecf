"""Commands that fail, in a process that makes it hard to know: how many count as a success?

    truth.py WAY HOST COUNT     prints the number

Hosts: `ignores` has SIGCHLD ignored, so that the system keeps no status; `reaps` has a thread that
waits for any child, as some embedding programs do.
"""

import contextlib
import itertools
import os
import signal
import subprocess
import sys
import threading
import time

from pipekit import Command
from pipekit.process import ProcessSupervisor

FAILING = [
    ["/bin/sh", "-c", "exit 3"],
    ["/bin/sh", "-c", "kill -KILL $$"],
    ["/bin/sh", "-c", "kill -ABRT $$"],
    ["/bin/false"],
]


def ignore():
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)


def reap():
    def loop():
        while True:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(-1, 0)
            time.sleep(0.0005)

    threading.Thread(target=loop, daemon=True).start()


def main():
    way, host, count = sys.argv[1:]
    {"ignores": ignore, "reaps": reap}[host]()
    supervisor = ProcessSupervisor()
    succeeds = {
        "subprocess": lambda words: subprocess.run(words, check=False).returncode == 0,
        "pipekit": lambda words: bool(supervisor.execute(Command(argv=words))),
    }[way]
    print(sum(succeeds(words) for words in itertools.islice(itertools.cycle(FAILING), int(count))))


main()
