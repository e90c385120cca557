"""Finds and ends processes that a killed server or a killed hub left behind in a folder."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

_PAUSE = 0.1


def inside(folder: Path) -> set[int]:
    """The processes whose working directory is the folder; none where there is no /proc to ask."""
    wanted = str(folder.resolve())
    numbers = (int(entry.name) for entry in Path("/proc").glob("[0-9]*"))
    return {number for number in numbers if _working_directory(number) == wanted}


def end(folder: Path, pid_file: str, stop_signal: signal.Signals, seconds: float) -> Iterator[float]:
    """Free a folder whose lock we hold: whatever still runs there serves nobody.

    A server gets the time to stop by itself. Parts of a dead one don't: what they'd still do is lost already.
    """
    file = folder / pid_file
    if sys.platform != "linux" or not file.exists():
        return
    deadline = time.monotonic() + seconds
    while found := inside(folder):
        server = _first_number(file)
        if server in found and time.monotonic() < deadline:
            send(server, stop_signal)
        else:
            for number in found:
                send(number, signal.SIGKILL)
        yield _PAUSE
    file.unlink(missing_ok=True)  # its number may be another program's by now


def send(number: int, what: signal.Signals) -> None:
    try:
        os.kill(number, what)
    except ProcessLookupError:
        return  # ended meanwhile


def _working_directory(number: int) -> str | None:
    try:
        return str(Path(f"/proc/{number}/cwd").readlink())
    except OSError:
        return None  # ended meanwhile, or somebody else's


def _first_number(file: Path) -> int:
    try:
        first = file.read_text().split(maxsplit=1)
    except FileNotFoundError:
        return 0
    return int(first[0]) if first and first[0].isdigit() else 0
