"""The export: what the ledger of consent says of a person's addresses, whoever wrote it."""

import pytest

from gateways.gateway import Gateway
from gateways.http import export
from routing.consent import Scope
from schemas.ids import uuid7
from schemas.store.endpoints import NewEndpoint
from tests.gateways.http.served import Caller
from tests.gateways.telling import MAIL, reachable


async def test_my_export_holds_what_nobody_signed_of_my_addresses(
    nobody: Caller, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "PAGE", 2)
    ann, ledger = nobody.being("ann"), gateway.notifying.ledger

    async def stopped(address: str, source: str, user: str | None = None, topic: str = "") -> None:
        async with gateway.pool.acquire() as tx:
            scope = Scope("email", address, topic)
            await gateway.notifying.consents.stop(tx, scope, source=source, user=user)

    await stopped(MAIL, "link", topic="tips")  # its digest is written: nobody has the address yet
    await reachable(gateway)
    await reachable(gateway, "bob", MAIL)
    await reachable(gateway, address="old@example.com")
    await gateway.notifying.endpoints.retire_address(gateway.pool, "email", "old@example.com", "gone")
    pending = NewEndpoint(
        id=uuid7(), user_id="ann", channel="email", address="eve@example.com", state="pending"
    )
    await gateway.notifying.endpoints.put(gateway.pool, pending, gateway.clock.now())
    await reachable(gateway, "eve", "eve@example.com")
    await stopped("Ann@Example.com", "link")
    await stopped(MAIL, "settings", "ann")
    await stopped(MAIL, "settings", "bob")
    await stopped("old@example.com", "gone")
    await stopped("eve@example.com", "link")
    shown = (await ann.get("/v1/me/export")).json["consent"]
    assert [(one["address"], one["source"]) for one in shown] == [
        ("old@example.com", "gone"),
        (MAIL, "settings"),
        (MAIL, "link"),
        (MAIL, "link"),
    ]
    assert [one["topic"] for one in shown] == ["", "", "", "tips"]
    assert shown[0]["at"] > shown[-1]["at"]
    assert len(await ledger.of_user(gateway.pool, "bob")) == 3


@pytest.mark.parametrize(("reason", "shown"), [("gone", 1), ("removed", 0), ("replaced", 0)])
async def test_what_came_of_an_address_after_it_was_mine_is_not_in_my_export(
    nobody: Caller, gateway: Gateway, reason: str, shown: int
) -> None:
    await reachable(gateway)
    await gateway.pool.execute("UPDATE endpoints SET state = 'retired', retired_reason = $1", reason)
    async with gateway.pool.acquire() as tx:
        await gateway.notifying.consents.stop(tx, Scope("email", MAIL, ""), source="link", user=None)
    assert len((await nobody.being("ann").get("/v1/me/export")).json["consent"]) == shown
