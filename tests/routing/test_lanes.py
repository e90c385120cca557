"""A lane that has to wait for tokens, while others find out about its provider."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from routing.ways import Way
from schemas.db import Pool
from schemas.store.providers import Gate, Providers
from tests.routing.house import House
from tests.routing.post import Post, tips
from tests.routing.scripted import TELEGRAM, Plain, Scripted, with_chat

DRY = (
    "INSERT INTO provider_state (provider, tokens, refilled_at)"
    " VALUES ('first', 1, clock_timestamp() + interval '1 hour')"
)
FULL = "UPDATE provider_state SET tokens = 1000, refilled_at = clock_timestamp() WHERE provider = 'first'"


@pytest.fixture
async def chats(database: str, pool: Pool) -> AsyncIterator[House]:
    house = await House(database, pool, channels=TELEGRAM).begin()
    await with_chat(house, "ann", "c-ann")
    await house.told(*tips(["ann"]))
    await pool.execute(DRY)
    yield house
    await house.end()


def pausing(way: Way, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it waits for tokens somebody else finds out that the provider takes nothing."""
    take = way.tokens

    async def tokens(gate: Gate) -> int:
        taken = await take(gate)
        if not taken:
            until = house.clock.now() + timedelta(hours=1)
            await Providers().pause(house.pool, "first", until, "quota: spent")
            await house.pool.execute(FULL)
        return taken

    monkeypatch.setattr(way, "tokens", tokens)


async def test_who_waited_for_tokens_calls_nobody_who_is_left_alone_by_now(
    chats: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    post = Post(chats, channel := Scripted(provider="first"), writer=Plain())
    pausing(post.first, chats, monkeypatch)
    await post.turn()
    assert channel.asked == []


async def test_who_waited_for_tokens_calls_the_second_where_the_first_is_left_alone_by_now(
    chats: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = Scripted(provider="first"), Scripted(provider="second")
    post = Post(chats, first, second, writer=Plain())
    pausing(post.first, chats, monkeypatch)
    await post.turn()
    assert (first.asked, second.asked) == ([], ["c-ann"])


async def test_a_probe_that_has_to_wait_for_tokens_goes_on_when_there_are_some(
    chats: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    post = Post(chats, channel := Scripted(provider="first"), writer=Plain())
    await chats.pool.execute("UPDATE provider_state SET failures = 5, opened_at = $1", chats.clock.now())
    chats.clock.goes_on(hours=1)
    take = post.first.tokens

    async def tokens(gate: Gate) -> int:
        taken = await take(gate)
        await chats.pool.execute(FULL)
        return taken

    monkeypatch.setattr(post.first, "tokens", tokens)
    await post.turn()
    assert channel.asked == ["c-ann"]
