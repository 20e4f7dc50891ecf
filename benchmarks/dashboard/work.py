"""The work of a benchmark's run: about two seconds of CPU, with units, progress and output."""

import hashlib

from pipekit.worker import report

BLOCK = bytes(1024 * 1024)

for number in range(20):
    with report.unit(f"U{number:02}"):
        digest = hashlib.sha256()
        for step in range(60):
            digest.update(BLOCK)
            report.progress(step + 1, 60)
            print(f"U{number:02}: {step + 1} of 60", flush=True)
        report.metric("blocks", 60)
