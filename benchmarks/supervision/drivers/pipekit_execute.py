"""ProcessSupervisor alone. SIGTERM is made an exception, as in the other libraries' programs."""

import os
import shlex
import signal
import sys
from pathlib import Path

from pipekit import Command
from pipekit.process import ProcessSupervisor

signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
timeout, grace = float(os.environ["TIMEOUT"]), float(os.environ["GRACE"])
command = Command(
    argv=shlex.split(os.environ["COMMAND"]), timeout=timeout or None, grace=grace, linger=grace
)
result = ProcessSupervisor(spool_dir=Path("spool")).execute(command)
print(result.outcome, result.reason, result.signals, result.warnings)
