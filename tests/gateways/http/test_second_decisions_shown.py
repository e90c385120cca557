"""What was decided after an event's arrival: the trace shows it behind the decisions on arrival."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from gateways.gateway import Gateway
from routing.digest_contents import DigestContents
from routing.people import People
from routing.preparing import Prepared, Preparing
from routing.retelling import Retelling
from routing.scheduler import Scheduler
from schemas.events.system import MilestoneReached
from tests.gateways.http.served import Caller
from tests.gateways.telling import MAIL, reachable, tell, tip
from tests.routing.house import FakeClock
from tests.routing.post import MAILS

LEASE = timedelta(minutes=1)
DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
ALWAYS_QUIET = {"enabled": True, "tz": "UTC", "windows": [{"days": DAYS, "from": "00:00", "to": "00:00"}]}


@pytest.fixture
async def ann(nobody: Caller) -> Caller:
    caller = nobody.being("ann")
    await caller.get("/v1/me")
    return caller


async def sending(gateway: Gateway) -> list[Prepared]:
    """Decide again about what is due; answers what is to be sent."""
    now, people = gateway.clock.now(), People()
    preparing = Preparing(Retelling(people, digests=DigestContents(people, gateway.clock)), MAILS)
    async with gateway.pool.acquire() as tx, tx.transaction():
        claimed = await gateway.notifying.deliveries.claim(
            tx, "test", "email", now, provider="resend", lease=LEASE, limit=10
        )
        return await preparing.prepare(tx, "test", claimed, now)


async def close(gateway: Gateway) -> None:
    """Send what is gathered on its way, a week later."""
    clock = FakeClock(gateway.clock.now() + timedelta(days=8))
    assert await Scheduler(gateway.pool, People(clock), clock).step() == 1
    await gateway.pool.execute("UPDATE deliveries SET due_at = now() WHERE digest_id IS NOT NULL")


async def decisions(admin: Caller, event: UUID) -> list[dict[str, Any]]:
    """Those about mail."""
    answered = await admin.get(f"/v1/events/{event}/trace")
    assert answered.status == 200, answered.body
    [told] = answered.json["notifications"]
    return [one for one in told["decisions"] if one["channel"] == "email"]


def chosen(shown: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(one["action"], one["reason"]) for one in shown]


async def read(caller: Caller) -> None:
    """Read the notification that changed last."""
    [latest, *_] = (await caller.get("/v1/me/notifications")).json["items"]
    assert (await caller.call("POST", f"/v1/me/notifications/{latest['id']}/read")).status == 200


def milestone(value: int) -> MilestoneReached:
    return MilestoneReached(id=uuid4(), user="ann", kind="followers", value=value)


async def test_the_mail_that_comes_too_soon_after_another_is_shown_as_gathered(
    ann: Caller, admin: Caller, gateway: Gateway
) -> None:
    endpoint = await reachable(gateway)
    first, second = await tell(gateway, tip()), await tell(gateway, tip(amount=700))
    assert len(await sending(gateway)) == 1
    assert chosen(await decisions(admin, first)) == [("send", "preferences")]
    [arrival, again] = await decisions(admin, second)
    due = await gateway.pool.fetchval("SELECT due_at FROM digests")
    assert (arrival["action"], arrival["until"]) == ("send", None)
    assert datetime.fromisoformat(again.pop("at")) >= datetime.fromisoformat(arrival["at"])
    assert again == {
        "channel": "email",
        "endpoint": str(endpoint),
        "address": "a…@example.com",
        "action": "digest",
        "reason": "email_spacing",
        "until": due.isoformat().replace("+00:00", "Z"),
    }
    assert MAIL not in str(again)


async def test_what_is_held_when_it_is_to_be_sent_says_until_when(
    ann: Caller, admin: Caller, gateway: Gateway
) -> None:
    await reachable(gateway)
    event = await tell(gateway, tip())
    await ann.call("PATCH", "/v1/me/preferences", json={"quiet_hours": ALWAYS_QUIET})
    assert await sending(gateway) == []
    shown = await decisions(admin, event)
    assert chosen(shown) == [("send", "preferences"), ("hold", "quiet_hours")]
    assert datetime.fromisoformat(shown[-1]["until"]) > gateway.clock.now()
    await gateway.pool.execute("UPDATE deliveries SET due_at = now()")
    assert await sending(gateway) == []
    shown = await decisions(admin, event)
    assert chosen(shown)[1:] == [("hold", "quiet_hours")] * 2
    assert [one["until"] is None for one in shown[1:]] == [True, False]


async def test_what_was_released_early_says_so_in_the_trace_and_the_history(
    ann: Caller, admin: Caller, gateway: Gateway
) -> None:
    async def way() -> dict[str, Any]:
        [item] = (await ann.get("/v1/me/history")).json["items"]
        [mail] = [one for one in item["ways"] if one["channel"] == "email"]
        return dict(mail)

    await reachable(gateway)
    await ann.call("PATCH", "/v1/me/preferences", json={"quiet_hours": ALWAYS_QUIET})
    event = await tell(gateway, tip())
    assert chosen(await decisions(admin, event)) == [("hold", "quiet_hours")]
    await ann.call("PATCH", "/v1/me/preferences", json={"locale": "de"})
    assert await sending(gateway) == []  # it is quiet still
    assert (await way())["reason"] == "quiet_hours"
    await ann.call("PATCH", "/v1/me/preferences", json={"quiet_hours": {"enabled": False}})
    released = "send", "preferences"
    assert len(await sending(gateway)) == 1
    shown = await decisions(admin, event)
    assert chosen(shown) == [("hold", "quiet_hours"), released, ("hold", "quiet_hours"), released]
    assert [one["until"] is None for one in shown] == [False, True, True, True]
    await gateway.pool.execute("UPDATE deliveries SET status = 'sent', reason = NULL")
    reached = await way()
    assert (reached["outcome"], reached["reason"], reached["until"]) == ("reached", released[1], None)
    trace = (await admin.get(f"/v1/events/{event}/trace")).json["notifications"][0]
    [delivery] = trace["deliveries"]
    assert [one["outcome"] for one in delivery["attempts"]] == ["released", "held", "released"]
    assert await gateway.pool.fetchval("SELECT attempts FROM deliveries") == 0


async def test_what_was_put_back_unsent_is_no_decision(ann: Caller, admin: Caller, gateway: Gateway) -> None:
    await reachable(gateway)
    event = await tell(gateway, tip())
    await gateway.pool.execute(
        "INSERT INTO delivery_attempts SELECT id, 1, now(), 'released', 'nobody was called' FROM deliveries"
    )
    assert chosen(await decisions(admin, event)) == [("send", "preferences")]


async def test_what_was_read_before_it_was_sent_is_shown_as_dropped(
    ann: Caller, admin: Caller, gateway: Gateway
) -> None:
    await reachable(gateway)
    event = await tell(gateway, tip())
    await read(ann)
    assert chosen(await decisions(admin, event)) == [("send", "preferences"), ("drop", "read_already")]
    # Once as a line of the record, and as before those were written.
    await gateway.pool.execute("DELETE FROM delivery_attempts")
    assert chosen(await decisions(admin, event)) == [("send", "preferences"), ("drop", "read_already")]


async def test_all_that_was_read_at_once_is_shown_as_dropped(
    ann: Caller, admin: Caller, gateway: Gateway
) -> None:
    await reachable(gateway)
    event = await tell(gateway, tip())
    assert (await ann.post("/v1/me/notifications/read-all")).status == 200
    assert chosen(await decisions(admin, event))[1:] == [("drop", "read_already")]


async def test_what_a_digest_does_not_tell_was_dropped_when_it_left(
    ann: Caller, admin: Caller, gateway: Gateway
) -> None:
    await reachable(gateway)
    told, seen = [await tell(gateway, milestone(value)) for value in (100, 1000)]
    await read(ann)
    await close(gateway)
    assert len(await sending(gateway)) == 1
    await gateway.pool.execute("UPDATE deliveries SET status = 'sent', sent_at = updated_at")
    assert chosen(await decisions(admin, told)) == [("digest", "digest")]
    assert chosen(await decisions(admin, seen)) == [("digest", "digest"), ("drop", "read_already")]


async def test_a_digest_that_is_held_holds_what_is_in_it(
    ann: Caller, admin: Caller, gateway: Gateway
) -> None:
    await reachable(gateway)
    event = await tell(gateway, milestone(100))
    await close(gateway)
    await ann.call("PATCH", "/v1/me/preferences", json={"quiet_hours": ALWAYS_QUIET})
    assert await sending(gateway) == []
    assert chosen(await decisions(admin, event)) == [("digest", "digest"), ("hold", "quiet_hours")]


async def test_a_digest_that_was_given_up_drops_what_is_in_it(
    ann: Caller, admin: Caller, gateway: Gateway
) -> None:
    await reachable(gateway)
    event = await tell(gateway, milestone(100))
    await ann.call("PATCH", "/v1/me/preferences", json={"digest": {"mode": "off"}})
    await close(gateway)
    assert chosen(await decisions(admin, event)) == [("digest", "digest"), ("drop", "digest_off")]
    exported = (await ann.get("/v1/me/export")).json["history"]
    assert [one for one in exported[0]["decisions"] if one["channel"] == "email"][-1]["action"] == "drop"


async def test_what_was_gathered_at_an_address_that_is_gone_waits_at_the_next_one(
    ann: Caller, admin: Caller, gateway: Gateway
) -> None:
    endpoint = await reachable(gateway)
    await tell(gateway, tip())
    event = await tell(gateway, tip(amount=700))
    await sending(gateway)
    await reachable(gateway, address="ann@example.org")
    assert (await ann.call("DELETE", f"/v1/me/endpoints/{endpoint}")).status == 204
    assert await gateway.pool.fetchval("SELECT count(*) FROM digests WHERE endpoint_id = $1", endpoint) == 0
    assert (await decisions(admin, event))[-1]["until"] is not None
    [latest, _] = (await ann.get("/v1/me/history")).json["items"]
    [way] = [one for one in latest["ways"] if one["channel"] == "email"]
    assert (way["outcome"], way["reason"]) == ("waiting", "email_spacing")
    assert way["until"] == (await decisions(admin, event))[-1]["until"]
