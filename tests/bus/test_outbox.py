"""The way out for facts: each id once, and what differs from before is named."""

from typing import Any
from uuid import uuid4

import pytest

from bus.outbox import Accepted, EventConflictError, Outbox, Submission
from schemas.db import Pool
from schemas.events.registry import REGISTRY

ID = str(uuid4())
FIRST = {
    "id": ID,
    "type": "content.liked",
    "source": "web",
    "actor": "bob",
    "data": {"content_id": "c1", "author": "ann"},
}


@pytest.fixture
def outbox(pool: Pool) -> Outbox:
    return Outbox(pool)


async def accept(pool: Pool, outbox: Outbox, *sent: dict[str, Any]) -> list[Accepted]:
    submissions = [Submission(REGISTRY.parse(one, source_default="web"), one) for one in sent]
    async with pool.acquire() as tx, tx.transaction():
        return await outbox.accept(tx, submissions)


@pytest.mark.parametrize(
    "again",
    [
        FIRST,
        {"specversion": "1.0", "datacontenttype": "application/json"} | FIRST,
        FIRST | {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
        FIRST | {"time": None, "subject": None},
        {"id": ID, "type": "content.liked", "data": FIRST["data"]},
        FIRST | {"subject": "content:c1"},
    ],
)
async def test_an_event_that_says_the_same_is_a_duplicate(
    pool: Pool, outbox: Outbox, again: dict[str, Any]
) -> None:
    (first,) = await accept(pool, outbox, FIRST)
    assert not first.duplicate
    assert await accept(pool, outbox, again) == [Accepted(first.id, duplicate=True)]
    assert await pool.fetchval("SELECT count(*) FROM events") == 1


@pytest.mark.parametrize(
    ("members", "named"),
    [
        (["id", "type", "actor", "source", "data"], "actor"),
        (["data", "source", "actor", "type", "id"], "data"),
    ],
)
async def test_of_several_differences_the_first_that_was_sent_is_named(
    pool: Pool, outbox: Outbox, members: list[str], named: str
) -> None:
    other = FIRST | {"actor": "eve", "source": "app", "data": {"content_id": "c2", "author": "ann"}}
    other = {name: other[name] for name in members}
    await accept(pool, outbox, FIRST)
    with pytest.raises(EventConflictError) as known:
        await accept(pool, outbox, other)
    with pytest.raises(EventConflictError) as together:
        await accept(pool, outbox, FIRST | {"id": (twice := str(uuid4()))}, other | {"id": twice})
    assert (known.value.member, known.value.index) == (named, 0)
    assert (together.value.member, together.value.index) == (named, 1)


async def test_what_is_not_kept_may_be_anything(pool: Pool, outbox: Outbox) -> None:
    deep: Any = "x"
    for _ in range(600):
        deep = [deep]
    event = REGISTRY.parse(FIRST, source_default="web")
    submission = Submission(event, FIRST | {"dataschema": deep, "traceparent": 2**70})
    async with pool.acquire() as tx, tx.transaction():
        assert await outbox.accept(tx, [submission]) == [Accepted(event.id, duplicate=False)]
