"""POST /v1/events: what is accepted, what is refused, and what a repeat gets."""

import asyncio
import time
from collections import Counter
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
from aiohttp import FormData

from gateways.http import body as bodies
from schemas.db import Pool
from tests.gateways.http.conftest import WithLimits
from tests.gateways.http.served import Caller, liked, serving
from tests.schemas.test_event_samples import sample

BATCH = {"Content-Type": "application/cloudevents-batch+json"}
ONE = {"Content-Type": "application/cloudevents+json"}
JSON = {"Content-Type": "application/json"}


async def logged(pool: Pool) -> int:
    return int(await pool.fetchval("SELECT count(*) FROM events"))


async def test_an_event_is_accepted_logged_and_queued(service: Caller, pool: Pool) -> None:
    answered = await service.publish(liked(actor="bob"))
    assert answered.status == 202
    [accepted] = answered.json["accepted"]
    assert set(answered.json) == {"accepted"}
    assert set(accepted) == {"id", "duplicate"}
    assert UUID(accepted["id"]).version == 7
    assert accepted["duplicate"] is False
    row = await pool.fetchrow("SELECT * FROM events")
    assert row is not None
    assert (str(row["id"]), row["subject"], row["source"], row["actor"]) == (
        accepted["id"],
        "content:c1",
        "shop",
        "bob",
    )
    assert await pool.fetchval("SELECT event_id FROM outbox") == row["id"]


async def test_people_an_event_names_come_to_exist(service: Caller, pool: Pool) -> None:
    await service.publish(liked(actor="bob"))
    assert {row["id"] for row in await pool.fetch("SELECT id FROM users")} == {"ann", "bob", "shop"}


async def test_one_event_has_two_content_types(service: Caller) -> None:
    for headers in (JSON, ONE, {"Content-Type": "application/json; charset=utf-8"}):
        answered = await service.post("/v1/events", data=orjson.dumps(liked()), headers=headers)
        assert answered.status == 202, headers


async def test_a_list_has_two_content_types(service: Caller) -> None:
    body = orjson.dumps([liked(f"c{n}") for n in range(3)])
    for headers in (JSON, BATCH):
        answered = await service.post("/v1/events", data=body, headers=headers)
        assert (answered.status, len(answered.json["accepted"])) == (202, 3), headers


async def test_a_list_of_the_wrong_content_type_is_refused(service: Caller) -> None:
    answered = await service.post("/v1/events", data=orjson.dumps([liked()]), headers=ONE)
    assert (answered.status, answered.paths) == (422, [""])
    answered = await service.post("/v1/events", data=orjson.dumps(liked()), headers=BATCH)
    assert (answered.status, answered.paths) == (422, [""])


async def test_another_content_type_is_415(service: Caller) -> None:
    for content_type in ("text/plain", "application/xml", "application/json; charset=utf-16", "nonsense"):
        headers = {"Content-Type": content_type}
        answered = await service.post("/v1/events", data=orjson.dumps(liked()), headers=headers)
        assert answered.status == 415, content_type
        assert answered.headers["Content-Type"].startswith("application/problem+json")


async def test_a_form_is_415(service: Caller) -> None:
    assert (await service.post("/v1/events", data=FormData({"type": "content.liked"}))).status == 415


async def test_an_empty_batch_is_422(service: Caller) -> None:
    assert (await service.publish([])).status == 422


async def test_a_batch_may_have_a_thousand_events_and_no_more(service: Caller, pool: Pool) -> None:
    assert (await service.publish([liked(f"c{n}") for n in range(1001)])).status == 422
    assert await logged(pool) == 0
    answered = await service.publish([liked(f"c{n}") for n in range(1000)])
    assert (answered.status, len(answered.json["accepted"])) == (202, 1000)
    assert await logged(pool) == 1000


async def test_answers_are_in_the_order_of_the_batch(service: Caller) -> None:
    ids = [str(uuid4()) for _ in range(20)]
    answered = await service.publish([liked(f"c{n}", id=one) for n, one in enumerate(ids)])
    assert [one["id"] for one in answered.json["accepted"]] == ids


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


async def test_bytes_that_are_not_json_are_400(service: Caller) -> None:
    for body in NOT_JSON:
        answered = await service.post("/v1/events", data=body, headers=JSON)
        assert (answered.status, answered.json["code"]) == (400, "malformed"), body


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"data": {}}, "type"),
    ({"type": "no.such.type", "data": {}}, "type"),
    ({"type": 5, "data": {}}, "type"),
    ({"type": "content.liked"}, "data.content_id"),
    (liked(data={"content_id": "c1"}), "data.author"),
    (liked(data={"content_id": "c1", "author": "ann", "colour": "red"}), "data.colour"),
    (liked(data={"content_id": "c1", "author": "not a user id"}), "data.author"),
    (liked(data={"content_id": "c1", "author": "ann\x00"}), "data.author"),
    (liked(data={"content_id": "c\x00", "author": "ann"}), "data.content_id"),
    (liked(data=[]), "data"),
    (liked(id="7"), "id"),
    (liked(time="yesterday"), "time"),
    (liked(time="0000-00-00T00:00:00Z"), "time"),
    (liked(subject=""), "subject"),
    (liked(subject="x\x00y"), "subject"),
    (liked(source="\x00"), "source"),
    (liked(actor="a b"), "actor"),
    (liked(specversion="0.3"), "specversion"),
    (liked(Colour="red"), "Colour"),
    (liked(data_base64="QQ=="), "data_base64"),
    (liked(colour=["red"]), "colour"),
    ({"type": "hours.tipped", "data": {"to": "ann", "amount": 5.5}}, "data.amount"),
    ({"type": "hours.tipped", "data": {"to": "ann", "amount": -5}}, "data.amount"),
    ({"type": "hours.tipped", "data": {"to": "ann", "amount": 10**30}}, "data.amount"),
    ({"type": "hours.tipped", "data": {"to": "ann", "amount": 5, "note": "a\x00b"}}, "data.note"),
]


async def test_a_wrong_member_is_422_with_its_path(service: Caller, pool: Pool) -> None:
    for event, path in WRONG:
        answered = await service.publish(event)
        assert (answered.status, path in answered.paths) == (422, True), (event, answered.body)
        answered = await service.publish([liked(), liked("c2"), event])
        assert (answered.status, f"[2].{path}" in answered.paths) == (422, True), (event, answered.body)
    assert await logged(pool) == 0


async def test_what_is_no_event_at_all_is_422(service: Caller) -> None:
    for text in (b"null", b"5", b'"event"', b"true", b"[]", b"[[]]"):
        answered = await service.post("/v1/events", data=text, headers=JSON)
        assert answered.status == 422, text
        batch = b"[%s,%s]" % (orjson.dumps(liked()), text)
        answered = await service.post("/v1/events", data=batch, headers=JSON)
        assert (answered.status, answered.paths) == (422, ["[1]"]), text


async def test_what_only_the_hub_makes_cannot_be_published(service: Caller) -> None:
    for name in ("notification.created", "notification.updated"):
        answered = await service.publish(sample(name))
        assert (answered.status, answered.paths) == (422, ["type"])


async def test_deep_and_odd_json_is_refused_without_a_crash(service: Caller) -> None:
    body = orjson.dumps(liked())[:-1] + b',"deep":' + _nested(900) + b"}"
    assert (await service.post("/v1/events", data=body, headers=JSON)).status == 422
    twice = b'{"type":"content.liked","type":"content.liked","data":{"content_id":"c1","author":"ann"}}'
    assert (await service.post("/v1/events", data=twice, headers=JSON)).status == 202


def _nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


async def test_errors_of_a_hostile_batch_are_bounded(service: Caller) -> None:
    answered = await service.publish([{"type": "x" * 100}] * 1000)
    assert answered.status == 422
    assert len(answered.json["errors"]) <= 100


async def test_very_many_members_cost_little_and_are_told_shortly(service: Caller) -> None:
    many = dict.fromkeys(map(str, range(50_000)), 0)
    started = time.perf_counter()
    for event in ({**liked(), **many}, liked(data={"content_id": "c1", "author": "ann", **many})):
        answered = await service.publish(event)
        assert answered.status == 422
        assert len(answered.json["errors"]) <= 100
        assert len(answered.body) < 20_000
    assert time.perf_counter() - started < 2


async def test_extension_attributes_are_taken_and_not_kept(service: Caller, admin: Caller) -> None:
    event = liked(id=str(uuid4()))
    extended = {**event, "comexample1": "x", "sampledrate": 30, "flag": True, "none": None}
    assert (await service.publish(extended)).status == 202
    stored = (await admin.get(f"/v1/events/{event['id']}")).json
    assert not stored.keys() & {"comexample1", "sampledrate", "flag", "none"}
    again = await service.publish({**event, "comexample1": "y"})
    assert again.json["accepted"] == [{"id": event["id"], "duplicate": True}]


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


async def test_the_same_id_again_is_a_duplicate_and_changes_nothing(service: Caller, pool: Pool) -> None:
    event = liked(id=str(uuid4()), actor="bob")
    assert (await service.publish(event)).json["accepted"][0]["duplicate"] is False
    answered = await service.publish(event)
    assert (answered.status, answered.json) == (202, {"accepted": [{"id": event["id"], "duplicate": True}]})
    assert await logged(pool) == 1
    assert await pool.fetchval("SELECT count(*) FROM outbox") == 1


async def test_a_repeat_may_spell_the_same_differently(service: Caller) -> None:
    event = liked(id=str(uuid4()), time="2026-01-31T12:00:00Z")
    await service.publish(event)
    spelled = {
        **event,
        "id": event["id"].upper(),
        "time": "2026-01-31T13:00:00.000+01:00",
        "subject": "content:c1",
    }
    answered = await service.publish(spelled)
    assert (answered.status, answered.json["accepted"]) == (202, [{"id": event["id"], "duplicate": True}])


async def test_a_known_id_with_other_content_is_409_and_names_id_and_path(
    service: Caller, pool: Pool
) -> None:
    event = liked(id=str(uuid4()))
    await service.publish(event)
    answered = await service.publish({**event, "data": {"content_id": "c2", "author": "ann"}})
    assert (answered.status, answered.paths) == (409, ["data"])
    assert event["id"] in answered.json["detail"]
    answered = await service.publish([liked(), {**event, "actor": "eve"}])
    assert (answered.status, answered.paths) == (409, ["[1].actor"])
    assert await logged(pool) == 1


async def test_an_id_twice_in_one_batch(service: Caller, pool: Pool) -> None:
    event = liked(id=str(uuid4()))
    answered = await service.publish([event, liked(), event])
    assert [one["duplicate"] for one in answered.json["accepted"]] == [False, False, True]
    assert await logged(pool) == 2
    other = liked(id=str(uuid4()))
    answered = await service.publish([other, {**other, "actor": "eve"}])
    assert (answered.status, answered.paths) == (409, ["[1].actor"])
    assert await logged(pool) == 2


async def test_one_wrong_event_keeps_a_whole_batch_out(service: Caller, pool: Pool) -> None:
    event = liked(id=str(uuid4()))
    await service.publish(event)
    batch = [liked("new"), {**event, "actor": "eve"}, liked("newer")]
    assert (await service.publish(batch)).status == 409
    assert (await service.publish([liked("new"), {"type": "nope"}])).status == 422
    assert await logged(pool) == 1


async def test_one_id_published_by_many_at_once_is_accepted_once(service: Caller, pool: Pool) -> None:
    event = liked(id=str(uuid4()))
    answers = await asyncio.gather(*(service.publish(event) for _ in range(20)))
    assert {answered.status for answered in answers} == {202}
    assert Counter(answered.json["accepted"][0]["duplicate"] for answered in answers) == {False: 1, True: 19}
    assert await logged(pool) == 1


async def test_batches_with_the_same_ids_in_other_orders_do_not_block_each_other(
    service: Caller, pool: Pool
) -> None:
    events = [liked(f"c{n}", id=str(uuid4()), actor=f"u{n}") for n in range(50)]
    answers = await asyncio.gather(
        *(service.publish(events[n:] + events[:n]) for n in range(0, 50, 5)),
        *(service.publish(events[n::-1] + events[:n:-1]) for n in range(0, 50, 5)),
    )
    assert {answered.status for answered in answers} == {202}
    assert await logged(pool) == 50


async def test_a_key_gets_the_same_answer_again_and_publishes_once(service: Caller, pool: Pool) -> None:
    headers = {"Idempotency-Key": "order 66"}
    first = await service.publish([liked(), liked("c2")], headers=headers)
    again = await service.publish([liked(), liked("c2")], headers=headers)
    assert (again.status, again.body) == (first.status, first.body) == (202, first.body)
    assert await logged(pool) == 2


async def test_a_key_with_another_body_is_422(service: Caller, pool: Pool) -> None:
    headers = {"Idempotency-Key": "k"}
    await service.publish(liked(), headers=headers)
    answered = await service.publish(liked("c2"), headers=headers)
    assert (answered.status, answered.paths) == (422, ["Idempotency-Key"])
    assert await logged(pool) == 1


async def test_a_key_belongs_to_who_used_it(service: Caller, nobody: Caller, pool: Pool) -> None:
    headers = {"Idempotency-Key": "k"}
    await service.publish(liked(), headers=headers)
    assert (await nobody.being("other", "publish").publish(liked("c2"), headers=headers)).status == 202
    assert await logged(pool) == 2


async def test_a_key_of_yesterday_may_be_used_again(service: Caller, pool: Pool) -> None:
    headers = {"Idempotency-Key": "k"}
    await service.publish(liked(), headers=headers)
    await pool.execute("UPDATE idempotency_keys SET created_at = now() - interval '25 hours'")
    assert (await service.publish(liked("c2"), headers=headers)).status == 202
    assert (await service.publish(liked("c2"), headers=headers)).status == 202
    assert await logged(pool) == 2


async def test_a_refused_publish_leaves_its_key_free(service: Caller) -> None:
    headers = {"Idempotency-Key": "k"}
    event = liked(id=str(uuid4()))
    await service.publish(event)
    assert (await service.publish({**event, "actor": "eve"}, headers=headers)).status == 409
    assert (await service.publish(liked("c2"), headers=headers)).status == 202


async def test_repeats_with_one_key_at_once_all_get_the_same_answer(service: Caller, pool: Pool) -> None:
    headers = {"Idempotency-Key": "k"}
    answers = await asyncio.gather(*(service.publish(liked(), headers=headers) for _ in range(20)))
    assert {answered.status for answered in answers} == {202}
    assert len({answered.body for answered in answers}) == 1
    assert await logged(pool) == 1


async def test_an_odd_key_is_422(service: Caller) -> None:
    for key in ("", "x" * 256, "café", "a\tb"):
        answered = await service.publish(liked(), headers={"Idempotency-Key": key})
        assert (answered.status, answered.paths) == (422, ["Idempotency-Key"]), key


async def test_a_body_over_the_limit_is_413(limited: WithLimits) -> None:
    async with serving(limited(body_bytes=2000)) as nobody:
        service = nobody.being("shop", "publish")
        padded = orjson.dumps(liked()).ljust(2000)
        assert (await service.post("/v1/events", data=padded, headers=JSON)).status == 202
        answered = await service.post("/v1/events", data=padded + b" ", headers=JSON)
        assert (answered.status, answered.json["code"]) == (413, "too_large")

        async def endless() -> object:
            for _ in range(100):
                yield b" " * 1000

        chunked = await service.post("/v1/events", data=endless(), headers=JSON)
        assert chunked.status == 413


async def test_a_packed_body_counts_by_its_size_unpacked(limited: WithLimits) -> None:
    import zlib

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


async def test_who_publishes_too_fast_is_told_when_to_come_back(limited: WithLimits) -> None:
    async with serving(limited(publish_rate=0.5, publish_burst=3)) as nobody:
        service = nobody.being("shop", "publish")
        statuses = [(await service.publish(liked())).status for _ in range(4)]
        assert statuses == [202, 202, 202, 429]
        answered = await service.publish(liked())
        assert (answered.json["code"], answered.headers["Retry-After"]) == ("rate_limited", "2")
        assert (await nobody.being("other", "publish").publish(liked())).status == 202


async def test_the_rate_is_checked_before_the_body_is_read(limited: WithLimits) -> None:
    async with serving(limited(publish_rate=0.5, publish_burst=1)) as nobody:
        service = nobody.being("shop", "publish")
        assert (await service.publish(liked())).status == 202
        assert (await service.post("/v1/events", data=b"nonsense", headers=JSON)).status == 429


async def test_accepted_events_are_counted_by_type(service: Caller, nobody: Caller) -> None:
    async def count() -> float:
        lines = (await nobody.get("/metrics")).body.decode().splitlines()
        found = [line for line in lines if line.startswith('hub_events_accepted_total{type="zone.joined"}')]
        return float(found[0].split()[-1]) if found else 0.0

    before = await count()
    event = {"type": "zone.joined", "id": str(uuid4()), "data": {"zone": "z", "user": "ann"}}
    await service.publish([event, event])
    await service.publish(event)
    assert await count() - before == 1
