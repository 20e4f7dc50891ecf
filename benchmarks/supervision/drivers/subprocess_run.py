"""subprocess.run with its time-out. SIGTERM is made an exception, so that its clean-up runs."""

import os
import shlex
import signal
import subprocess
import sys

signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
command, timeout = shlex.split(os.environ["COMMAND"]), float(os.environ["TIMEOUT"])
try:
    subprocess.run(command, capture_output=True, timeout=timeout or None, check=False)
except subprocess.TimeoutExpired:
    sys.exit(124)
