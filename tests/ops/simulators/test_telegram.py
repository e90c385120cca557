"""The simulator of Telegram, asked as the real one is asked."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession, web

from tests.routing.channels.serving import serving
from tests.simulated_telegram import ANN, SECRET, TOKEN, Telegram, telegram_simulated
from tests.waiting import until


@pytest.fixture
async def telegram() -> AsyncIterator[Telegram]:
    async with telegram_simulated() as running:
        yield running


async def ask(telegram: Telegram, method: str, token: str = TOKEN, **given: Any) -> tuple[int, Any]:
    url = f"{telegram.url}/bot{token}/{method}"
    async with ClientSession() as session, session.post(url, json=given) as answer:
        return answer.status, await answer.json()


async def test_the_bot_knows_itself(telegram: Telegram) -> None:
    status, told = await ask(telegram, "getMe")
    assert (status, told["ok"], told["result"]["is_bot"]) == (200, True, True)


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "rebound.example.com"},
        {"Origin": "https://evil.example.com"},
        {"Origin": "null"},
        {"Host": "rebound.example.com", "Origin": "http://127.0.0.1:1"},
    ],
)
async def test_no_page_of_elsewhere_may_call_a_simulator(telegram: Telegram, headers: dict[str, str]) -> None:
    async with ClientSession() as session:
        for method, path in (
            ("GET", "/_sim/messages"),
            ("DELETE", "/_sim/messages"),
            ("OPTIONS", "/_sim/inbound"),
        ):
            async with session.request(method, telegram.url + path, headers=headers) as answer:
                assert answer.status == 403, path
        own = {"Origin": "http://localhost:8000"}
        async with session.get(f"{telegram.url}/_sim/messages", headers=own) as answer:
            assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (200, own["Origin"])


async def test_another_token_is_refused_as_is_an_unknown_method(telegram: Telegram) -> None:
    assert (await ask(telegram, "getMe", token="42:other"))[0] == 401
    assert (await ask(telegram, "dance"))[0] == 404


@pytest.mark.parametrize("given", [{"text": "x"}, {"chat_id": 1}, {"chat_id": 1, "text": "x" * 4_097}])
async def test_a_message_must_be_sendable(telegram: Telegram, given: dict[str, Any]) -> None:
    status, told = await ask(telegram, "sendMessage", **given)
    assert (status, told["ok"], told["error_code"]) == (400, False, 400)
    assert telegram.messages == []


async def test_a_flood_tells_how_long_to_wait(telegram: Telegram) -> None:
    telegram.behave("quota", "1")
    status, told = await ask(telegram, "sendMessage", chat_id=1, text="x")
    assert (status, told["parameters"]) == (429, {"retry_after": 3})
    assert (await ask(telegram, "sendMessage", chat_id=2, text="x"))[0] == 200


async def test_a_poll_gets_what_comes_while_it_waits_until_that_is_confirmed(telegram: Telegram) -> None:
    waiting = asyncio.ensure_future(ask(telegram, "getUpdates", timeout=20))
    while telegram.simulator._polls == 0:  # noqa: ASYNC110  it has not arrived yet
        await asyncio.sleep(0.01)
    assert (await telegram.write("hello"))["ok"]
    _, told = await waiting
    (update,) = told["result"]
    assert update["message"]["from"]["id"] == update["message"]["chat"]["id"] == ANN
    assert update["message"]["chat"]["type"] == "private"
    _, again = await ask(telegram, "getUpdates")
    assert again == told
    _, after = await ask(telegram, "getUpdates", offset=update["update_id"] + 1)
    assert after["result"] == []


async def test_only_one_may_poll(telegram: Telegram) -> None:
    first = asyncio.ensure_future(ask(telegram, "getUpdates", timeout=20))
    while telegram.simulator._polls == 0:  # noqa: ASYNC110  it has not arrived yet
        await asyncio.sleep(0.01)
    await ask(telegram, "getUpdates")
    assert (await first)[0] == 409


async def test_a_webhook_is_called_with_the_secret_until_it_takes_the_update(telegram: Telegram) -> None:
    came: list[tuple[str | None, Any]] = []

    async def hook(request: web.Request) -> web.Response:
        came.append((request.headers.get("X-Telegram-Bot-Api-Secret-Token"), await request.json()))
        return web.Response(status=200 if len(came) > 1 else 500)

    async with serving(hook) as url:
        await ask(telegram, "setWebhook", url=url, secret_token=SECRET)
        assert (await ask(telegram, "getUpdates"))[0] == 409
        told = await telegram.write("/start abc")
        assert not told["ok"]
        async with asyncio.timeout(10):
            while len(came) < 2:  # noqa: ASYNC110  the simulator tries again by itself
                await asyncio.sleep(0.01)
    assert came[0] == came[1]
    secret, update = came[0]
    assert secret == SECRET
    assert update["message"]["entities"] == [{"type": "bot_command", "offset": 0, "length": 6}]


@pytest.mark.parametrize("at_once", [True, False])
async def test_an_update_that_is_refused_does_not_stop_the_next(telegram: Telegram, at_once: bool) -> None:
    came: list[str] = []

    async def hook(request: web.Request) -> web.Response:
        text = (await request.json())["message"]["text"]
        came.append(text)
        if text == "broken":
            return web.Response(status=500 if not at_once and len(came) == 1 else 400)
        return web.Response()

    async with serving(hook) as url:
        await ask(telegram, "setWebhook", url=url, secret_token=SECRET)
        told = await telegram.write("broken")
        assert (told["ok"], told["status"]) == (False, 400 if at_once else 500)
        assert (await telegram.write("next"))["ok"]

        async def none_waits() -> bool:
            _, info = await ask(telegram, "getWebhookInfo")
            return bool(info["result"]["pending_update_count"] == 0)

        await until(none_waits)
    assert sorted(came) == (["broken", "next"] if at_once else ["broken", "broken", "next"])


@pytest.mark.parametrize("status", [401, 404, 429, 503])
async def test_what_may_be_taken_later_is_told_again(telegram: Telegram, status: int) -> None:
    came: list[Any] = []

    async def hook(request: web.Request) -> web.Response:
        came.append(await request.json())
        return web.Response(status=status if len(came) == 1 else 200)

    async with serving(hook) as url:
        await ask(telegram, "setWebhook", url=url, secret_token=SECRET)
        await telegram.write("hello")

        async def came_again() -> bool:
            return len(came) == 2

        await until(came_again)
    assert came[0] == came[1]


async def test_flaky_refuses_every_second_one_for_sure(telegram: Telegram) -> None:
    telegram.behave("flaky")
    url = f"{telegram.url}/bot{TOKEN}/sendMessage"
    async with ClientSession() as session:
        answers = []
        for _ in range(4):
            async with session.post(url, json={"chat_id": 1, "text": "x"}) as answer:
                answers.append(answer.status)
    assert answers == [503, 200, 503, 200]


async def test_a_chat_may_be_named_by_its_number(telegram: Telegram) -> None:
    wanted = {"address": 4242, "mode": "gone"}
    async with (
        ClientSession() as session,
        session.post(f"{telegram.url}/_sim/behaviour", json=wanted) as answer,
    ):
        assert answer.status == 200
    assert (await ask(telegram, "sendMessage", chat_id=4242, text="x"))[0] == 403
    assert (await ask(telegram, "sendMessage", chat_id=4243, text="x"))[0] == 200


async def test_a_raw_update_comes_as_it_is_and_may_name_its_number(telegram: Telegram) -> None:
    await telegram.inbound(update_id=7, poll={"id": "1"})
    _, told = await ask(telegram, "getUpdates")
    assert told["result"] == [{"update_id": 7, "poll": {"id": "1"}}]


@pytest.mark.parametrize("said", [{"text": "x"}, {"user": {"id": "1"}, "text": "x"}, {"user": {"id": 1}}])
async def test_what_is_said_must_say_who_and_what(telegram: Telegram, said: dict[str, Any]) -> None:
    assert "error" in await telegram.inbound(**said)


async def test_a_chat_of_another_number_above_zero_is_private(telegram: Telegram) -> None:
    person = {"id": 1, "first_name": "Ann"}
    for chat in (77, {"id": 77}):
        await telegram.inbound(user=person, chat=chat, text="hi")
    _, told = await ask(telegram, "getUpdates")
    assert [one["message"]["chat"]["type"] for one in told["result"]] == ["private"] * 2


async def test_a_group_is_another_chat_than_the_person(telegram: Telegram) -> None:
    await telegram.inbound(user={"id": 1, "first_name": "Ann"}, chat={"id": -5, "type": "group"}, text="hi")
    _, told = await ask(telegram, "getUpdates")
    assert told["result"][0]["message"]["chat"]["id"] == -5
