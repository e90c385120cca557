"""What tests of proving addresses do over and over: add one, find what was sent, and show it."""

from typing import Any
from uuid import UUID

from gateways.gateway import Gateway
from routing.proofs import Proofs
from tests.gateways.http.served import Answered, Caller

PATH = "/v1/me/endpoints"
PHONE = "+15550001111"


async def add(caller: Caller, channel: str = "sms", address: str = PHONE) -> dict[str, Any]:
    added = await caller.post(PATH, json={"channel": channel, "address": address})
    assert added.status == 201, added.body
    made: dict[str, Any] = added.json
    return made


async def sent(gateway: Gateway, endpoint: str) -> list[UUID]:
    """The verifications of which messages are on their way, in their order."""
    rows = await gateway.pool.fetch(
        "SELECT verification_id FROM deliveries WHERE endpoint_id = $1 ORDER BY created_at, id", endpoint
    )
    return [row["verification_id"] for row in rows]


async def code(gateway: Gateway, endpoint: str) -> str:
    return Proofs(gateway.notifying.links).digits((await sent(gateway, endpoint))[-1])


async def link(gateway: Gateway, endpoint: str) -> str:
    token = Proofs(gateway.notifying.links).token((await sent(gateway, endpoint))[-1])
    return f"/verify/{token}"


async def verify(caller: Caller, endpoint: str, given: str) -> Answered:
    return await caller.post(f"{PATH}/{endpoint}/verify", json={"code": given})


def other_than(right: str) -> str:
    return f"{(int(right) + 1) % 10**6:06}"


async def state(caller: Caller, endpoint: str) -> str:
    found = (await caller.get(PATH)).json["items"]
    return str(next(one["state"] for one in found if one["id"] == endpoint))
