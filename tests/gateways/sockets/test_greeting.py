"""Who may come in: one question for many, none for those who were just here, and no stale welcome."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import asyncpg
import pytest

from gateways.auth import Principal
from gateways.sockets.greeting import Greeter
from schemas.db import Pool, Source
from schemas.store.users import User, Users


def bearer(user: str, name: str | None = None) -> Principal:
    return Principal(
        id=user,
        scopes=frozenset({"user"}),
        name=name,
        tz=None,
        expires_at=datetime.max.replace(tzinfo=UTC),
        token_id="t",
    )


class Counting(Users):
    """Counts the questions."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.was_asked, self.may_answer = asyncio.Event(), asyncio.Event()
        self.may_answer.set()

    async def get_many(self, conn: Source, users: Sequence[str]) -> dict[str, User]:
        self.asked.append(sorted(users))
        found = await super().get_many(conn, users)
        self.was_asked.set()
        await self.may_answer.wait()
        return found


@pytest.fixture
def users() -> Counting:
    return Counting()


@pytest.fixture
def greeter(pool: Pool, users: Counting) -> Greeter:
    return Greeter(pool, users)


async def test_who_is_new_comes_to_exist_with_the_name_of_the_token(greeter: Greeter, pool: Pool) -> None:
    assert await greeter.welcomes(bearer("ann", "Ann"))
    user = await Users().get(pool, "ann")
    assert user is not None
    assert user.name == "Ann"


async def test_who_was_made_by_a_mention_gets_a_name_when_coming(greeter: Greeter, pool: Pool) -> None:
    assert await greeter.welcomes(bearer("ann"))
    assert await greeter.welcomes(bearer("ann", "Ann"))
    user = await Users().get(pool, "ann")
    assert user is not None
    assert user.name == "Ann"


async def test_those_who_come_together_are_asked_for_together_and_not_again(
    greeter: Greeter, users: Counting
) -> None:
    crowd = [bearer(f"u{n}") for n in range(50)]
    assert all(await asyncio.gather(*map(greeter.welcomes, crowd)))
    assert all(await asyncio.gather(*map(greeter.welcomes, crowd)))
    assert users.asked == [sorted(one.id for one in crowd)]


async def test_a_suspended_user_is_not_welcome_and_is_asked_for_each_time(
    greeter: Greeter, users: Counting, pool: Pool
) -> None:
    assert await greeter.welcomes(bearer("ann"))
    await users.suspend(pool, "ann")
    greeter.suspended("ann")
    assert not await greeter.welcomes(bearer("ann"))
    assert not await greeter.welcomes(bearer("ann"))
    assert users.asked == [["ann"]] * 3


async def test_an_answer_from_before_a_suspension_is_not_kept(
    greeter: Greeter, users: Counting, pool: Pool
) -> None:
    users.may_answer.clear()
    asking = asyncio.ensure_future(greeter.welcomes(bearer("ann")))
    await users.was_asked.wait()
    greeter.suspended("ann")
    users.may_answer.set()
    await asking
    await users.suspend(pool, "ann")
    assert not await greeter.welcomes(bearer("ann"))


async def test_after_a_break_in_the_log_nobodys_welcome_is_taken_for_granted(
    greeter: Greeter, users: Counting
) -> None:
    assert await greeter.welcomes(bearer("ann"))
    greeter.forget()
    assert await greeter.welcomes(bearer("ann"))
    assert users.asked == [["ann"]] * 2


async def test_a_welcome_ends_and_there_are_not_endlessly_many(
    greeter: Greeter, users: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateways.sockets.greeting.FRESH_S", 0.0)
    assert await greeter.welcomes(bearer("ann"))
    assert await greeter.welcomes(bearer("ann"))
    assert users.asked == [["ann"]] * 2
    monkeypatch.setattr("gateways.sockets.greeting.MOST_FRESH", 2)
    for n in range(5):
        assert await greeter.welcomes(bearer(f"u{n}"))
    assert len(greeter._welcome) <= 2


async def test_a_database_that_fails_is_told_to_all_who_asked_and_kept_for_nobody(
    greeter: Greeter, pool: Pool
) -> None:
    await pool.execute("ALTER TABLE users RENAME TO away")
    answers = await asyncio.gather(
        greeter.welcomes(bearer("ann")), greeter.welcomes(bearer("bob")), return_exceptions=True
    )
    assert [type(one) for one in answers] == [asyncpg.UndefinedTableError] * 2
    await pool.execute("ALTER TABLE away RENAME TO users")
    assert await greeter.welcomes(bearer("ann"))
