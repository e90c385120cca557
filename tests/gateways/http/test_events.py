"""Reading the log: lists, one event, traces, the tail."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import orjson
import pytest
from aiohttp import ClientResponse

from gateways.gateway import Gateway
from gateways.http import tail
from schemas.db import Pool
from schemas.store.users import Users
from tests.gateways.http.served import Answered, Caller, liked, serving, token_of
from tests.waiting import until


async def numbered(pool: Pool, count: int) -> None:
    async def done() -> bool:
        return bool(await pool.fetchval("SELECT count(*) >= $1 FROM relay_log", count))

    await until(done)


def contents(answered: Answered) -> list[str]:
    return [item["data"]["content_id"] for item in answered.json["items"]]


async def publish(service: Caller, *names: str) -> None:
    assert (await service.publish([liked(name) for name in names])).status == 202


async def all_pages(admin: Caller, query: str) -> list[str]:
    found, cursor = [], ""
    while True:
        answered = await admin.get(f"/v1/events?{query}{cursor}")
        assert answered.status == 200
        found += contents(answered)
        if answered.json["next"] is None:
            return found
        cursor = f"&cursor={answered.json['next']}"


@pytest.mark.usefixtures("relaying")
async def test_the_log_is_listed_in_pages_up_and_down(service: Caller, admin: Caller, pool: Pool) -> None:
    names = [f"c{n}" for n in range(10)]
    await publish(service, *names)
    await numbered(pool, 10)
    for limit in (1, 3, 5, 10, 500):
        assert await all_pages(admin, f"limit={limit}") == names
        assert await all_pages(admin, f"limit={limit}&order=desc") == names[::-1]


async def test_events_that_have_no_number_yet_are_listed(service: Caller, admin: Caller) -> None:
    await publish(service, "a", "b", "c")
    [first, *_] = (await admin.get("/v1/events")).json["items"]
    assert (first["seq"], first["relayed_at"]) == (None, None)
    assert await all_pages(admin, "limit=2") == ["a", "b"]
    assert contents(await admin.get("/v1/events?order=desc")) == ["c", "b", "a"]


@pytest.mark.usefixtures("relaying")
async def test_an_item_is_a_cloudevent_with_its_place(service: Caller, admin: Caller, pool: Pool) -> None:
    event = liked(id=str(uuid4()), time="2026-01-31T12:00:00Z", actor="bob")
    await service.publish(event)
    await numbered(pool, 1)
    [item] = (await admin.get("/v1/events")).json["items"]
    assert item | {"accepted_at": "", "relayed_at": ""} == {
        **event,
        "specversion": "1.0",
        "source": "shop",
        "subject": "content:c1",
        "datacontenttype": "application/json",
        "seq": 1,
        "accepted_at": "",
        "relayed_at": "",
    }
    assert datetime.fromisoformat(item["relayed_at"]) >= datetime.fromisoformat(item["accepted_at"])
    assert (await admin.get(f"/v1/events/{event['id']}")).json == item


@pytest.mark.usefixtures("relaying")
async def test_the_list_is_filtered(service: Caller, admin: Caller, pool: Pool) -> None:
    before = datetime.now(UTC) - timedelta(seconds=5)  # noqa: TID251  the server's clock is the machine's
    await publish(service, "a", "b", "a")
    await service.publish({"type": "content.shared", "data": {"content_id": "a", "author": "ann"}})
    await numbered(pool, 4)
    assert contents(await admin.get("/v1/events?type=content.shared")) == ["a"]
    assert contents(await admin.get("/v1/events?type=no.such")) == []
    assert contents(await admin.get("/v1/events?subject=content:a")) == ["a", "a", "a"]
    assert contents(await admin.get("/v1/events?subject=content:a&type=content.liked")) == ["a", "a"]
    assert contents(await admin.get("/v1/events?since=2")) == ["a", "a"]
    assert contents(await admin.get("/v1/events?since=4")) == []
    assert len(contents(await admin.get(f"/v1/events?since={quote(before.isoformat())}"))) == 4
    # An unescaped + arrives as a space.
    assert len(contents(await admin.get(f"/v1/events?since={before.isoformat()}"))) == 4
    later = (before + timedelta(hours=1)).isoformat().replace("+00:00", "Z")
    assert contents(await admin.get(f"/v1/events?since={later}")) == []


async def test_a_wrong_query_is_422_with_its_path(admin: Caller) -> None:
    for query, path in (
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("limit=many", "limit"),
        ("cursor=x", "cursor"),
        ("cursor=-1", "cursor"),
        ("cursor=99999999999999999999999", "cursor"),
        ("since=yesterday", "since"),
        ("since=2026-02-30T00:00:00Z", "since"),
        ("since=2026-01-01T00:00:00", "since"),
        ("since=99999999999999999999999", "since"),
        ("order=up", "order"),
        ("type=%00", "type"),
        ("subject=%00", "subject"),
        ("colour=", "colour"),
        ("colour=red", "colour"),
        ("limit=1&limit=2", "limit"),
    ):
        answered = await admin.get(f"/v1/events?{query}")
        assert (answered.status, answered.paths) == (422, [path]), query


async def test_an_empty_filter_is_none(service: Caller, admin: Caller) -> None:
    await publish(service, "a")
    for query in ("type=&subject=&since=", "limit=&cursor=&order=", "type=content.liked&subject="):
        assert contents(await admin.get(f"/v1/events?{query}")) == ["a"], query


async def test_very_many_parameters_are_one_error(admin: Caller) -> None:
    answered = await admin.get("/v1/events?" + "&".join(f"p{n}=1" for n in range(500)))
    assert (answered.status, answered.paths) == (422, [""])


async def test_an_unknown_event_is_404_and_a_wrong_id_422(admin: Caller) -> None:
    for end in ("", "/trace"):
        assert (await admin.get(f"/v1/events/{uuid4()}{end}")).status == 404
        assert (await admin.get(f"/v1/events/7{end}")).status == 422


@pytest.mark.usefixtures("relaying")
async def test_a_trace_explains_an_event(service: Caller, pool: Pool) -> None:
    event = {
        "type": "hours.tipped",
        "id": str(uuid4()),
        "actor": "bob",
        "data": {"to": "ann", "amount": 500, "content_id": "c1"},
    }
    await service.publish(event)
    await numbered(pool, 1)
    trace = (await service.get(f"/v1/events/{event['id']}/trace")).json
    assert trace["event"]["data"] == event["data"]
    assert trace["seq"] == 1
    assert trace["accepted_at"] <= trace["relayed_at"]
    assert (trace["groups"], trace["notifications"]) == ([], [])
    assert trace["live"] == [
        {"namespace": "/notifications", "room": "user:ann"},
        {"namespace": "/feed", "room": "content:c1"},
    ]
    await pool.execute(
        "INSERT INTO consumer_positions (grp, partition, seq) SELECT 'stats', partition, seq FROM relay_log"
    )
    await pool.execute(
        "INSERT INTO consumer_commits (grp, partition, seq) SELECT 'stats', partition, seq FROM relay_log"
    )
    [step] = (await service.get(f"/v1/events/{event['id']}/trace")).json["groups"]
    assert (step["group"], step["state"], step["attempts"], step["error"]) == ("stats", "handled", 1, None)


async def test_a_trace_of_an_event_that_waits_for_its_number(service: Caller) -> None:
    accepted = (await service.publish(liked())).json["accepted"][0]["id"]
    trace = (await service.get(f"/v1/events/{accepted}/trace")).json
    assert (trace["seq"], trace["relayed_at"], trace["groups"]) == (None, None, [])


@asynccontextmanager
async def tailing(
    admin: Caller, query: str = "", headers: dict[str, str] | None = None
) -> AsyncIterator[ClientResponse]:
    url = f"{admin.url}/v1/events/tail{query}"
    given = {"Authorization": f"Bearer {admin.token}", **(headers or {})}
    async with admin.session.get(url, headers=given) as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "text/event-stream"
        assert (await response.content.readuntil(b"\n\n")).startswith(b":")
        yield response


async def told(response: ClientResponse) -> tuple[int, dict[str, Any]]:
    """The next event of a tail, past signs of life."""
    async with asyncio.timeout(20):
        while (frame := await response.content.readuntil(b"\n\n")).startswith(b":"):
            pass
    number, data = frame.decode().strip().split("\n")
    return int(number.removeprefix("id: ")), orjson.loads(data.removeprefix("data: "))


@pytest.mark.usefixtures("relaying")
async def test_a_tail_shows_what_happens_from_now_on(service: Caller, admin: Caller, pool: Pool) -> None:
    await publish(service, "before")
    await numbered(pool, 1)
    async with tailing(admin) as response:
        await publish(service, "a", "b")
        assert [(await told(response))[1]["data"]["content_id"] for _ in range(2)] == ["a", "b"]
        await publish(service, "c")
        number, item = await told(response)
        assert (number, item["seq"], item["data"]["content_id"]) == (4, 4, "c")


@pytest.mark.usefixtures("relaying")
async def test_a_tail_continues_behind_the_last_id(service: Caller, admin: Caller, pool: Pool) -> None:
    await publish(service, "a", "b", "c")
    await numbered(pool, 3)
    async with tailing(admin, headers={"Last-Event-ID": "1"}) as response:
        assert (await told(response))[0] == 2
    async with tailing(admin, "?since=2") as response:
        assert (await told(response))[0] == 3
    assert (await admin.get("/v1/events/tail", headers={"Last-Event-ID": "x"})).status == 422
    assert (await admin.get("/v1/events/tail?since=x")).status == 422


@pytest.mark.usefixtures("relaying")
async def test_a_tail_is_filtered_by_type_and_user(service: Caller, admin: Caller) -> None:
    async with tailing(admin, "?user=bob&type=hours.tipped") as response:
        tip = {"type": "hours.tipped", "data": {"to": "ann", "amount": 5}}
        await service.publish([tip, liked(actor="bob"), {**tip, "data": {"to": "bob", "amount": 6}}])
        await service.publish({**tip, "actor": "bob", "data": {"to": "eve", "amount": 7, "note": "bob"}})
        amounts = [(await told(response))[1]["data"]["amount"] for _ in range(2)]
        assert amounts == [6, 7]


@pytest.mark.usefixtures("relaying")
async def test_a_tail_catches_up_over_many_pages(
    service: Caller, admin: Caller, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "PAGE", 7)
    await publish(service, *(f"c{n}" for n in range(50)))
    await numbered(pool, 50)
    async with tailing(admin, "?since=0") as response:
        assert [(await told(response))[0] for _ in range(50)] == list(range(1, 51))


async def test_a_quiet_tail_shows_that_it_lives(admin: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "KEEP_ALIVE_S", 0.05)
    async with tailing(admin) as response, asyncio.timeout(10):
        assert await response.content.readuntil(b"\n\n") == b": still here\n\n"


@pytest.mark.usefixtures("relaying")
async def test_a_tail_ends_when_its_reader_is_suspended(service: Caller, admin: Caller, pool: Pool) -> None:
    async with tailing(admin) as response, asyncio.timeout(10):
        await Users().suspend(pool, "root")
        await publish(service, "secret")  # wakes it up before its next sign of life
        assert await response.read() == b""


async def test_a_quiet_tail_ends_when_its_reader_is_suspended(
    admin: Caller, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "KEEP_ALIVE_S", 0.05)
    async with tailing(admin) as response, asyncio.timeout(10):
        await Users().suspend(pool, "root")
        assert b"data:" not in await response.read()


async def test_a_tail_ends_with_its_token(nobody: Caller) -> None:
    admin = nobody.using(token_of("root", "admin", ttl=timedelta(seconds=2)))
    async with tailing(admin) as response, asyncio.timeout(10):
        assert b"data:" not in await response.read()


async def test_tails_are_bounded_and_a_closed_one_makes_room(
    admin: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "AT_ONCE", 2)
    monkeypatch.setattr(tail, "KEEP_ALIVE_S", 0.05)  # a write is how the server notices that one is gone
    async with tailing(admin):
        async with tailing(admin):
            answered = await admin.get("/v1/events/tail")
            assert (answered.status, answered.headers["Retry-After"]) == (503, "10")

        async def free() -> bool:
            async with admin.session.get(
                f"{admin.url}/v1/events/tail", headers={"Authorization": f"Bearer {admin.token}"}
            ) as response:
                return response.status == 200

        await until(free)


async def test_an_open_tail_does_not_hold_up_the_end_of_the_process(gateway: Gateway) -> None:
    async with asyncio.timeout(10), serving(gateway) as nobody:  # the server would wait half a minute for it
        admin = nobody.being("root", "admin")
        open_tail = tailing(admin)
        await open_tail.__aenter__()
