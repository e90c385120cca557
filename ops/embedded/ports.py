"""Chooses free ports on loopback."""

import socket
from pathlib import Path
from secrets import choice

from ops.embedded.errors import PortInUseError

_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST = 15_000


def is_free(port: int) -> bool:
    with socket.socket() as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the servers do
        try:
            attempt.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def find_free(preferred: int | None = None) -> int:
    """The preferred port when nobody has it, else any.

    Not one of the ports the kernel gives to outgoing connections: a client that keeps trying to reach a
    stopped server on such a port can end up connected to itself, and the server never gets its port back.
    """
    if preferred is not None and is_free(preferred):
        return preferred
    candidates = range(_LOWEST, _first_outgoing())
    for _ in range(200):
        port = choice(candidates)
        if is_free(port):
            return port
    raise PortInUseError("no free port on 127.0.0.1: end programs that listen there")


def _first_outgoing() -> int:
    try:
        first = int(_RANGE.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        first = 32_768
    return first if first > _LOWEST + 1_000 else 32_768
