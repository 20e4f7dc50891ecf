"""Appends to a file so that writers in several processes and threads do not mix."""

from __future__ import annotations

import os
import sys

if sys.platform == "win32":
    from pipekit.worker._byte_lock import FAR_BEHIND, lock, unlock

    def append(descriptor: int, data: bytes) -> int:
        """Write at the end of a file that was opened for appending; how many bytes were written.

        The C library makes a seek and a write of it, so a lock has to keep others from writing in
        between. Raises OSError.
        """
        lock(descriptor, FAR_BEHIND, wait=True)
        try:
            return os.write(descriptor, data)
        finally:
            unlock(descriptor, FAR_BEHIND)

else:

    def append(descriptor: int, data: bytes) -> int:
        """Write at the end of a file that was opened for appending; how many bytes were written.

        One call of the system, which nobody can get in between. Raises OSError.
        """
        return os.write(descriptor, data)
