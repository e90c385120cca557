"""Owns the one error of the embedded services and the sentences for what the operating system refuses."""

import errno
from pathlib import Path

from schemas.errors import ExplainedError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)


class EmbeddedError(ExplainedError):
    """An embedded service or its data directory can't be used; the message says what to do."""


class PortInUseError(EmbeddedError):
    """Another program has the port."""


def explain(error: OSError, path: Path) -> EmbeddedError:
    """Put what the operating system said about `path` into a sentence that says what to do."""
    if error.errno in _FULL:
        return disk_full(path)
    if error.errno in _FORBIDDEN:
        return EmbeddedError(
            f"cannot write in {path} ({error.strerror}): choose a folder of your own with --data-dir"
        )
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return EmbeddedError(f"{path} is not a directory: choose another one with --data-dir")
    return EmbeddedError(f"cannot use {path}: {error.strerror or error}")


def disk_full(path: Path) -> EmbeddedError:
    return EmbeddedError(
        f"the disk that holds {path} is full: free some space or choose another place with --data-dir"
    )


def says_full(text: str) -> bool:
    """A server's or the operating system's words for a full disk."""
    return "No space left on device" in text or "Disk quota exceeded" in text
