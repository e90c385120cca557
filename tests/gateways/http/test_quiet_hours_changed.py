"""What quiet hours hold is decided about anew when they are changed: it leaves at once, or waits again."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateways.gateway import Gateway
from tests.gateways.http.served import Caller
from tests.gateways.telling import reachable, tell, tip
from tests.routing.post import dispatching, statuses
from tests.simulated import Resend, resend_simulated
from tests.waiting import until

DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
ALWAYS = {"enabled": True, "tz": "UTC", "windows": [{"days": DAYS, "from": "00:00", "to": "00:00"}]}
HELD = {"ann": ("held", "quiet_hours")}


@pytest.fixture
async def resend(database: str, gateway: Gateway) -> AsyncIterator[Resend]:
    async with (
        resend_simulated() as running,
        dispatching(database, gateway.pool, running.url, gateway.clock),
    ):
        yield running


@pytest.fixture
async def ann(nobody: Caller, gateway: Gateway) -> Caller:
    """Somebody with a mail that her quiet hours hold."""
    caller = nobody.being("ann")
    await reachable(gateway)
    await caller.call("PUT", "/v1/me/preferences", json={"quiet_hours": ALWAYS})
    await tell(gateway, tip())
    assert await statuses(gateway.pool) == HELD
    return caller


async def sent(gateway: Gateway) -> bool:
    return await statuses(gateway.pool) == {"ann": ("sent", None)}


@pytest.mark.parametrize(
    ("method", "document"),
    [("PATCH", {"quiet_hours": {"enabled": False}}), ("PUT", {})],
    ids=["switched off", "all by default"],
)
async def test_what_is_held_leaves_when_it_is_quiet_no_more(
    resend: Resend, ann: Caller, gateway: Gateway, method: str, document: dict[str, Any]
) -> None:
    assert (await ann.call(method, "/v1/me/preferences", json=document)).status == 200
    await until(lambda: sent(gateway))
    assert [one.address for one in resend.messages] == ["ann@example.com"]


async def test_what_is_held_waits_again_while_it_is_quiet(
    resend: Resend, ann: Caller, gateway: Gateway
) -> None:
    async def again() -> bool:
        return bool(await gateway.pool.fetchval("SELECT notes > 0 AND due_at > now() FROM deliveries"))

    await ann.call("PATCH", "/v1/me/preferences", json={"locale": "de"})
    await until(again)
    assert await statuses(gateway.pool) == HELD
    assert resend.messages == []


@pytest.mark.parametrize("by_the_platform", [False, True])
async def test_another_zone_has_what_is_held_decided_anew(
    ann: Caller, service: Caller, gateway: Gateway, by_the_platform: bool
) -> None:
    if by_the_platform:
        await service.call("PUT", "/v1/users/ann", json={"tz": "Asia/Tokyo"})
    else:
        await ann.call("PATCH", "/v1/me", json={"tz": "Asia/Tokyo"})
    assert await gateway.pool.fetchval("SELECT due_at <= now() FROM deliveries")
