"""Owns the packets we send: Engine.IO 4 around Socket.IO 5, as the text bytes that go onto the wire."""

from collections.abc import Mapping
from typing import Any, Final

import orjson

CLOSE: Final = b"1"
PING: Final = b"2"
PONG_PROBE: Final = b"3probe"
NOOP: Final = b"6"

SEPARATOR: Final = b"\x1e"
"""Between the packets of one polling body."""


def opened(handshake: Mapping[str, Any]) -> bytes:
    return b"0" + orjson.dumps(handshake)


def connected(namespace: str, sid: str) -> bytes:
    return b"40" + _prefix(namespace) + orjson.dumps({"sid": sid})


def refused(namespace: str, message: str, code: str | None = None) -> bytes:
    """A `connect_error`: its message, and the code as `data.code`."""
    error: dict[str, Any] = {"message": message}
    if code is not None:
        error["data"] = {"code": code}
    return b"44" + _prefix(namespace) + orjson.dumps(error)


def disconnected(namespace: str) -> bytes:
    """To the stock client this means: do not come back."""
    return b"41" + _prefix(namespace).removesuffix(b",")


def event(namespace: str, arguments: bytes) -> bytes:
    """An event whose list of arguments is JSON text already."""
    return b"42" + _prefix(namespace) + arguments


def ack(namespace: str, ack_id: int, answer: Mapping[str, Any]) -> bytes:
    return b"43" + _prefix(namespace) + str(ack_id).encode() + orjson.dumps([answer])


def _prefix(namespace: str) -> bytes:
    return b"" if namespace == "/" else namespace.encode() + b","
