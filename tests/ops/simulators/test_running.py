"""`hub up` without an account at Resend: mails arrive in the simulator, and it tells the hub."""

from typing import Any

import asyncpg
import pytest
from aiohttp import ClientSession

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


async def test_without_simulators_there_is_no_mail(own_hub: HubProcess) -> None:
    hub = own_hub.up("--port", "0", "--no-simulators")
    assert hub.json()["simulators"] == {}
    async with ClientSession() as session:
        await tipped(hub, session, "ann")
        async with session.post(f"{hub.url}/webhooks/resend", json={}) as answer:
            assert answer.status == 404
    assert "there is no e-mail" in hub.log()
