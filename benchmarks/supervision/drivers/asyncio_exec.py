"""asyncio with wait_for; whatever ends the waiting, also SIGTERM, the process is then killed."""

import asyncio
import os
import shlex
import signal
import sys

PIPE = asyncio.subprocess.PIPE


async def main() -> int:
    task = asyncio.current_task()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    command, timeout = shlex.split(os.environ["COMMAND"]), float(os.environ["TIMEOUT"])
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE)
    try:
        await asyncio.wait_for(process.communicate(), timeout or None)
    except (TimeoutError, asyncio.CancelledError):
        process.kill()
        await process.wait()
        return 124
    return process.returncode


sys.exit(asyncio.run(main()))
