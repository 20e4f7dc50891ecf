"""What Wine 8 does otherwise than Windows, put right when Python starts. No part of pipekit."""

import contextlib
import errno
import os

_ERROR_INVALID_NAME, _ERROR_DIRECTORY = 123, 267


def _of_a_folder(function):
    """Entries of a file: Windows says that it is no folder, Wine that its name is invalid."""

    def entries(path=".", *more):
        try:
            return function(path, *more)
        except OSError as error:
            if error.winerror != _ERROR_INVALID_NAME or not os.path.isfile(path):
                raise
            text = "The directory name is invalid"
            raise NotADirectoryError(errno.ENOTDIR, text, path, _ERROR_DIRECTORY) from None

    return entries


def _read(fd, length, _wine=os.read):
    """At the end of a file Wine's C library reads no more, also if the file grows, until a seek."""
    data = _wine(fd, length)
    if not data:
        with contextlib.suppress(OSError):  # pipes have no position
            os.lseek(fd, 0, os.SEEK_CUR)
    return data


os.read = _read
os.listdir = _of_a_folder(os.listdir)
os.scandir = _of_a_folder(os.scandir)
