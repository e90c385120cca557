"""Bodies of requests: types, sizes, forms and times that are not taken."""

import asyncio
import time
import zlib

import orjson
import pytest
from aiohttp import FormData

from gateways.http import body as bodies
from tests.gateways.http.conftest import WithLimits
from tests.gateways.http.served import JSON, Caller, liked, serving

NOT_JSON = [
    b"",
    b"{",
    b"nope",
    b'{"type": NaN}',
    b'{"a": 1e999}',
    b"\xff\xfe",
    b'"\\ud800"',
    b"[" * 5000,
    b"{}{}",
]


async def test_another_content_type_is_415(service: Caller) -> None:
    for content_type in ("text/plain", "application/xml", "application/json; charset=utf-16", "nonsense"):
        headers = {"Content-Type": content_type}
        answered = await service.post("/v1/events", data=orjson.dumps(liked()), headers=headers)
        assert answered.status == 415, content_type
        assert answered.headers["Content-Type"].startswith("application/problem+json")


async def test_a_form_is_415(service: Caller) -> None:
    assert (await service.post("/v1/events", data=FormData({"type": "content.liked"}))).status == 415


async def test_bytes_that_are_not_json_are_400(service: Caller) -> None:
    for body in NOT_JSON:
        answered = await service.post("/v1/events", data=body, headers=JSON)
        assert (answered.status, answered.json["code"]) == (400, "malformed"), body


async def test_deep_and_odd_json_is_refused_without_a_crash(service: Caller) -> None:
    body = orjson.dumps(liked())[:-1] + b',"deep":' + _nested(900) + b"}"
    assert (await service.post("/v1/events", data=body, headers=JSON)).status == 422
    twice = b'{"type":"content.liked","type":"content.liked","data":{"content_id":"c1","author":"ann"}}'
    assert (await service.post("/v1/events", data=twice, headers=JSON)).status == 202


def _nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


async def test_very_many_members_cost_little_and_are_told_shortly(service: Caller) -> None:
    many = dict.fromkeys(map(str, range(50_000)), 0)
    started = time.perf_counter()
    for event in ({**liked(), **many}, liked(data={"content_id": "c1", "author": "ann", **many})):
        answered = await service.publish(event)
        assert answered.status == 422
        assert len(answered.json["errors"]) <= 100
        assert len(answered.body) < 20_000
    assert time.perf_counter() - started < 20  # each by itself would take minutes


async def test_a_body_that_does_not_come_is_408(
    nobody: Caller, service: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "BODY_S", 0.1)
    host, _, port = nobody.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = (
        "POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {service.token}\r\nContent-Length: 100\r\n\r\n{{"
    )
    writer.write(head.encode())
    async with asyncio.timeout(10):
        answered = await reader.readuntil(b"\r\n\r\n")
    assert answered.startswith(b"HTTP/1.1 408 ")
    assert b"application/problem+json" in answered
    writer.close()


async def test_a_body_over_the_limit_is_413(limited: WithLimits) -> None:
    async with serving(limited(body_bytes=2000)) as nobody:
        service = nobody.being("shop", "publish")
        padded = orjson.dumps(liked()).ljust(2000)
        assert (await service.post("/v1/events", data=padded, headers=JSON)).status == 202
        answered = await service.post("/v1/events", data=padded + b" ", headers=JSON)
        assert (answered.status, answered.json["code"]) == (413, "too_large")
        assert answered.json["detail"] == "the body is larger than 2,000 bytes; send less at a time"

        async def endless() -> object:
            for _ in range(100):
                yield b" " * 1000

        chunked = await service.post("/v1/events", data=endless(), headers=JSON)
        assert (chunked.status, chunked.json["detail"]) == (413, answered.json["detail"])


async def test_a_packed_body_counts_by_its_size_unpacked(limited: WithLimits) -> None:
    async with serving(limited(body_bytes=2000)) as nobody:
        service = nobody.being("shop", "publish")
        headers = {**JSON, "Content-Encoding": "deflate"}
        packed = zlib.compress(orjson.dumps(liked()).ljust(1_000_000))
        assert (await service.post("/v1/events", data=packed, headers=headers)).status == 413
        small = zlib.compress(orjson.dumps(liked()))
        assert (await service.post("/v1/events", data=small, headers=headers)).status == 202


async def test_a_broken_packing_is_400(service: Caller) -> None:
    headers = {**JSON, "Content-Encoding": "gzip"}
    answered = await service.post("/v1/events", data=b"this is not gzip", headers=headers)
    assert answered.status == 400
