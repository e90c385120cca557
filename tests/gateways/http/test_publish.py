"""POST /v1/events: what is accepted, what is refused, and how often."""

from typing import Any
from uuid import UUID, uuid4

import orjson

from schemas.db import Pool
from tests.gateways.http.conftest import WithLimits
from tests.gateways.http.served import JSON, Caller, liked, logged, serving
from tests.schemas.test_event_samples import sample

BATCH = {"Content-Type": "application/cloudevents-batch+json"}
ONE = {"Content-Type": "application/cloudevents+json"}


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


async def test_what_cannot_be_committed_is_not_accepted(service: Caller, pool: Pool) -> None:
    await pool.execute("""
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'not today' USING ERRCODE = 'serialization_failure'; END $$;
        CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON events DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION refuse()
    """)
    for body, headers in (
        (liked(), {}),
        ([liked(id=str(uuid4())), liked("c2")], {}),
        (liked(), {"Idempotency-Key": "k"}),
    ):
        answered = await service.publish(body, headers=headers)
        assert (answered.status, answered.json["code"]) == (503, "unavailable"), body
    assert await logged(pool) == 0
    await pool.execute("DROP TRIGGER refuse ON events")
    again = await service.publish(liked(), headers={"Idempotency-Key": "k"})
    assert again.json["accepted"][0]["duplicate"] is False


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


async def test_errors_of_a_hostile_batch_are_bounded(service: Caller) -> None:
    answered = await service.publish([{"type": "x" * 100}] * 1000)
    assert answered.status == 422
    assert len(answered.json["errors"]) <= 100


async def test_extension_attributes_are_taken_and_not_kept(service: Caller, admin: Caller) -> None:
    event = liked(id=str(uuid4()))
    extended = {**event, "comexample1": "x", "sampledrate": 30, "flag": True, "none": None}
    assert (await service.publish(extended)).status == 202
    stored = (await admin.get(f"/v1/events/{event['id']}")).json
    assert not stored.keys() & {"comexample1", "sampledrate", "flag", "none"}
    again = await service.publish({**event, "comexample1": "y"})
    assert again.json["accepted"] == [{"id": event["id"], "duplicate": True}]


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
