"""POST /webhooks/telegram: who may speak there, and that what was said is kept once before it is answered."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
import pytest

from bus.memory import MemoryBus
from gateways.webhooks.telegram import HEADER
from schemas.clock import SystemClock
from schemas.db import Pool
from schemas.store.telegram_updates import HORIZON
from tests.gateways.http.served import Answered, Caller, gateway_on, serving
from tests.simulated_telegram import SECRET

PATH = "/webhooks/telegram"
UPDATE = {"update_id": 77, "message": {"chat": {"id": 4242, "type": "private"}, "text": "hi"}}


@pytest.fixture
async def caller(database: str, pool: Pool) -> AsyncIterator[Caller]:
    async with gateway_on(database, pool, MemoryBus()) as gateway:
        config = replace(gateway.config, webhook_secrets={"telegram": SECRET})
        async with serving(replace(gateway, config=config)) as nobody:
            yield nobody


async def told(caller: Caller, content: object, secret: str | None = SECRET) -> Answered:
    body = content if isinstance(content, bytes) else orjson.dumps(content)
    headers = {"Content-Type": "application/json", **({HEADER: secret} if secret is not None else {})}
    return await caller.post(PATH, data=body, headers=headers)


async def kept(pool: Pool) -> list[tuple[int, int | None, str]]:
    rows = await pool.fetch("SELECT update_id, chat, state FROM telegram_updates ORDER BY update_id")
    return [tuple(row) for row in rows]


async def test_an_update_is_kept_for_the_bot(caller: Caller, pool: Pool) -> None:
    answer = await told(caller, UPDATE)
    assert (answer.status, answer.json) == (200, {"duplicate": False})
    assert await kept(pool) == [(77, 4242, "open")]
    assert await pool.fetchval("SELECT body FROM telegram_updates") == UPDATE


async def test_an_update_that_comes_again_is_not_kept_again(caller: Caller, pool: Pool) -> None:
    await told(caller, UPDATE)
    again = await told(caller, {**UPDATE, "message": {"text": "other"}})
    assert (again.status, again.json) == (200, {"duplicate": True})
    assert await pool.fetchval("SELECT body FROM telegram_updates") == UPDATE


@pytest.mark.parametrize("secret", [None, "", "guessed", SECRET + "x", SECRET[:-1], "géheim"])
async def test_a_forged_one_is_refused(caller: Caller, pool: Pool, secret: str | None) -> None:
    assert (await told(caller, UPDATE, secret)).status == 401
    assert (await told(caller, b"not even JSON", secret)).status == 401
    assert await kept(pool) == []


@pytest.mark.parametrize(
    "content",
    [b"{", b"\xff", [], {}, {"update_id": "1"}, {"update_id": True}, {"update_id": -1}, {"update_id": 1.5}],
)
async def test_a_broken_one_is_refused(caller: Caller, pool: Pool, content: Any) -> None:
    assert (await told(caller, content)).status == 400
    assert await kept(pool) == []


@pytest.mark.parametrize("media_type", ["text/plain", "application/json; charset=x"])
async def test_one_that_calls_itself_something_else_is_taken(
    caller: Caller, pool: Pool, media_type: str
) -> None:
    headers = {"Content-Type": media_type, HEADER: SECRET}
    assert (await caller.post(PATH, data=orjson.dumps(UPDATE), headers=headers)).status == 200
    assert len(await kept(pool)) == 1


@pytest.mark.parametrize("since", [HORIZON + timedelta(minutes=1), timedelta(days=9_000)])
@pytest.mark.parametrize("kind", ["message", "my_chat_member"])
async def test_a_stale_one_is_refused(caller: Caller, pool: Pool, kind: str, since: timedelta) -> None:
    date = int((SystemClock().now() - since).timestamp())
    answer = await told(caller, {"update_id": 1, kind: {"chat": {"id": 1}, "date": date}})
    assert (answer.status, "days" in answer.json["detail"]) == (400, True)
    assert await kept(pool) == []


async def test_one_that_waited_for_the_hub_to_come_back_is_taken(caller: Caller, pool: Pool) -> None:
    date = int((SystemClock().now() - HORIZON + timedelta(minutes=1)).timestamp())
    assert (await told(caller, {"update_id": 1, "message": {"date": date}})).status == 200
    assert len(await kept(pool)) == 1


async def test_what_is_edited_now_is_no_older_than_that(caller: Caller, pool: Pool) -> None:
    now = int(SystemClock().now().timestamp())
    said = {"update_id": 1, "edited_message": {"date": 1_000_000_000, "edit_date": now}}
    assert (await told(caller, said)).status == 200


@pytest.mark.parametrize("odd", [{"of": "a new kind"}, {"message": {"text": "a\x00b"}}, {"message": None}])
async def test_what_nobody_understands_is_kept_all_the_same(
    caller: Caller, pool: Pool, odd: dict[str, Any]
) -> None:
    assert (await told(caller, {"update_id": 1, **odd})).status == 200
    assert len(await kept(pool)) == 1


async def test_without_a_secret_there_is_no_such_door(database: str, pool: Pool) -> None:
    async with gateway_on(database, pool, MemoryBus()) as gateway, serving(gateway) as nobody:
        assert (await told(nobody, UPDATE)).status == 404
