"""Owns the bytes we send: Engine.IO 4 around Socket.IO 5, as finished websocket frames (RFC 6455).

A frame is made once, however many clients it goes to; frames may be put one after the other and sent as
one piece. For a client that polls they are taken apart again: there, binary data is a packet in base64.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson

SEPARATOR: Final = b"\x1e"
"""Between the packets of one polling body."""

_FINAL: Final = 0x80
_TEXT: Final = 1
_BINARY: Final = 2
_CLOSE: Final = 8
_PONG: Final = 10
# A length of up to 125 stands in the second byte; these stand for a length in the next two or eight.
_TWO_BYTES: Final = 126
_EIGHT_BYTES: Final = 127


def text(packet: bytes) -> bytes:
    """Frame one Engine.IO packet."""
    return _frame(_TEXT, packet)


def binary(data: bytes) -> bytes:
    """Frame one attachment of a Socket.IO packet."""
    return _frame(_BINARY, data)


def again(packet: bytes) -> bytes:
    """Frame what was taken apart."""
    return _frame(*payload(packet))


def payload(packet: bytes) -> tuple[int, bytes]:
    """What a websocket carries for a packet that was taken apart: the opcode, and the data."""
    return (_BINARY, b64decode(packet[1:])) if packet.startswith(b"b") else (_TEXT, packet)


def _frame(opcode: int, payload: bytes) -> bytes:
    size, kind = len(payload), _FINAL | opcode
    if size < _TWO_BYTES:
        return bytes((kind, size)) + payload
    if size < 1 << 16:
        return bytes((kind, _TWO_BYTES)) + size.to_bytes(2, "big") + payload
    return bytes((kind, _EIGHT_BYTES)) + size.to_bytes(8, "big") + payload


def packets(frames: bytes) -> Iterator[bytes]:
    """Take frames of ours apart into their packets."""
    at = 0
    while at < len(frames):
        kind, size, start = frames[at], frames[at + 1], at + 2
        if size >= _TWO_BYTES:
            start += 2 if size == _TWO_BYTES else 8
            size = int.from_bytes(frames[at + 2 : start], "big")
        at = start + size
        yield frames[start:at] if kind == _FINAL | _TEXT else b"b" + b64encode(frames[start:at])


UNNUMBERED: Final = (b'["notifications.counts",',)
"""Signals that go the way of events, because their order counts: they carry no offset all the same."""
PING: Final = text(b"2")
CLOSE: Final = b"1"
"""A packet, as polling alone needs it."""
NOOP: Final = b"6"
"""A packet, as polling alone needs it."""


def pong(data: bytes) -> bytes:
    """The answer to a ping of the websocket's own."""
    return _frame(_PONG, data)


def closed(code: int, reason: str) -> bytes:
    """End a websocket; nothing may be sent after it."""
    return _frame(_CLOSE, code.to_bytes(2, "big") + reason.encode())


def opened(handshake: Mapping[str, Any]) -> bytes:
    return text(b"0" + orjson.dumps(handshake))


def connected(namespace: str, sid: str, pid: str | None = None) -> bytes:
    """The answer to a sign-in; `pid` is what a client shows that comes back (connection state recovery)."""
    answer = {"sid": sid} if pid is None else {"sid": sid, "pid": pid}
    return text(b"40" + _prefix(namespace) + orjson.dumps(answer))


def refused(namespace: str, message: str, code: str | None = None) -> bytes:
    """A `connect_error`: its message, and the code as `data.code`."""
    error: dict[str, Any] = {"message": message}
    if code is not None:
        error["data"] = {"code": code}
    return text(b"44" + _prefix(namespace) + orjson.dumps(error))


def disconnected(namespace: str) -> bytes:
    """To the stock client this means: do not come back."""
    return text(b"41" + _prefix(namespace).removesuffix(b","))


def event(namespace: str, arguments: bytes) -> bytes:
    """An event whose list of arguments is JSON text already."""
    return text(b"42" + _prefix(namespace) + arguments)


def numbered(namespace: str, arguments: bytes, seq: int) -> bytes:
    """An event with its offset as the last argument, for a client that asked for recovery."""
    if arguments.startswith(UNNUMBERED):
        return event(namespace, arguments)
    return text(b'42%b%b,"%d"]' % (_prefix(namespace), arguments[:-1], seq))


def ack(namespace: str, ack_id: int, answer: Mapping[str, Any]) -> bytes:
    return text(b"43" + _prefix(namespace) + str(ack_id).encode() + orjson.dumps([answer]))


def _prefix(namespace: str) -> bytes:
    return b"" if namespace == "/" else namespace.encode() + b","
