"""One file, old or new: a crash never leaves half of it."""

import contextlib
import os
import secrets
from collections.abc import Iterator


def write(path: str | os.PathLike[str], data: bytes) -> None:
    """Replaces the content of a file, or leaves the file as it was.

    The bytes go to a hidden temporary file in the same folder, reach the disk, and
    only then take the file's name. A process that is killed may leave its temporary
    file behind; nothing ever reads it.

    Args:
        path: The file, in a folder that exists.
        data: Its new content.

    Raises:
        OSError: If the system refuses (no space, no permission, no folder), naming
            the file. Its old content is then untouched, save in one case: when only
            the last step fails, recording the new name on the disk, the file holds
            all of its new content.
    """
    folder = os.path.dirname(os.path.abspath(path))
    temporary = os.path.join(folder, f".{secrets.token_hex(8)}.tmp")
    try:
        with _opened(folder, os.O_RDONLY) as directory:
            with _removed_on_failure(temporary):
                _fill(temporary, data)
                os.replace(temporary, path)
            os.fsync(directory)
    except OSError as error:
        # A failed write or fsync knows no name, the others know the temporary one.
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error


def _fill(path: str, data: bytes) -> None:
    """Creates a file that did not exist, down to the disk."""
    with _opened(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as file:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(file, rest) :]
        os.fsync(file)


@contextlib.contextmanager
def _removed_on_failure(path: str) -> Iterator[None]:
    try:
        yield
    except BaseException:  # an interrupt, too, leaves nothing behind
        with contextlib.suppress(OSError):
            os.unlink(path)
        raise


@contextlib.contextmanager
def _opened(path: str, flags: int) -> Iterator[int]:
    descriptor = os.open(path, flags, 0o666)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
