"""One writer at a time: a lock on a folder that ends with the process holding it."""

import contextlib
import fcntl
import os
import warnings

from ._errors import FilePath

LOCK = ".lock"
"""Name of the file in the folder; it is there while the lock is held."""


class Lock:
    """Holds a folder until `release`, or until this process ends in whatever way.

    The folder may be renamed meanwhile.
    """

    def __init__(self, folder: int, file: int):
        """Wraps the descriptors of a folder and of its locked file; see `take`."""
        self._folder, self._file = folder, file

    @classmethod
    def take(cls, folder: FilePath) -> "Lock | None":
        """Locks a folder.

        Args:
            folder: A folder that exists.

        Returns:
            The lock, or None where someone else holds it. A file system that knows no
            locks is answered with a warning.

        Raises:
            OSError: If the folder cannot be written to.
        """
        while True:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                file = _locked_file(descriptor)
            except BaseException:
                os.close(descriptor)
                raise
            if file is None:
                os.close(descriptor)
                return None
            lock = cls(descriptor, file)
            if lock._is_of(folder):
                return lock
            lock._close()  # it was released, or its folder renamed, before we had it

    def release(self) -> None:
        """Lets others in; the file of the lock is removed."""
        with contextlib.suppress(OSError):
            os.unlink(LOCK, dir_fd=self._folder)
        self._close()

    def _close(self) -> None:
        os.close(self._file)
        os.close(self._folder)

    def _is_of(self, folder: FilePath) -> bool:
        """Whether the locked file is still the one that others find in the folder."""
        with contextlib.suppress(FileNotFoundError):
            found = os.stat(LOCK, dir_fd=self._folder, follow_symlinks=False)
            return os.path.samestat(found, os.fstat(self._file)) and os.path.samestat(
                os.stat(folder), os.fstat(self._folder)
            )
        return False


def _locked_file(folder: int) -> int | None:
    """Opens and locks the file, or returns None where it is locked already."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
    file = os.open(LOCK, flags, 0o666, dir_fd=folder)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return None
    except OSError as error:
        warnings.warn(
            f"this file system cannot lock a folder ({error.strerror}): do not start "
            "two processes in one run.",
            stacklevel=4,
        )
    return file
