"""Owns how a webhook is taken in: verified, handled once, and answered when its effects are committed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final, Protocol

from bus import telemetry
from gateways.gateway import Gateway
from gateways.problems import ProblemError, not_found
from schemas.db import Connection
from schemas.store.deliveries import Delivery
from schemas.store.webhook_ids import WebhookIds

ENDS: Final = ("failed", "bounced")
REPORTED: Final = "reported"
"""Why a delivery ended, in the metrics: its provider said so later."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """What a provider told, under the id it gave that."""

    id: str
    said: Mapping[str, Any]


class Effects(Protocol):
    """What follows from one provider's webhooks."""

    provider: ClassVar[str]

    async def apply(self, tx: Connection, webhook: Webhook, now: datetime) -> Delivery | None:
        """Do what it means; answers a delivery that it ended. What it has no use for is no error."""
        ...


class Hook(Effects, Protocol):
    """One provider's webhooks, signed with one secret that headers and body suffice to check."""

    def read(self, headers: Mapping[str, str], body: bytes, secret: str, now: datetime) -> Webhook:
        """Verify and parse; raises `forged` or `bad_request`."""
        ...


def forged() -> ProblemError:
    return ProblemError(401, "unauthorized", "the signature is not that of the provider")


async def receive(hook: Hook, gateway: Gateway, headers: Mapping[str, str], body: bytes) -> bool:
    """Handle a webhook; False if it had been handled before. Raises ProblemError."""
    secret = gateway.config.webhook_secrets.get(hook.provider)
    if secret is None:
        raise not_found(f"{hook.provider} is not configured here")
    now = gateway.clock.now()
    return await handle_once(hook, gateway, hook.read(headers, body, secret, now), now)


async def handle_once(hook: Effects, gateway: Gateway, webhook: Webhook, now: datetime) -> bool:
    """Handle what was verified; False if it had been handled before."""
    async with gateway.pool.acquire() as tx, tx.transaction():
        if not await WebhookIds().claim(tx, hook.provider, webhook.id, now):
            return False
        ended = await hook.apply(tx, webhook, now)
    if ended:
        telemetry.UNSENT.labels(ended.channel, ended.status, REPORTED).inc()
    return True


def unreached(delivery: Delivery | None, told: str | None) -> bool:
    """Whether what was told of a delivery ended it, and nobody was reached."""
    return delivery is not None and delivery.status == told and told in ENDS
