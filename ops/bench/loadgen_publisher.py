"""Owns the publishing side of the generator in Python: appends to the push stream as the relay would."""

import json
import os
import time
from typing import Any, Final

import redis

MARKER: Final = b"bench:"
"""In the event's title, so that every server passes it on; then a number of 10 digits, `:`, a time of 20."""

_KEPT_ENTRIES = 100_000  # far more than a reader may lie behind; bounds the memory of a long run


class Publisher:
    """Numbers the events from 1 and the entries from the stream's last."""

    def __init__(self, port: int, stream: str, *, after: int, field: str, rooms: int | None) -> None:
        self._redis = redis.Redis(port=port, password=os.environ.get("LOADGEN_REDIS_PASSWORD"), protocol=2)
        self._stream = stream
        self._seq = after
        self._field = field
        self._rooms = rooms
        self.next_number = 1

    def publish(self, count: int) -> None:
        """Append so many at once: whoever reads finds all of them."""
        with self._redis.pipeline(transaction=True) as pipe:
            for _ in range(count):
                at = int(time.time() * 1000)
                fields: dict[Any, Any] = {"prev": self._seq, "at": at, self._target(): self._packet()}
                self._seq += 1
                self.next_number += 1
                pipe.xadd(self._stream, fields, id=f"{self._seq}-0", maxlen=_KEPT_ENTRIES)
            pipe.execute()

    def _target(self) -> str:
        return self._field if self._rooms is None else f"{self._field}{self.next_number % self._rooms}"

    def _packet(self) -> bytes:
        number = self.next_number
        data = {
            "content_id": "bench",
            "author": "bench",
            "kind": "post",
            "title": f"{MARKER.decode()}{number:010}:{time.monotonic_ns():020}",
            "zone": "berlin",
            "url": "https://example.com/posts/bench",
        }
        event = {
            "id": f"01990000-0000-7000-8000-{number:012}",
            "type": "content.created",
            "time": "2026-01-01T00:00:00Z",
            "subject": "content:bench",
            "actor": "bench",
            "data": data,
        }
        return json.dumps(["content.created", event], separators=(",", ":")).encode()
