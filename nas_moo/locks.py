"""Files and locks in a folder that all users of a machine share.

Who makes the folder lets everybody write into it, and nobody remove what is another's. No link in it is followed, and
what was there before keeps its mode.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

from filelock import lock_descriptor, unlock_descriptor

POLL_S = 0.02
_FOLDER_MODE, _FILE_MODE = 0o1777, 0o666
_UNFOLLOWED = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)  # neither to a link's target, nor to a pipe


class Lock:
    """The lock of a file, which the operating system drops when its process ends, whatever it dies of.

    filelock's ``FileLock`` refuses a file of another user in such a folder, because its owner may remove it. Here no
    user does, while the lock is held; and one who would could hold it forever just as well.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: int | None = None

    def acquire(self, until: float = 0.0) -> bool:
        """Whether the lock was had until then, by ``time.monotonic``; one attempt is made in any case.

        Raises:
            OSError: the file cannot be made or opened for writing.
        """
        while not self._attempt():
            if time.monotonic() >= until:
                return False
            time.sleep(POLL_S)
        return True

    def release(self) -> None:
        """Let go of it, where it is held."""
        file, self._file = self._file, None
        if file is not None:
            unlock_descriptor(file)  # also for a child process that was forked in between
            os.close(file)

    def _attempt(self) -> bool:
        make_file(self.path)
        with suppress(FileNotFoundError):  # removed since: made anew at the next attempt
            self._file = _locked(self.path)
        return self._file is not None


def is_held(path: Path) -> bool:
    """Whether some process holds the lock of this file; where none does, it is removed, and nobody has it meanwhile.

    Another user's file stays in its place until one of that user's processes asks.
    """
    with suppress(FileNotFoundError):
        file = _locked(path)
        if file is None:
            return True
        try:
            with suppress(PermissionError):
                path.unlink(missing_ok=True)
        finally:
            os.close(file)
    return False


def make_folder(path: Path) -> None:
    """One for all users, where there is none yet.

    Raises:
        OSError: it cannot be made, or is no folder.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.mkdir()
    except FileExistsError:
        if not path.is_dir():
            raise
        return
    if not hasattr(os, "O_DIRECTORY"):  # outside Unix a folder has no such mode
        return
    made = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        os.fchmod(made, _FOLDER_MODE)  # the umask keeps mkdir from it
    finally:
        os.close(made)


def make_file(path: Path) -> None:
    """An empty one that all users may write, where there is none yet.

    Raises:
        OSError: it cannot be made.
    """
    if os.path.lexists(path):
        return
    with suppress(FileExistsError):  # by another, since
        made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE_MODE)
        try:
            if hasattr(os, "fchmod"):
                os.fchmod(made, _FILE_MODE)
        finally:
            os.close(made)


def read(path: Path) -> str:
    """The text of a file.

    Raises:
        OSError: there is none, or it is a link.
    """
    with open(path, opener=_unfollowed) as file:
        return file.read()


def write(path: Path, text: str) -> None:
    """Put this text into a file that all users may write.

    Raises:
        OSError: it cannot be made or written, or is a link.
    """
    make_file(path)
    with open(path, "r+", opener=_unfollowed) as file:
        file.truncate()
        file.write(text)


def _locked(path: Path) -> int | None:
    """The file, open and locked; None where another holds its lock, or it was removed meanwhile.

    It is opened as one that is there: Linux refuses to open what is another's in such a folder as one to be made.
    """
    file = os.open(path, os.O_RDWR | _UNFOLLOWED)
    try:
        if lock_descriptor(file, blocking=False) and os.fstat(file).st_nlink:
            return file
    except BaseException:
        os.close(file)
        raise
    os.close(file)
    return None


def _unfollowed(path: str, flags: int) -> int:
    return os.open(path, flags | _UNFOLLOWED)
