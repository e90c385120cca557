"""What is decided just before digests and codes go out, and what is counted of it."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Literal
from uuid import UUID

import pytest

from bus.telemetry import ATTEMPTS, DECISIONS
from routing.decide import decide_code, decide_digest
from routing.model import Code, Decision, Digest, DigestItem, Endpoint, Recipient
from routing.preferences import Preferences
from schemas.db import Connection, Pool
from schemas.ids import uuid7
from schemas.store.deliveries import Deliveries, NewDelivery
from tests.routing.house import House
from tests.routing.post import Post, statuses
from tests.routing.scripted import TELEGRAM, Plain, Scripted, with_chat

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
MAIL = Endpoint(id=uuid7(), channel="email", address="ann@example.com")
ITEM = DigestItem(
    topic="likes", title="Bob liked", text=None, url=None, at=NOW, count=1, notification_id=uuid7()
)
NIGHT = {
    "enabled": True,
    "tz": "UTC",
    "windows": [{"days": ["mon"], "from": "11:00", "to": "13:00"}],
}


def digest(
    kind: Literal["scheduled", "spacing"] = "scheduled", items: Sequence[DigestItem] = (ITEM,)
) -> Digest:
    return Digest(id=uuid7(), kind=kind, items=tuple(items), mode="daily")


def person(**more: object) -> Recipient:
    told: dict[str, object] = {"preferences": Preferences(), "endpoints": (MAIL,), **more}
    return Recipient(user="ann", **told)  # type: ignore[arg-type]  # as the tests name them


def chosen(decision: Decision) -> tuple[str, str]:
    return decision.action, decision.reason


def test_a_digest_that_is_still_wanted_is_sent() -> None:
    assert chosen(decide_digest(digest(), person(), MAIL, NOW)) == ("send", "preferences")


@pytest.mark.parametrize(
    ("what", "to", "reason"),
    [
        (digest(items=()), person(), "read_already"),
        (replace(digest(items=()), left_out="muted"), person(), "muted"),
        (digest(), person(suspended=True), "blocked"),
        (
            digest(),
            person(preferences=Preferences.model_validate({"channels": {"email": {"enabled": False}}})),
            "channel_off",
        ),
        (digest(), person(refused={MAIL.id: frozenset({""})}), "unsubscribed"),
        (digest(), person(refused={MAIL.id: frozenset({"digest"})}), "unsubscribed"),
        (digest(), person(endpoints=()), "no_endpoint"),
    ],
)
def test_a_digest_is_dropped_for_a_reason(what: Digest, to: Recipient, reason: str) -> None:
    assert chosen(decide_digest(what, to, MAIL, NOW)) == ("drop", reason)


def test_a_mail_that_was_put_off_is_not_the_digest_somebody_unsubscribed_from() -> None:
    to = person(refused={MAIL.id: frozenset({"digest"})})
    assert chosen(decide_digest(digest("spacing"), to, MAIL, NOW)) == ("send", "preferences")


def test_a_digest_waits_for_quiet_hours_to_end() -> None:
    to = person(preferences=Preferences.model_validate({"quiet_hours": NIGHT}))
    held = decide_digest(digest(), to, MAIL, NOW)
    assert (*chosen(held), held.until) == ("hold", "quiet_hours", NOW + timedelta(hours=1))


def test_what_is_let_through_at_night_is_so_when_its_mail_was_put_off() -> None:
    to = person(preferences=Preferences.model_validate({"quiet_hours": NIGHT | {"allow_immediate": True}}))
    tip = replace(ITEM, topic="tips")
    assert chosen(decide_digest(digest("spacing", [ITEM, tip]), to, MAIL, NOW)) == ("send", "preferences")
    assert chosen(decide_digest(digest("spacing", [ITEM]), to, MAIL, NOW)) == ("hold", "quiet_hours")
    assert chosen(decide_digest(digest("scheduled", [tip]), to, MAIL, NOW)) == ("hold", "quiet_hours")


def test_only_a_mail_that_was_put_off_keeps_its_distance() -> None:
    to = person(mailed_at=NOW - timedelta(minutes=10))
    held = decide_digest(digest("spacing"), to, MAIL, NOW)
    assert (*chosen(held), held.until) == ("hold", "email_spacing", NOW + timedelta(minutes=50))
    assert chosen(decide_digest(digest(), to, MAIL, NOW)) == ("send", "preferences")


def test_a_code_goes_out_until_it_ends() -> None:
    code = Code(id=uuid7(), channel="email", said="https://hub.example.com/verify/x", expires_at=NOW)
    assert chosen(decide_code(code, MAIL, NOW - timedelta(seconds=1))) == ("send", "preferences")
    assert chosen(decide_code(code, MAIL, NOW)) == ("drop", "expired")


def test_a_code_shows_itself_in_no_log() -> None:
    assert "123456" not in repr(Code(id=uuid7(), channel="sms", said="123456", expires_at=NOW))


class KnownDigests(dict[UUID, Digest]):
    async def load(self, _tx: Connection, _ids: Sequence[UUID]) -> dict[UUID, Digest]:
        return self


class KnownCodes(dict[UUID, Code]):
    async def load(self, _tx: Connection, _ids: Sequence[UUID]) -> dict[UUID, Code]:
        return self


@pytest.fixture
async def chats(database: str, pool: Pool) -> AsyncIterator[House]:
    house = await House(database, pool, channels=TELEGRAM).begin()
    await pool.execute("INSERT INTO users (id) VALUES ('ann')")
    await with_chat(house, "ann", "c-ann")
    yield house
    await house.end()


async def queue(house: House, **of: UUID) -> None:
    endpoint = await house.pool.fetchval("SELECT id FROM endpoints")
    new = NewDelivery(
        id=uuid7(), user_id="ann", topic="digest", priority=2, channel="telegram", endpoint_id=endpoint,
        address="c-ann", status="queued", due_at=house.clock.now(), created_at=house.clock.now(),
        digest_id=of.get("digest"), verification_id=of.get("verification"),
    )  # fmt: skip
    async with house.pool.acquire() as tx, tx.transaction():
        await Deliveries().insert(tx, [new])


async def test_a_digest_is_sent_and_counted(chats: House) -> None:
    one = digest()
    await queue(chats, digest=one.id)
    post = Post(
        chats, channel := Scripted(provider="d1"), writer=Plain(), digests=KnownDigests({one.id: one})
    )
    before = _value(DECISIONS, ("sending", "telegram", "send", "preferences"))
    await post.empty()
    assert channel.texts == ["1 things"]
    assert await statuses(chats.pool) == {"ann": ("sent", None)}
    assert _value(ATTEMPTS, ("telegram", "d1", "accepted")) == 1
    assert _value(DECISIONS, ("sending", "telegram", "send", "preferences")) == before + 1


async def test_a_digest_that_is_forgotten_is_dropped(chats: House) -> None:
    await queue(chats, digest=uuid7())
    await Post(chats, Scripted(), writer=Plain(), digests=KnownDigests()).empty()
    assert await statuses(chats.pool) == {"ann": ("dropped", "expired")}


async def test_a_code_goes_to_an_endpoint_that_is_not_in_use_yet(chats: House) -> None:
    await chats.pool.execute("UPDATE endpoints SET state = 'pending'")
    code = Code(
        id=uuid7(), channel="telegram", said="123456", expires_at=chats.clock.now() + timedelta(minutes=5)
    )
    await queue(chats, verification=code.id)
    post = Post(chats, channel := Scripted(), writer=Plain(), codes=KnownCodes({code.id: code}))
    await post.empty()
    assert (channel.texts, channel.asked) == (["123456"], ["c-ann"])


async def test_a_code_that_nobody_waits_for_is_dropped(chats: House) -> None:
    await queue(chats, verification=uuid7())
    await Post(chats, Scripted(), writer=Plain(), codes=KnownCodes()).empty()
    assert await statuses(chats.pool) == {"ann": ("dropped", "no_endpoint")}


def _value(counter: object, labels: tuple[str, ...]) -> float:
    found: float = counter.labels(*labels)._value.get()  # type: ignore[attr-defined]  # as the library keeps it
    return found
