"""What the bot answers: at most once, at the pace of the channel, later where Telegram wants that."""

import asyncio

import pytest

from bots.replies import AGAIN, STALE
from bots.updates import SAY_AGAIN
from bus.tasks import spawn
from ops.simulators.base import Mode
from tests.bots.robot import Robot
from tests.simulated_telegram import ANN, Telegram


async def test_an_answer_is_said_once(robot: Robot, telegram: Telegram) -> None:
    await robot.linked()
    await robot.answer()
    await robot.answer()
    (said,) = telegram.messages
    assert (said.address, said.text) == (str(ANN), await robot.reply())
    assert said.raw["entities"] == []


@pytest.mark.parametrize("mode", ["quota", "down", "flaky"])
async def test_what_was_not_taken_is_said_later(robot: Robot, telegram: Telegram, mode: Mode) -> None:
    telegram.behave(mode, str(ANN), times=1)
    await robot.told("/start")
    await robot.answer()
    assert telegram.messages == []
    robot.clock.go(AGAIN)
    await robot.answer()
    assert len(telegram.messages) == 1


@pytest.mark.parametrize("mode", ["timeout_after", "timeout", "reject", "gone"])
async def test_what_may_have_been_taken_or_never_will_be_is_not_said_again(
    robot: Robot, telegram: Telegram, mode: Mode
) -> None:
    telegram.behave(mode, times=1)
    await robot.told("/start")
    await robot.answer()
    robot.clock.go(AGAIN)
    await robot.answer()
    assert len(telegram.messages) == (1 if mode == "timeout_after" else 0)


async def test_an_old_answer_is_not_said_any_more(robot: Robot, telegram: Telegram) -> None:
    telegram.behave("quota", str(ANN))
    await robot.told("/start")
    robot.clock.go(STALE)
    await robot.answer()
    robot.clock.go(AGAIN)
    assert not await robot.replies.due()


async def test_an_answer_that_waited_too_long_is_not_even_begun(robot: Robot, telegram: Telegram) -> None:
    await robot.told("/start")
    robot.clock.go(STALE)
    await robot.answer()
    assert telegram.messages == []
    assert not await robot.replies.due()


async def test_who_writes_much_is_answered_once_a_minute(robot: Robot, telegram: Telegram) -> None:
    for text in ("hello", "/start", "/start guessed", "who are you?", "/stop", "/stop"):
        await robot.told(text)
    await robot.told("hello", chat=7)
    await robot.answer()
    assert [one.address for one in telegram.messages] == [str(ANN), str(ANN), "7"]
    robot.clock.go(SAY_AGAIN)
    await robot.told("hello?")
    await robot.answer()
    assert len(telegram.messages) == 4


async def test_all_that_is_to_be_said_in_a_busy_chat_waits(robot: Robot, telegram: Telegram) -> None:
    telegram.behave("quota", str(ANN), times=1)
    await robot.told("/start")
    await robot.told("/stop")
    await robot.answer()
    assert telegram.messages == []
    robot.clock.go(AGAIN)
    await robot.answer()
    assert len(telegram.messages) == 2


async def test_answers_do_not_keep_others_from_being_told(robot: Robot, telegram: Telegram) -> None:
    telegram.behave("quota")
    for chat in range(1, 7):
        await robot.told("/start", chat=chat)
    await robot.answer()
    assert (
        await robot.pool.fetchval("SELECT paused_until FROM provider_state WHERE provider = 'telegram'")
        is None
    )
    telegram.behave("ok")
    robot.clock.go(AGAIN)
    await robot.answer()
    assert len(telegram.messages) == 6


async def test_a_call_under_way_ends_before_the_process_does(
    robot: Robot, telegram: Telegram, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, may_go_on, send = asyncio.Event(), asyncio.Event(), robot.channel.send

    async def slow(*given: object, **named: object) -> object:
        begun.set()
        await may_go_on.wait()
        return await send(*given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(robot.channel, "send", slow)
    await robot.told("/start")
    turn = spawn(robot.replies.turn(), name="turn")
    await begun.wait()
    turn.cancel()
    may_go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await turn
    assert len(telegram.messages) == 1


async def test_a_busy_chat_does_not_hold_up_another(robot: Robot, telegram: Telegram) -> None:
    telegram.behave("quota", str(ANN))
    await robot.told("/start")
    await robot.told("/start", chat=7)
    await robot.answer()
    assert [one.address for one in telegram.messages] == ["7"]
