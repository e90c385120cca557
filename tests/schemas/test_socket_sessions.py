"""Rows of socket sessions: whose they are, how they change hands, and when they are gone."""

import asyncio
from dataclasses import replace

import pytest

from schemas.db import Pool
from schemas.store.socket_sessions import SocketSession, SocketSessions, Wanted

WINDOW_S = 100.0
SESSION = SocketSession(
    pid="p", sid="s", namespace="/feed", user="ann", rooms={"feed": 5, "zone:é": 7}, as_of=10, heard=8
)
WANTED = Wanted(pid="p", namespace="/feed", user="ann")
LEFT = replace(SESSION, connected=False)


@pytest.fixture
def here(pool: Pool) -> SocketSessions:
    return SocketSessions(pool, "here", WINDOW_S)


@pytest.fixture
def there(pool: Pool) -> SocketSessions:
    return SocketSessions(pool, "there", WINDOW_S)


async def age(pool: Pool, seconds: float) -> None:
    """Let time go by: everything happened longer ago."""
    await pool.execute("UPDATE gateways SET seen_at = seen_at - make_interval(secs => $1)", seconds)
    await pool.execute("UPDATE socket_sessions SET left_at = left_at - make_interval(secs => $1)", seconds)


async def test_who_left_is_taken_over_as_it_was(here: SocketSessions, there: SocketSessions) -> None:
    assert await here.begin([SESSION]) == {"p"}
    assert await here.save([LEFT]) == {"p"}
    assert await there.take([WANTED]) == {"p": LEFT}


async def test_of_a_killed_gateway_the_rooms_are_known_up_to_where_it_was_seen(
    here: SocketSessions, there: SocketSessions
) -> None:
    await here.begin([SESSION])
    assert await there.take([WANTED]) == {}, "nobody knows whether that gateway ever lived"
    await here.seen(25)
    # What there was for these rooms between 10 and 25 is not known to its row.
    assert await there.take([WANTED]) == {"p": replace(LEFT, as_of=25, heard=25)}
    assert await there.take([WANTED]) == {"p": replace(LEFT, as_of=25, heard=25)}


async def test_an_older_word_of_a_killed_gateway_takes_nothing_back(
    here: SocketSessions, there: SocketSessions
) -> None:
    await here.seen(3)
    await here.begin([SESSION])
    assert (await there.take([WANTED]))["p"].as_of == 10


async def test_what_a_gateway_says_of_a_session_it_lost_is_not_heard(
    here: SocketSessions, there: SocketSessions
) -> None:
    await here.begin([SESSION])
    await here.seen(10)
    await there.take([WANTED])
    later = replace(SESSION, rooms={"feed": 5, "zone:z": 12}, as_of=20, heard=12)
    assert await there.save([later]) == {"p"}
    for word in (SESSION, LEFT):
        assert await here.save([word]) == set()
        assert await here.begin([word]) == set()
    await here.end(["p"])
    await there.seen(20)
    assert await here.take([WANTED]) == {"p": replace(later, connected=False, as_of=20, heard=20)}


async def test_a_row_that_is_gone_is_not_made_again_by_saving(here: SocketSessions) -> None:
    assert await here.save([SESSION]) == set()
    assert await here.take([WANTED]) == {}


async def test_beginning_may_be_repeated(here: SocketSessions, there: SocketSessions) -> None:
    assert await here.begin([SESSION]) == {"p"}
    assert await here.begin([LEFT]) == {"p"}
    assert await there.take([WANTED]) == {"p": LEFT}


@pytest.mark.parametrize(
    "other",
    [replace(WANTED, pid="x"), replace(WANTED, namespace="/live"), replace(WANTED, user="bob")],
    ids=["pid", "namespace", "user"],
)
async def test_nobody_takes_what_does_not_fit(
    here: SocketSessions, there: SocketSessions, other: Wanted
) -> None:
    await here.begin([LEFT])
    assert await there.take([other]) == {}
    assert await here.save([LEFT]) == {"p"}, "it was not even touched"


async def test_after_the_window_nobody_comes_back(
    here: SocketSessions, there: SocketSessions, pool: Pool
) -> None:
    await here.begin([LEFT, replace(SESSION, pid="q")])
    await here.seen(10)
    both = [WANTED, replace(WANTED, pid="q")]
    await age(pool, WINDOW_S + 1)
    assert await there.take(both) == {}


async def test_who_left_for_good_cannot_come_back_anywhere(
    here: SocketSessions, there: SocketSessions
) -> None:
    await here.begin([LEFT])
    await here.end(["p"])
    assert await there.take([WANTED]) == {}
    assert await here.take([WANTED]) == {}
    assert await here.save([LEFT]) == set()
    assert await here.begin([LEFT]) == set()


async def test_the_sweep_takes_what_nobody_can_come_back_to(
    here: SocketSessions, there: SocketSessions, pool: Pool
) -> None:
    await here.begin([replace(SESSION, pid="of the dead")])
    await here.seen(1)
    await there.begin([replace(LEFT, pid="long gone")])
    await age(pool, 2 * WINDOW_S + 1)
    await there.seen(1)
    await there.begin([replace(SESSION, pid="here"), replace(LEFT, pid="just gone")])
    await there.sweep()
    rows = await pool.fetch("SELECT pid FROM socket_sessions ORDER BY pid")
    assert [row["pid"] for row in rows] == ["here", "just gone"]
    await there.sweep()
    assert await pool.fetchval("SELECT array_agg(id) FROM gateways") == ["there"]


async def test_the_sweep_waits_for_nobody_and_forgets_nothing(
    here: SocketSessions, there: SocketSessions, pool: Pool
) -> None:
    await here.begin([SESSION, replace(SESSION, pid="q"), replace(LEFT, pid="r")])
    await here.seen(1)
    await age(pool, 2 * WINDOW_S + 1)
    async with pool.acquire() as tx, tx.transaction():
        await tx.execute("SELECT FROM socket_sessions WHERE pid = 'p' FOR UPDATE")
        async with asyncio.timeout(10):
            await there.sweep()
            await there.sweep()
    assert await pool.fetchval("SELECT array_agg(pid) FROM socket_sessions") == ["p"]
    await there.sweep()
    assert await pool.fetchval("SELECT count(*) FROM socket_sessions") == 0
    await there.sweep()
    assert await pool.fetchval("SELECT count(*) FROM gateways") == 0


async def test_two_gateways_that_want_the_same_sessions_do_not_lock_each_other_out(
    here: SocketSessions, there: SocketSessions
) -> None:
    sessions = [replace(LEFT, pid=f"p{n}") for n in range(300)]
    await here.begin(sessions)
    wanted = [replace(WANTED, pid=one.pid) for one in sessions]
    for _ in range(5):
        _, taken, _ = await asyncio.gather(
            here.save(sessions[::-1]), there.take(wanted), here.end([one.pid for one in sessions[::3]])
        )
        await asyncio.gather(here.take(wanted[::-1]), there.save(list(taken.values())))
