"""What is no file among the files of a repository: libgit2 would wait for a pipe without end.

It would do so with the interpreter in its hands, so that not even a signal could end the process.
Python's own calls let go of it. Everything here blocks, and belongs into a worker thread.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

#: What libgit2 opens whatever it is: in every repository, and in some.
_ALWAYS: Final = ("/HEAD", "/config")
_SOMETIMES: Final = (
    *("/packed-refs", "/shallow", "/gitdir", "/info/grafts"),
    "/objects/info/alternates",
)

#: More than any of the small files holds that are read here.
_SMALL_BYTES: Final = 4096


def refuse_irregular(repository: Path) -> None:
    """Look whether what libgit2 will open of a repository, bare or not, are regular files.

    Raises:
        ValueError: One of them is something else; the message names it.
    """
    git = f"{repository}/.git"
    mode = _mode(git)
    if mode is None:
        git = str(repository)
    elif not stat.S_ISDIR(mode):
        git = _linked(git, b"gitdir: ", str(repository))
    _refuse_each(git)
    common = git
    if os.access(git + "/commondir", os.F_OK):
        common = _linked(git + "/commondir", b"", git)
        _refuse_each(common)
    reference = _small(f"{git}/HEAD")
    if reference.startswith(b"ref: refs/"):
        _refuse(f"{common}/{os.fsdecode(reference[5:])}", may_be_folder=True)


def _refuse_each(git: str) -> None:
    for name in _ALWAYS:
        _refuse(git + name)
    for name in _SOMETIMES:
        # What is seldom there is asked for so: half as dear as a look that fails.
        if os.access(git + name, os.F_OK):
            _refuse(git + name)


def _mode(path: str) -> int | None:
    try:
        return os.stat(path).st_mode  # noqa: PTH116 - several times as fast as Path's
    except (OSError, ValueError):  # what else is wrong with it libgit2 tells
        return None


def _refuse(path: str, *, may_be_folder: bool = False) -> None:
    mode = _mode(path)
    if mode is None or stat.S_ISREG(mode) or (may_be_folder and stat.S_ISDIR(mode)):
        return
    raise ValueError(f"{path} is no regular file")


def _linked(path: str, prefix: bytes, relative_to: str) -> str:
    """Return the folder that a file names."""
    _refuse(path)
    return os.path.join(relative_to, os.fsdecode(_small(path).removeprefix(prefix)))  # noqa: PTH118


def _small(path: str) -> bytes:
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            return os.read(descriptor, _SMALL_BYTES).rstrip()
        finally:
            os.close(descriptor)
    return b""
