"""Files of ours: new, and for their owner only."""

import os
from pathlib import Path
from typing import TextIO


def create(path: Path) -> TextIO:
    """A new text file, UTF-8, written line by line, append-only, for its owner only."""

    def append(name: str, flags: int) -> int:
        return for_owner_only(name, flags | os.O_APPEND)

    return open(path, "x", buffering=1, encoding="utf-8", errors="backslashreplace", opener=append)


def for_owner_only(name: str, flags: int) -> int:
    """An opener of new files that nobody else may read, where the system knows of that."""
    return os.open(name, flags, 0o600)
