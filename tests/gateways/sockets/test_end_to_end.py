"""From the outbox through relay, stream and gateway to the stock client, on real servers."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from bus.appender import Appender
from bus.base import Bus
from bus.outbox import Outbox
from bus.partitions import agree
from bus.push_log import PushTail
from bus.redis_streams import RedisBus
from bus.relay import Relay, RelayConfig
from bus.signals import Signals
from bus.tasks import cancel, spawn
from bus.viewers import ViewerCounts
from gateways.app import create_app
from gateways.gateway import Gateway
from schemas.db import Pool
from schemas.events.base import Event
from schemas.events.content import ContentCreated
from schemas.events.hours import HoursTipped
from tests.gateways.sockets.basics import Runner
from tests.gateways.sockets.conftest import token_of
from tests.jsclient import JsClient
from tests.waiting import until

PARTITIONS = 2


@pytest.fixture
async def real_bus(redis_url: str) -> AsyncIterator[Bus]:
    made = RedisBus(redis_url, prefix="test")
    yield made
    await made.close()


@pytest.fixture
async def relaying(database: str, pool: Pool, real_bus: Bus) -> AsyncIterator[None]:
    async with pool.acquire() as tx, tx.transaction():
        await agree(tx, PARTITIONS)
    appender = Appender(real_bus, pool, partitions=PARTITIONS, groups=[], window_s=120)
    task = spawn(Relay(database, appender, RelayConfig(partitions=PARTITIONS)).run(), name="relay")
    yield
    await cancel(task)


@pytest.fixture
async def url(gateway: Gateway, real_bus: Bus, relaying: None) -> AsyncIterator[str]:
    """The whole application, following the real stream."""
    push = PushTail(real_bus, gateway.pool)
    signals, viewers = Signals(real_bus), ViewerCounts(real_bus, "test")
    app = create_app(replace(gateway, push=push, signals=signals, viewers=viewers))
    runner = await Runner.start(app)

    async def follows() -> bool:
        return push.position is not None

    await until(follows)
    yield runner.url
    await runner.cleanup()


async def publish(pool: Pool, *events: Event) -> None:
    outbox = Outbox(pool)
    async with pool.acquire() as tx, tx.transaction():
        await outbox.add(tx, *events)
    outbox.wake()


async def test_an_event_reaches_its_rooms_once_and_nobody_else(url: str, js: JsClient, pool: Pool) -> None:
    ann, bob = [
        {
            name: await js.connect(url, name, token_of(user), manager=user)
            for name in ("/feed", "/notifications")
        }
        for user in ("ann", "bob")
    ]
    await ann["/feed"].emit("subscribe", {"zones": ["z1"]})
    post = ContentCreated(content_id="c1", author="bob", kind="post", title="Hi", zone="z1", actor="bob")
    tip = HoursTipped(to="ann", amount=500, actor="bob", note="thanks")
    await publish(pool, post, tip)
    tipped = await ann["/notifications"].next("event")
    created = await ann["/feed"].next("event")
    assert (tipped["name"], created["name"]) == ("hours.tipped", "content.created")
    (packet,) = tipped["args"]
    assert (packet["id"], packet["type"], packet["subject"]) == (str(tip.id), "hours.tipped", tip.subject)
    assert packet["data"] == {"to": "ann", "amount": 500, "note": "thanks"}
    assert packet["actor"] == "bob"
    # One more event to all, so that whatever came before has come by now.
    await publish(pool, ContentCreated(content_id="c2", author="bob", kind="post", title="Last", actor="bob"))
    for person in (ann, bob):
        while (await person["/feed"].next("event"))["args"][0]["data"]["content_id"] != "c2":
            pass
    assert [name for name, _ in ann["/feed"].events] == ["content.created"] * 2
    assert bob["/notifications"].events == []


async def test_a_suspension_in_the_log_cuts_the_user_off(
    url: str, js: JsClient, gateway: Gateway, pool: Pool
) -> None:
    mallory = await js.connect(url, "/notifications", token_of("mallory"))
    async with pool.acquire() as tx, tx.transaction():
        await gateway.users.suspend(tx, "mallory")
        await gateway.outbox.control(tx, "suspend", "mallory")
    gateway.outbox.wake()
    assert (await mallory.next("disconnect"))["reason"] == "io server disconnect"
    await mallory.again()
    assert (await mallory.next("connect_error"))["data"] == {"code": "forbidden"}


async def test_viewers_are_counted_through_the_real_bus(url: str, js: JsClient) -> None:
    ann = await js.connect(url, "/live", token_of("ann"))
    assert await ann.emit("join", {"stream_id": "s1"}) == {"ok": True, "viewers": 1}
    signal = await ann.next("event")
    assert (signal["name"], signal["args"]) == ("live.viewers", [{"stream_id": "s1", "count": 1}])
