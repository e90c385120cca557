"""What a digest does is seen: in the trace, in one's history, among the deliveries."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from gateways.gateway import Gateway
from routing.consent import Scope
from routing.digest_contents import DigestContents
from routing.people import People
from routing.scheduler import Scheduler
from schemas.events.system import MilestoneReached
from tests.gateways.http.served import Caller
from tests.gateways.telling import reachable, tell
from tests.routing.house import FakeClock


@pytest.fixture
async def ann(nobody: Caller) -> Caller:
    caller = nobody.being("ann")
    await caller.get("/v1/me")
    return caller


def milestone(value: int = 100) -> MilestoneReached:
    return MilestoneReached(id=uuid4(), user="ann", kind="followers", value=value)


async def by_mail(caller: Caller) -> list[dict[str, Any]]:
    """How each event of my history came, or did not come, by mail."""
    items = (await caller.get("/v1/me/history")).json["items"]
    return [way for item in items for way in item["ways"] if way["channel"] == "email"]


async def close(gateway: Gateway) -> UUID:
    """A week later; answers the id of the digest's delivery."""
    clock = FakeClock(gateway.clock.now() + timedelta(days=8))
    assert await Scheduler(gateway.pool, People(clock), clock).step() == 1
    key: UUID = await gateway.pool.fetchval("SELECT id FROM deliveries WHERE digest_id IS NOT NULL")
    return key


async def test_what_is_gathered_waits_for_the_digest(ann: Caller, admin: Caller, gateway: Gateway) -> None:
    await reachable(gateway)
    event = await tell(gateway, milestone())
    due = await gateway.pool.fetchval("SELECT due_at FROM digests")
    [way] = await by_mail(ann)
    assert (way["outcome"], way["reason"], way["status"]) == ("waiting", "digest", None)
    assert way["until"] == due.isoformat().replace("+00:00", "Z")
    [told] = (await admin.get(f"/v1/events/{event}/trace")).json["notifications"]
    [mail] = [one for one in told["decisions"] if one["channel"] == "email"]
    assert (mail["action"], mail["reason"], mail["until"]) == ("digest", "digest", way["until"])
    assert told["deliveries"] == []


async def test_what_went_with_a_digest_shows_the_digests_delivery(
    ann: Caller, admin: Caller, gateway: Gateway
) -> None:
    endpoint = await reachable(gateway)
    events = [await tell(gateway, milestone(value)) for value in (100, 1000)]
    key = await close(gateway)
    digest = await gateway.pool.fetchval("SELECT id FROM digests")
    for event in events:
        [told] = (await admin.get(f"/v1/events/{event}/trace")).json["notifications"]
        [delivery] = told["deliveries"]
        assert (delivery["id"], delivery["digest_id"], delivery["endpoint"], delivery["status"]) == (
            str(key),
            str(digest),
            str(endpoint),
            "queued",
        )
    await gateway.pool.execute("UPDATE deliveries SET status = 'sent', sent_at = updated_at")
    assert [(way["outcome"], way["status"], way["until"]) for way in await by_mail(ann)] == [
        ("reached", "sent", None),
        ("reached", "sent", None),
    ]


async def test_what_was_read_before_the_digest_left_did_not_come_with_it(
    ann: Caller, gateway: Gateway
) -> None:
    await reachable(gateway)
    for value in (100, 1000):
        await tell(gateway, milestone(value))
    [latest, _] = (await ann.get("/v1/me/notifications")).json["items"]
    await ann.call("POST", f"/v1/me/notifications/{latest['id']}/read")
    await close(gateway)
    digest = await gateway.pool.fetchval("SELECT id FROM digests")
    async with gateway.pool.acquire() as tx, tx.transaction():
        await DigestContents(People(), gateway.clock).load(tx, [digest])
    await gateway.pool.execute("UPDATE deliveries SET status = 'sent', sent_at = updated_at")
    assert {(way["outcome"], way["reason"], way["status"]) for way in await by_mail(ann)} == {
        ("reached", "digest", "sent"),
        ("not", "read_already", None),
    }


async def test_what_was_read_waits_for_no_digest(ann: Caller, gateway: Gateway) -> None:
    await reachable(gateway)
    for value in (100, 1000):
        await tell(gateway, milestone(value))
    [latest, _] = (await ann.get("/v1/me/notifications")).json["items"]
    await ann.call("POST", f"/v1/me/notifications/{latest['id']}/read")
    [read, waiting] = await by_mail(ann)
    assert (read["outcome"], read["reason"], read["until"]) == ("not", "read_already", None)
    assert (waiting["outcome"], waiting["reason"]) == ("waiting", "digest")


async def test_a_digest_that_was_given_up_says_why(ann: Caller, gateway: Gateway) -> None:
    await reachable(gateway)
    await tell(gateway, milestone())
    await ann.call("PATCH", "/v1/me/preferences", json={"digest": {"mode": "off"}})
    await close(gateway)
    [way] = await by_mail(ann)
    assert (way["outcome"], way["reason"], way["status"]) == ("not", "digest_off", "dropped")


async def test_a_digest_is_listed_among_the_deliveries(ann: Caller, admin: Caller, gateway: Gateway) -> None:
    await reachable(gateway)
    await tell(gateway, milestone())
    key = await close(gateway)
    [listed] = (await admin.get("/v1/deliveries?topic=digest")).json["items"]
    assert (listed["id"], listed["event_id"], listed["notification_id"], listed["priority"]) == (
        str(key),
        None,
        None,
        "batch",
    )
    assert (await admin.get(f"/v1/deliveries/{key}")).json == listed


async def test_the_way_out_of_a_digest_says_what_it_ends(nobody: Caller, gateway: Gateway) -> None:
    token = gateway.notifying.links.token(Scope("email", "ann@example.com", "digest"))
    page = await nobody.get(f"/u/{token}")
    assert "Mails with your digest are sent to" in page.body.decode()
    assert "No more mails with your digest" in (await nobody.call("POST", f"/u/{token}")).body.decode()


async def test_a_changed_hour_moves_what_is_gathered(ann: Caller, service: Caller, gateway: Gateway) -> None:
    await reachable(gateway)
    await tell(gateway, milestone())

    async def due() -> str:
        return f"{await gateway.pool.fetchval('SELECT due_at FROM digests'):%H:%M}"

    assert await due() == "08:00"
    await ann.call("PATCH", "/v1/me/preferences", json={"digest": {"at": "19:30"}})
    assert await due() == "19:30"
    await ann.call("PUT", "/v1/me/preferences", json={"digest": {"mode": "daily", "at": "06:45"}})
    assert await due() == "06:45"
    await ann.call("PATCH", "/v1/me", json={"tz": "Asia/Kathmandu"})
    assert await due() == "01:00"
    await service.call("PUT", "/v1/users/ann", json={"tz": "Asia/Tokyo"})
    assert await due() == "21:45"
