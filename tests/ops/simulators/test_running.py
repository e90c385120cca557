"""`hub up` without any account: what is sent arrives in the simulators, and they tell the hub."""

import asyncio
import signal
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest
from aiohttp import ClientSession
from yarl import URL

from schemas.db import Pool
from tests.hubprocess import HubProcess
from tests.waiting import until

pytestmark = pytest.mark.slow


async def tipped(hub: HubProcess, session: ClientSession, user: str) -> None:
    """Tip someone whose e-mail address the platform has told."""
    headers = hub.headers("platform", "publish")
    profile = {"email": f"{user}@example.com"}
    async with session.put(f"{hub.url}/v1/users/{user}", json=profile, headers=headers) as answer:
        assert answer.status in {200, 201}
    event = {"type": "hours.tipped", "actor": "fan", "data": {"to": user, "amount": 500}}
    async with session.post(f"{hub.url}/v1/events", json=event, headers=headers) as answer:
        assert answer.status == 202


async def mails(hub: HubProcess, session: ClientSession, user: str) -> list[dict[str, Any]]:
    query = {"address": f"{user}@example.com"}
    async with session.get(f"{hub.json()['simulators']['resend']}/_sim/messages", params=query) as answer:
        found: list[dict[str, Any]] = await answer.json()
        return found


async def test_a_mail_arrives_and_the_hub_hears_that_it_did(hub_process: HubProcess) -> None:
    hub = hub_process
    connection = await asyncpg.connect(hub.json()["database_url"])
    try:
        async with ClientSession() as session:
            await tipped(hub, session, "mailed-ann")
            await until(lambda: mails(hub, session, "mailed-ann"))
            (mail,) = await mails(hub, session, "mailed-ann")
            assert mail["subject"] == "fan tipped you 5.00 HRS"
            assert mail["headers"]["List-Unsubscribe"].startswith(f"<{hub.url}/u/")

            async def delivered() -> bool:
                status = await connection.fetchval(
                    "SELECT status FROM deliveries WHERE user_id = 'mailed-ann'"
                )
                return bool(status == "delivered")

            await until(delivered)
            complaint = {"event": "email.complained", "id": mail["id"]}
            url = hub.json()["simulators"]["resend"]
            async with session.post(f"{url}/_sim/inbound", json=complaint) as answer:
                assert (await answer.json()) == {"ok": True, "status": 200}
    finally:
        source = await connection.fetchval(
            "SELECT source FROM consent WHERE address = $1", "mailed-ann@example.com"
        )
        await connection.close()
    assert source == "complaint"


class Seen:
    """What arrived in the simulators of a hub."""

    def __init__(self, hub: HubProcess, session: ClientSession) -> None:
        self._urls = hub.json()["simulators"]
        self._session = session

    async def at(self, name: str, address: str) -> list[dict[str, Any]]:
        url = f"{self._urls[name]}/_sim/messages"
        async with self._session.get(url, params={"address": address}) as answer:
            found: list[dict[str, Any]] = await answer.json()
            return found

    async def tell(self, name: str, said: dict[str, Any]) -> dict[str, Any]:
        async with self._session.post(f"{self._urls[name]}/_sim/inbound", json=said) as answer:
            found: dict[str, Any] = await answer.json()
            return found


async def told_by_telegram(hub: HubProcess, session: ClientSession, user: str, chat: int) -> None:
    """Show the bot the token of a link, as somebody who follows it does."""
    url = f"{hub.url}/v1/me/endpoints/telegram-link"
    async with session.post(url, headers=hub.headers(user)) as answer:
        token = (await answer.json())["url"].partition("start=")[2]
    person = {"id": chat, "first_name": user.capitalize()}
    await Seen(hub, session).tell("telegram", {"user": person, "text": f"/start {token}"})


async def test_a_tip_arrives_on_every_channel(hub_process: HubProcess) -> None:
    hub = hub_process
    async with ClientSession() as session:
        seen = Seen(hub, session)
        platform, bea = hub.headers("platform", "publish"), hub.headers("bea")
        profile = {"email": "bea@example.com", "phone": "+15550100"}
        async with session.put(f"{hub.url}/v1/users/bea", json=profile, headers=platform) as answer:
            assert answer.status in {200, 201}
        device = {"channel": "push", "address": "bea-phone", "kind": "token", "platform": "android"}
        async with session.post(f"{hub.url}/v1/me/endpoints", json=device, headers=bea) as answer:
            assert answer.status == 201
        patch = {"channels": {"sms": {"enabled": True}}}
        async with session.patch(f"{hub.url}/v1/me/preferences", json=patch, headers=bea) as answer:
            assert answer.status == 200
        await told_by_telegram(hub, session, "bea", 5150)
        await until(lambda: seen.at("telegram", "5150"), 60)  # the bot says that it is linked
        event = {"type": "hours.tipped", "actor": "fan", "data": {"to": "bea", "amount": 700}}
        async with session.post(f"{hub.url}/v1/events", json=event, headers=platform) as answer:
            assert answer.status == 202
        places = {"fcm": "bea-phone", "twilio": "+15550100", "resend": "bea@example.com", "telegram": "5150"}
        for name, address in places.items():

            async def told(name: str = name, address: str = address) -> bool:
                return any("7.00 HRS" in str(one) for one in await seen.at(name, address))

            await until(told)


def bots(hub: HubProcess) -> list[psutil.Process]:
    """The processes of `hub bot` that belong to a hub."""
    return [one for one in psutil.Process(hub.pid).children() if _is_bot(one)]


def _is_bot(one: psutil.Process) -> bool:
    try:
        return "bot" in one.cmdline()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):  # it has just ended
        return False


async def test_the_bot_is_brought_back_and_ends_with_its_hub(own_hub: HubProcess) -> None:
    hub = own_hub.up("--port", "0")

    async def one_runs() -> bool:
        return len(bots(hub)) == 1

    await until(one_runs)
    (first,) = bots(hub)
    first.kill()

    async def another_runs() -> bool:
        return [one.pid for one in bots(hub)] not in ([], [first.pid])

    await until(another_runs)
    (second,) = bots(hub)
    hub.kill()
    second.wait(20)
    assert "`hub bot` ended, and is brought back" in hub.log()


async def test_without_simulators_there_is_no_mail(own_hub: HubProcess) -> None:
    hub = own_hub.up("--port", "0", "--no-simulators")
    assert hub.json()["simulators"] == {}
    async with ClientSession() as session:
        await tipped(hub, session, "ann")
        async with session.post(f"{hub.url}/webhooks/resend", json={}) as answer:
            assert answer.status == 404
    for lack in ("there is no push", "there is no SMS", "there is no e-mail", "there is no Telegram"):
        assert lack in hub.log()
    assert bots(hub) == []


async def texted(hub: HubProcess, session: ClientSession, user: str, phone: str) -> None:
    """Tip someone who wants to be told by SMS."""
    platform = hub.headers("platform", "publish")
    patch = {"channels": {"sms": {"enabled": True}}}
    event = {"type": "hours.tipped", "actor": "fan", "data": {"to": user, "amount": 500}}
    for method, path, headers, said in (
        ("PUT", f"users/{user}", platform, {"phone": phone}),
        ("PATCH", "me/preferences", hub.headers(user), patch),
        ("POST", "events", platform, event),
    ):
        async with session.request(method, f"{hub.url}/v1/{path}", json=said, headers=headers) as answer:
            assert answer.ok


async def test_a_hub_that_ends_hears_what_becomes_of_its_calls(
    database: str, redis_url: str, pool: Pool, tmp_path: Path
) -> None:
    known = {"HUB_DATABASE_URL": database, "HUB_REDIS_URL": redis_url, "HUB_AUTH__SECRET": "x" * 32}
    hub = HubProcess(tmp_path / "hub", **known).up()
    try:
        url = URL(hub.json()["simulators"]["twilio"])
        async with ClientSession() as session:
            await session.post(url / "_sim/behaviour", json={"all": True, "mode": "slow"})
            await texted(hub, session, "cut-ann", "+15550100")

        async def called() -> bool:
            connections = psutil.Process(hub.pid).net_connections("tcp")
            return any(one.raddr and one.raddr.port == url.port for one in connections)

        await until(called)
        hub.signal(signal.SIGINT)
        assert await asyncio.to_thread(hub.wait) == 0
    finally:
        hub.stop()
    status = await pool.fetchval("SELECT status FROM deliveries WHERE channel = 'sms'")
    assert status in {"sent", "delivered"}
