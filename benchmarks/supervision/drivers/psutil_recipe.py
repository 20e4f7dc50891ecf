"""psutil's recipe for a tree: all children terminated, waited for, the rest killed."""

import contextlib
import os
import shlex
import signal
import sys

import psutil


def end(process: psutil.Popen, grace: float) -> None:
    """The process and those below it, as far as they are found."""
    try:
        tree = [*process.children(recursive=True), process]
    except psutil.NoSuchProcess:
        tree = []
    for member in tree:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.terminate()
    _, alive = psutil.wait_procs(tree, timeout=grace)
    for member in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()
    psutil.wait_procs(alive, timeout=grace)


signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
command, timeout = shlex.split(os.environ["COMMAND"]), float(os.environ["TIMEOUT"])
with open("captured.txt", "wb") as file:
    process = psutil.Popen(command, stdout=file, stderr=file)
    try:
        process.wait(timeout or None)
    except psutil.TimeoutExpired:
        sys.exit(124)
    finally:
        end(process, float(os.environ["GRACE"]))
