"""Owns the log file of one embedded server: bounded, and quoted when the server failed."""

import os
from pathlib import Path

_BOUND = 10_000_000
_TAIL = 4_000


class ServerLog:
    """What one server says, since its last start."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._begin = 0

    def begin(self) -> None:
        """A start: empty the file when it has grown too long."""
        self._begin = self.path.stat().st_size if self.path.exists() else 0
        if self._begin > _BOUND:
            os.truncate(self.path, 0)
            self._begin = 0

    def tail(self) -> str:
        try:
            with self.path.open("rb") as log:
                end = log.seek(0, os.SEEK_END)
                log.seek(max(self._begin, end - _TAIL))
                return log.read().decode(errors="replace").strip()
        except FileNotFoundError:
            return ""

    def quote(self) -> str:
        return f"the end of {self.path} says\n{indented(self.tail())}"


def indented(text: str) -> str:
    """The last lines of what a server said."""
    return "\n".join(f"  {line}" for line in text.splitlines()[-5:])
