"""Run a command and keep its output, in one of several ways; say when that was over.

    reading.py WAY FILE WORD...

Prints JSON: `ended` (the monotonic clock's), `growth` (bytes of memory at the highest, over what
it was before the command; a trivial one was run first) and `error`.
"""

import asyncio
import json
import queue
import subprocess
import sys
import threading
import time
from pathlib import Path

PIPE = subprocess.PIPE
BOUND = 65536  # characters: the longest piece of a line


def straight(words, path):
    """The child writes to the file itself: what everything else is measured by."""
    with path.open("wb") as file:
        subprocess.run(words, stdout=file, check=True)


def communicate(words, path):
    """All of it in memory, and then in the file."""
    path.write_bytes(subprocess.run(words, stdout=PIPE, check=True).stdout)


def text(words, path):
    """Line by line, as text."""
    with subprocess.Popen(words, stdout=PIPE, text=True) as process, path.open("w") as file:
        for line in process.stdout:
            file.write(line)


def bounded(words, path):
    """The same, and no line is read that is longer than a bound."""
    with subprocess.Popen(words, stdout=PIPE, text=True) as process, path.open("w") as file:
        while line := process.stdout.readline(BOUND):
            file.write(line)


def threads(words, path):
    """A thread that reads lines and a queue to the main thread, which writes them."""
    lines = queue.SimpleQueue()

    def read(stream):
        for line in stream:
            lines.put(line)
        lines.put(None)

    with subprocess.Popen(words, stdout=PIPE, text=True) as process, path.open("w") as file:
        thread = threading.Thread(target=read, args=[process.stdout])
        thread.start()
        while (line := lines.get()) is not None:
            file.write(line)
        thread.join()


def asyncio_lines(words, path):
    """asyncio, line by line; longer ones than its limit are an error."""

    async def main():
        process = await asyncio.create_subprocess_exec(*words, stdout=PIPE)
        try:
            with path.open("wb") as file:
                async for line in process.stdout:
                    file.write(line)
        except ValueError:
            process.kill()
            raise
        finally:
            await process.wait()

    asyncio.run(main())


def pipekit(words, path):
    """ProcessSupervisor with a spool folder."""
    from pipekit import Command
    from pipekit.process import ProcessSupervisor

    result = ProcessSupervisor(spool_dir=path.parent).execute(Command(argv=words), name="captured")
    if not result:
        raise ValueError(result.reason)


WAYS = {
    "file": straight,
    "communicate": communicate,
    "text": text,
    "bounded": bounded,
    "threads": threads,
    "asyncio": asyncio_lines,
    "pipekit": pipekit,
}


def memory(field):
    """Bytes of a line of /proc/self/status."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise LookupError(field)


def main():
    way, path, words = WAYS[sys.argv[1]], Path(sys.argv[2]), sys.argv[3:]
    way(["true"], path)
    before, error = memory("VmRSS"), ""
    Path("/proc/self/clear_refs").write_text("5")  # the highest is what it is now
    try:
        way(words, path)
    except ValueError as raised:
        error = f"{type(raised).__name__}: {raised}"
    ended = time.monotonic()
    print(json.dumps({"ended": ended, "growth": memory("VmHWM") - before, "error": error}))


if __name__ == "__main__":
    main()
