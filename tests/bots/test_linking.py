"""What follows when people link their chat, give it up, block the bot, and come back."""

from datetime import timedelta

import pytest

from bots.linking import MOST_CHATS
from bots.updates import SAY_AGAIN
from bus.tasks import spawn
from schemas.ids import uuid7
from schemas.profile import Profile
from schemas.store.endpoints import Endpoints, NewEndpoint
from schemas.store.notifications import BUCKETS, LOCKS, Notifications
from schemas.store.telegram_links import LIFETIME
from schemas.store.users import Users
from tests.bots.robot import Robot
from tests.routing.gathered import gather, person, waiting
from tests.simulated_telegram import ANN
from tests.waiting import until

ACTIVE = ("ann", str(ANN), "active", None)


async def test_a_token_links_the_chat_to_the_person(robot: Robot) -> None:
    await Users().put(robot.pool, "ann", Profile(name="Ann <b>"))
    assert await robot.told(f"/start {await robot.token()}") == "linked"
    assert await robot.endpoints() == [ACTIVE]
    assert "the account of Ann <b> (ann):" in str(await robot.reply())


async def test_a_chat_is_shown_by_the_name_of_its_owner(robot: Robot) -> None:
    await robot.told(f"/start {await robot.token()}", username="ann_tg")
    assert await robot.pool.fetchval("SELECT name FROM endpoints") == "@ann_tg"


async def test_only_a_digest_of_a_token_is_kept(robot: Robot) -> None:
    token = await robot.token()
    kept = await robot.pool.fetchval("SELECT token_digest FROM telegram_links")
    assert token.encode() not in kept
    assert len(token) <= 64


async def test_a_token_works_once(robot: Robot) -> None:
    token = await robot.token()
    await robot.told(f"/start {token}")
    assert await robot.told(f"/start {token}", chat=7) == "used"
    assert "has been used" in str(await robot.reply())
    assert await robot.endpoints() == [ACTIVE]


async def test_who_presses_start_twice_is_told_that_all_is_well(robot: Robot) -> None:
    token = await robot.token()
    await robot.told(f"/start {token}")
    assert await robot.told(f"/start {token}") == "linked"
    assert await robot.reply() == "This chat is linked already."


async def test_a_token_works_for_ten_minutes(robot: Robot) -> None:
    first, second = await robot.token(), await robot.token()
    robot.clock.go(LIFETIME - timedelta(seconds=1))
    assert await robot.told(f"/start {first}") == "linked"
    robot.clock.go(timedelta(seconds=1))
    assert await robot.told(f"/start {second}") == "expired"
    assert "ten minutes" in str(await robot.reply())


@pytest.mark.parametrize("token", ["guessed", "x" * 500, "ä\ud83d", "a b"])
async def test_an_unknown_token_links_nothing(robot: Robot, token: str) -> None:
    await robot.token()
    assert await robot.told(f"/start {token}") == "unknown"
    assert "do not know this link" in str(await robot.reply())
    assert await robot.endpoints() == []


async def test_a_token_shown_in_a_group_is_worth_nothing_any_more(robot: Robot) -> None:
    token = await robot.token()
    assert await robot.told(f"/start {token}", chat=-5, kind="group") == "exposed"
    assert "private chat" in str(await robot.reply())
    assert await robot.told(f"/start {token}") == "used"
    assert await robot.endpoints() == []


@pytest.mark.parametrize("text", ["/start", "/stop", "hello"])
async def test_what_else_is_said_in_a_group_is_left_alone(robot: Robot, text: str) -> None:
    assert await robot.told(text, chat=-5, kind="supergroup") == "ignored"
    assert await robot.reply() is None


async def test_a_chat_stays_with_its_owner_until_they_stop(robot: Robot) -> None:
    await Users().put(robot.pool, "bob", Profile(name="Ann"))
    await robot.linked("bob")
    token = await robot.token()
    assert await robot.told(f"/start {token}") == "occupied"
    assert "the account of Ann (bob)." in str(await robot.reply())
    assert await robot.endpoints() == [("bob", str(ANN), "active", None)]
    assert await robot.told("/stop") == "stopped"
    assert await robot.told(f"/start {token}") == "linked"  # it was left as it was
    assert await robot.endpoints() == [ACTIVE, ("bob", str(ANN), "retired", "stopped")]


async def test_a_person_has_so_many_chats(robot: Robot) -> None:
    for chat in range(1, MOST_CHATS + 1):
        await robot.linked(chat=chat)
    token = await robot.token()
    assert await robot.told(f"/start {token}", chat=99) == "full"
    assert "5 chats already" in str(await robot.reply())
    await robot.linked(chat=1)  # one that is theirs already takes no room
    await robot.told("/stop", chat=1)
    assert await robot.told(f"/start {token}", chat=99) == "linked"


async def test_a_token_is_kept_nowhere_once_it_was_shown(robot: Robot) -> None:
    token = await robot.token()
    for chat, kind in ((7, "private"), (-5, "group")):
        await robot.told(f"/start@hub_simulated_bot {token}", chat=chat, kind=kind)
    texts = await robot.pool.fetch("SELECT body #>> '{message,text}' AS text FROM telegram_updates")
    assert {row["text"] for row in texts} == {"/start@hub_simulated_bot"}
    await robot.told("what is this?")
    assert (
        await robot.pool.fetchval(
            "SELECT count(*) FROM telegram_updates WHERE body #>> '{message,text}' = 'what is this?'"
        )
        == 1
    )


async def test_linking_again_keeps_the_id(robot: Robot) -> None:
    await robot.linked()
    before = await robot.pool.fetchval("SELECT id FROM endpoints")
    await robot.told("/stop")
    await robot.linked()
    assert await robot.pool.fetchval("SELECT id FROM endpoints") == before
    assert await robot.endpoints() == [ACTIVE]


async def test_stop_ends_it_and_only_a_new_link_begins_it_again(robot: Robot) -> None:
    await robot.linked()
    assert await robot.told("/stop") == "stopped"
    assert await robot.endpoints() == [("ann", str(ANN), "retired", "stopped")]
    assert await robot.consent() == [(False, "keyword")]
    assert await robot.told("/start") == "explained"
    assert (await robot.endpoints())[0][2] == "retired"
    await robot.linked()
    assert await robot.consent() == [(False, "keyword"), (True, "keyword")]


async def test_stop_where_nothing_is_linked_changes_nothing(robot: Robot) -> None:
    assert await robot.told("/stop") == "stopped"
    assert "not linked" in str(await robot.reply())
    assert await robot.consent() == []


async def test_a_stop_counts_that_overtakes_the_start(robot: Robot) -> None:
    assert await robot.told("/STOP", number=12) == "stopped"
    assert await robot.told(f"/start {await robot.token()}", number=11) == "overtaken"
    assert await robot.endpoints() == []


async def test_start_alone_explains(robot: Robot) -> None:
    assert await robot.told("/start") == "explained"
    assert "press Connect Telegram" in str(await robot.reply())
    await robot.linked()
    robot.clock.go(SAY_AGAIN)
    assert await robot.told("what is this?") == "explained"
    assert "come to this chat" in str(await robot.reply())


async def test_who_blocks_the_bot_is_left_alone_until_they_take_it_back(robot: Robot) -> None:
    await robot.linked()
    assert await robot.member("member", "kicked") == "blocked"
    assert await robot.endpoints() == [("ann", str(ANN), "retired", "blocked")]
    assert await robot.consent() == [(False, "blocked")]
    assert await robot.member("kicked", "member") == "unblocked"
    assert await robot.endpoints() == [ACTIVE]
    assert await robot.consent() == [(False, "blocked"), (True, "unblocked")]


async def test_taking_back_a_block_does_not_take_back_stop(robot: Robot) -> None:
    await robot.linked()
    await robot.told("/stop")
    await robot.member("member", "kicked")
    await robot.member("kicked", "member")
    assert await robot.endpoints() == [("ann", str(ANN), "retired", "stopped")]
    assert await robot.consent() == [(False, "keyword")]


async def test_a_block_taken_back_counts_for_who_had_the_chat_last(robot: Robot) -> None:
    await robot.linked("bob")
    await robot.member("member", "kicked")
    robot.clock.go(timedelta(hours=1))
    await robot.linked("ann")
    await robot.member("member", "kicked")
    await robot.member("kicked", "member")
    assert await robot.endpoints() == [ACTIVE, ("bob", str(ANN), "retired", "blocked")]


async def test_the_bot_speaks_the_language_of_the_chat(robot: Robot) -> None:
    await robot.told("/start", language="de-AT")
    german = await robot.reply()
    robot.clock.go(SAY_AGAIN)
    await robot.told("/start", language="xx")
    assert german
    assert german != await robot.reply()


async def gathered(robot: Robot) -> str:
    """Where ann's one open digest is to leave."""
    found: str = await robot.pool.fetchval(
        "SELECT e.address FROM digests d JOIN endpoints e ON e.id = d.endpoint_id WHERE d.state = 'open'"
    )
    return found


async def test_what_is_gathered_follows_the_person_to_their_chats(robot: Robot) -> None:
    mail = await person(robot.pool, "ann", digest={"channel": "telegram"})
    now = robot.clock.now()
    await gather(robot.pool, now, [waiting("ann", "email", mail, now + timedelta(days=1))])
    await robot.linked()
    assert await gathered(robot) == str(ANN)
    await robot.linked(chat=7)
    assert await gathered(robot) == str(ANN)
    await robot.member("member", "kicked")
    assert await gathered(robot) == "7"
    await robot.told("/stop", chat=7)
    assert await gathered(robot) == "7"  # there is nowhere else
    await robot.member("kicked", "member")
    assert await gathered(robot) == str(ANN)
    await robot.linked(chat=8)
    await robot.told("/stop")
    assert await gathered(robot) == "8"


CROSSED = """
WITH u AS (SELECT u AS name, abs(hashtext(u) % $1) AS bucket FROM unnest($2::text[]) AS u)
SELECT a.name AS first, a.bucket, b.name AS second
FROM u a JOIN u b ON a.name < b.name AND a.bucket > b.bucket LIMIT 1
"""
WAITING = """
SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
               AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
"""


async def test_inboxes_of_all_whose_chat_it_is_are_taken_in_the_order_of_everybody(robot: Robot) -> None:
    pool = robot.pool
    crossed = await pool.fetchrow(CROSSED, BUCKETS, ["ann", "bob", "cleo", "dan", "eve"])
    assert crossed
    for user in (crossed["first"], crossed["second"]):
        endpoint = NewEndpoint(id=uuid7(), user_id=user, channel="telegram", address=str(ANN), state="active")
        await Endpoints().put(pool, endpoint, robot.clock.now())
    async with pool.acquire() as busy, busy.transaction():
        await Notifications().seize(busy, crossed["second"])
        stopping = spawn(robot.told("/stop"), name="stopping")
        await until(lambda: pool.fetchval(WAITING))
        free = "SELECT pg_try_advisory_xact_lock($1, $2)"
        assert await pool.fetchval(free, LOCKS, crossed["bucket"])
    assert await stopping == "stopped"
