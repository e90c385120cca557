"""SMS all the way round: sent by a lane, told of by Twilio, and heard at the hub's own door."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

import pytest

from bus.memory import MemoryBus
from ops.simulators.base import Mode
from routing.writers.sms import SmsConfig, SmsWriter
from schemas.db import Pool
from schemas.profile import Profile
from schemas.store.consent import ConsentLedger
from schemas.store.users import Users
from tests.gateways.http.served import gateway_on, serving
from tests.routing.house import House
from tests.routing.post import Post, attempts, statuses, tips
from tests.simulated_twilio import ANN, TOKEN, Twilio, sms_at, twilio_simulated
from tests.waiting import until


@dataclass
class Round:
    """A lane, the hub's doors, and Twilio between them."""

    post: Post
    twilio: Twilio

    async def tipped(self) -> None:
        await self.post.house.told(*tips(["ann"]))
        await self.post.empty()

    async def status(self) -> tuple[str, str | None]:
        return (await statuses(self.post.pool))["ann"]

    async def becomes(self, status: str) -> None:
        async def is_so() -> bool:
            return (await self.status())[0] == status

        await until(is_so)

    async def refused(self) -> bool:
        return bool(await ConsentLedger().refused(self.post.pool, [("sms", ANN)]))


@pytest.fixture
async def all_round(database: str, pool: Pool) -> AsyncIterator[Round]:
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(gateway_on(database, pool, MemoryBus()))
        config = replace(gateway.config, webhook_secrets={"twilio": TOKEN})
        hub = await stack.enter_async_context(serving(replace(gateway, config=config)))
        twilio = await stack.enter_async_context(twilio_simulated(hub_url=hub.url))
        house = await House(database, pool, channels=["sms"]).begin()
        stack.push_async_callback(house.end)
        channel = sms_at(twilio.url, house.clock, call_s=1.5, hub_url=hub.url)
        stack.push_async_callback(channel.close)
        await Users().put(pool, "ann", Profile(phone=ANN))
        wanted = {"channels": {"sms": {"enabled": True}}}
        await pool.execute("INSERT INTO preferences (user_id, document) VALUES ('ann', $1)", wanted)
        writer = SmsWriter(SmsConfig(public_url="https://hub.example.com"))
        yield Round(Post(house, channel, writer=writer), twilio)


@pytest.mark.parametrize(("mode", "first"), [("ok", "accepted"), ("timeout_after", "ambiguous")])
async def test_what_became_of_it_is_known_in_the_end_even_if_the_answer_was_lost(
    all_round: Round, mode: Mode, first: str
) -> None:
    all_round.twilio.behave(mode, ANN)
    await all_round.tipped()
    await all_round.becomes("delivered")
    assert (await all_round.status())[1] is None
    assert first in await attempts(all_round.post.pool, "ann")
    assert len(all_round.twilio.messages) == 1


async def test_what_was_never_taken_stays_unknown_and_is_not_repeated(all_round: Round) -> None:
    all_round.twilio.behave("timeout", ANN, times=1)
    await all_round.tipped()
    all_round.post.house.clock.goes_on(hours=5)
    await all_round.post.empty()
    assert await all_round.status() == ("unknown", "ambiguous")
    assert all_round.twilio.messages == []


async def test_a_number_that_opted_out_there_is_opted_out_here(all_round: Round) -> None:
    all_round.twilio.simulator.opted_out.add(ANN)
    await all_round.tipped()
    assert await all_round.status() == ("failed", "opted_out")
    assert await all_round.refused()
    assert await all_round.post.pool.fetchval("SELECT state FROM endpoints") == "active"


async def test_who_says_stop_is_sent_nothing_until_they_say_start(all_round: Round) -> None:
    simulator = all_round.twilio.simulator
    await simulator.inbound({"from": ANN, "text": "STOP"})
    assert await all_round.refused()
    await all_round.tipped()
    assert await all_round.post.pool.fetchval("SELECT count(*) FROM deliveries") == 0
    await simulator.inbound({"from": ANN, "text": "START"})
    assert not await all_round.refused()
    await all_round.tipped()
    await all_round.becomes("delivered")


async def test_stop_is_in_time_for_what_waits(all_round: Round) -> None:
    await all_round.post.house.told(*tips(["ann"]))
    await all_round.twilio.simulator.inbound({"from": ANN, "text": "STOP"})
    await all_round.post.empty()
    assert await all_round.status() == ("dropped", "unsubscribed")
    assert all_round.twilio.messages == []
