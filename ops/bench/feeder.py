"""Owns a publisher of events as any service is one: what it reads from a stream it posts to /v1/events."""

import json
import os
from collections.abc import Mapping
from http.client import HTTPConnection
from typing import Any

import redis

_MOST = 500
_BLOCK_MS = 1_000


def post(hub: HTTPConnection, token: str, events: list[dict[str, Any]]) -> None:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/cloudevents-batch+json"}
    hub.request("POST", "/v1/events", json.dumps(events), headers)
    answer = hub.getresponse()
    said = answer.read().decode()
    if answer.status != 202:
        raise SystemExit(f"the hub refused events: {said}")


def event(fields: Mapping[bytes, bytes]) -> dict[str, Any]:
    """Take the event out of a packet; the hub gives it an id and a time of its own."""
    (packet,) = (value for name, value in fields.items() if name not in {b"prev", b"at"})
    kind, whole = json.loads(packet)
    return {"type": kind, "actor": whole["actor"], "data": whole["data"]}


def main() -> None:
    stream, token = os.environ["STREAM"], os.environ["TOKEN"]
    hub = HTTPConnection("127.0.0.1", int(os.environ["PORT"]), timeout=30)
    last = b"0-0"
    with redis.Redis.from_url(os.environ["REDIS_URL"], protocol=2) as source:
        while True:
            answer: Any = source.xread({stream: last}, count=_MOST, block=_BLOCK_MS)
            if not answer:
                continue
            entries = answer[0][1]
            last = entries[-1][0]
            post(hub, token, [event(fields) for _, fields in entries])


if __name__ == "__main__":
    main()
