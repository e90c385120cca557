"""Publishing again: ids that are known, and keys that were used."""

import asyncio
from collections import Counter
from uuid import uuid4

from schemas.db import Pool
from tests.gateways.http.served import Caller, liked, logged


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
    assert answered.json["detail"] == f"event {event['id']} was accepted before with other data"
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
