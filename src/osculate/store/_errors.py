"""What reading a file may answer instead of its content."""

import os
import textwrap

FORMAT = 1
"""The newest format version that this library writes and reads."""

FilePath = str | os.PathLike[str]


class CorruptFileError(ValueError):
    """A file does not hold what was once saved in it.

    Args:
        path: The file.
        where: The place in the file: an array, a field, the whole.
        what: What is wrong there.
        do: What the reader of the message can do about it.
    """

    def __init__(
        self,
        path: FilePath,
        where: str,
        what: str,
        do: str = "Restore the file from a copy, or load an older checkpoint.",
    ):
        # The arguments as they came, so that the error can cross processes.
        super().__init__(path, where, what, do)
        self.path, self.where, self.what, self.do = path, where, what, do

    def __str__(self) -> str:
        # A damaged file may put anything into these words: they stay short.
        where, what = (
            textwrap.shorten(text, 400, placeholder=" ...")
            for text in (self.where, self.what)
        )
        return f"{os.fspath(self.path)}: {where}: {what}.\n{self.do}"


class NewerFormatError(ValueError):
    """A file was written by a newer version of this library.

    Args:
        path: The file.
        found: The format version it states, above `FORMAT`.
    """

    def __init__(self, path: FilePath, found: int):
        super().__init__(path, found)
        self.path, self.found = path, found

    def __str__(self) -> str:
        return (
            f"{os.fspath(self.path)}: written by a newer version "
            f"(format {self.found}), this one reads up to {FORMAT}.\n"
            "Upgrade: python -m pip install --upgrade osculate"
        )
