"""Claims on files: a process claims one for as long as it has it open, and others can ask."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

from pipekit.worker._files import open_own


def is_claimed(path: Path) -> bool:
    """Whether a living process has claimed this file (see `claim`). Writes nothing.

    Not for files that this very process has claimed: on POSIX that would end the claim.
    """
    try:
        descriptor = open_own(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        return not claim(descriptor, shared=True)
    finally:
        os.close(descriptor)


if sys.platform == "win32":
    from pipekit.worker._byte_lock import FAR_BEHIND, lock

    def claim(descriptor: int, *, shared: bool = False) -> bool:
        """Claim an open file for as long as this process has it open; False if another has.

        True where the system has no locks.
        """
        try:
            return lock(descriptor, FAR_BEHIND, shared=shared)
        except OSError:
            return True

else:
    import fcntl

    def claim(descriptor: int, *, shared: bool = False) -> bool:
        """Claim an open file for as long as this process has it open; False if another has.

        A record lock, which child processes do not inherit. True where the system has no locks.
        """
        try:
            fcntl.lockf(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except OSError as error:
            return error.errno not in (errno.EACCES, errno.EAGAIN)
        return True
