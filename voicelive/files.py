"""New files, for their owner only, written so that nobody waits for the disk."""

import errno
import logging
import os
import queue
import stat
import threading
from collections.abc import Callable, Iterator
from io import FileIO
from pathlib import Path
from typing import Generic, TextIO, TypeVar

log = logging.getLogger(__name__)
Part = TypeVar("Part")

NO_LINK = getattr(os, "O_NOFOLLOW", 0)  # Windows has none; there a new file is new all the same
KINDS = {stat.S_IFLNK: "a link", stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe"}
MOST_PARTS = 1500  # that wait: half a minute of sound in blocks of 20 ms; more is dropped
DRAIN_S = 2.0  # for what waits at the end


def create(path: Path) -> TextIO:
    """A new text file, UTF-8, written line by line, append-only, for its owner only.

    Raises OSError: FileExistsError for any name that is taken, be it by a link, a pipe or a folder.
    """

    def append(name: str, flags: int) -> int:
        return _for_owner_only(name, flags | os.O_APPEND)

    return open(path, "x", buffering=1, encoding="utf-8", errors="backslashreplace", opener=append)


def create_raw(path: Path) -> FileIO:
    """A new file of bytes, unbuffered, for its owner only. Raises OSError, as create() does."""
    return open(path, "xb", buffering=0, opener=_for_owner_only)


def replace(path: Path) -> FileIO:
    """The same where a file may be: that is removed first, so that nobody who has it open, and no other name
    of it, gets what is written. A device is written to as it is.

    Raises OSError, also for what is not to be replaced: see there().
    """
    kind = there(path)
    if kind == stat.S_IFCHR:
        return open(path, "wb", buffering=0, opener=_for_owner_only)
    if kind:
        path.unlink()
    return create_raw(path)


def there(path: Path) -> int:
    """What a path names: stat.S_IFREG, S_IFCHR, or 0 for nothing.

    Raises OSError for a link, a pipe and a folder, and for a file that may not be written.
    """
    try:
        kind = stat.S_IFMT(path.lstat().st_mode)
    except FileNotFoundError:
        return 0
    if kind not in (stat.S_IFREG, stat.S_IFCHR):
        raise OSError(f"it is {KINDS.get(kind, 'not a file')}, and only a file is replaced")
    if not os.access(path, os.W_OK):  # removing it would ask the folder alone
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    return kind


def make_folder(path: Path) -> None:
    """The folder, and those above it that are missing, for their owner only. Raises OSError."""
    for folder in (*reversed(path.parents), path):
        if not folder.exists():
            folder.mkdir(0o700, exist_ok=True)
            folder.chmod(0o700)  # what the umask has taken away


def _for_owner_only(name: str, flags: int) -> int:
    """An opener of files that nobody else may read, where the system knows of that."""
    return os.open(name, flags | NO_LINK, 0o600)


class Behind(Generic[Part]):
    """Has parts written in their order, on a thread of its own, so that nobody waits for the disk.

    The thread ends with close(), or with the process where the disk takes nothing.
    """

    def __init__(
        self, name: str, write: Callable[[Iterator[Part]], None], on_failure: Callable[[str], object]
    ) -> None:
        """`write` gets the parts as they come, and finishes the file; `on_failure` is told once why it is
        not complete."""
        self._on_failure = on_failure
        self._failed = threading.Lock()  # taken by who tells, and kept
        self._queue: queue.Queue[Part | None] = queue.Queue()  # None, put by close(), is the end
        self._thread = threading.Thread(target=self._run, args=(write,), name=name, daemon=True)
        self._thread.start()

    def put(self, part: Part) -> None:
        """The next part. Never waits; one that finds no room is dropped."""
        if self._queue.qsize() < MOST_PARTS:
            self._queue.put(part)
        else:
            self._fail("the disk is too slow")

    def close(self) -> None:
        """Write what waits, and finish the file; for DRAIN_S at most."""
        self._queue.put(None)
        self._thread.join(DRAIN_S)
        if self._thread.is_alive():
            self._fail("the disk takes nothing any more")

    def _run(self, write: Callable[[Iterator[Part]], None]) -> None:
        try:
            write(iter(self._queue.get, None))
        except Exception as error:
            log.exception("%s failed", self._thread.name)
            self._fail(str(error.strerror if isinstance(error, OSError) else error) or "it failed")

    def _fail(self, why: str) -> None:
        if self._failed.acquire(blocking=False):
            self._on_failure(why)
