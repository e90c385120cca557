"""Shows a waiting person what happens, on stderr, where it doesn't mix with what a command prints."""

import sys


def say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
