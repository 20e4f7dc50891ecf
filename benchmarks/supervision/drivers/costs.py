"""What a trivial command costs, bare and supervised, in turns; prints JSON, milliseconds.

costs.py COUNT
"""

import json
import subprocess
import sys
import time

from pipekit import Command
from pipekit.process import ProcessSupervisor

WORDS = ["/bin/true"]
NULL = subprocess.DEVNULL


def bare():
    subprocess.Popen(WORDS, stdin=NULL, stdout=NULL, stderr=NULL).wait()


def timed(work):
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000


def main():
    supervisor, command = ProcessSupervisor(), Command(argv=WORDS)
    times = {"bare": [], "pipekit": []}
    for _ in range(int(sys.argv[1])):
        times["bare"].append(timed(bare))
        times["pipekit"].append(timed(lambda: supervisor.execute(command)))
    print(json.dumps(times))


main()
