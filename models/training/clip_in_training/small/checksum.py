"""Checksums of files that are read more than once."""

import hashlib
from functools import cache
from pathlib import Path


def sha256_of(path: Path) -> str:
    """SHA-256 of a file in hex. A file that did not change is read once. Raises `OSError` if it cannot be read."""
    state = path.stat()
    return _digest(path, state.st_size, state.st_mtime_ns)


@cache
def _digest(path: Path, size: int, changed: int) -> str:
    """Size and time of change are arguments so that a replaced file is read again."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
