"""Owns the second decision: what was claimed is kept and rendered, held for later, or dropped."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, cast
from uuid import UUID

import structlog

from routing.channels.base import Rendered
from routing.decide import decide_again
from routing.model import ChannelKind, Decision, Endpoint, Notification
from routing.retelling import Tellings, Told, Unreadable
from schemas.db import Connection
from schemas.store.deliveries import Deliveries, Delivery, Outcome, Wait

log = structlog.get_logger(__name__)

Render = Callable[[Notification, Endpoint], Rendered]

UNREADABLE: Final = "unreadable"
UNRENDERABLE: Final = "unrenderable"
FORGOTTEN: Final = "expired"
"""Why a delivery is dropped whose event retention has taken."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A delivery that is still wanted, as it will be sent."""

    delivery: Delivery
    endpoint: Endpoint
    message: Rendered


@dataclass(slots=True)
class _Sorted:
    ready: list[Prepared] = field(default_factory=list)
    waits: list[Wait] = field(default_factory=list)
    drops: list[tuple[UUID, str]] = field(default_factory=list)
    failures: list[Outcome] = field(default_factory=list)


class Preparing:
    """Decides again about what was claimed."""

    def __init__(self, tellings: Tellings, render: Render) -> None:
        self._tellings = tellings
        self._render = render
        self._deliveries = Deliveries()

    async def prepare(
        self,
        tx: Connection,
        owner: str,
        claimed: Sequence[Delivery],
        now: datetime,
        *,
        under_way: Collection[str] = (),
    ) -> list[Prepared]:
        """Answer what is to be sent now; the rest has been put where it belongs.

        `under_way`: people to whom another mail is on its way at this moment.
        """
        told = await self._tellings.load(tx, claimed)
        found, mailed = _Sorted(), set(under_way)
        for delivery in claimed:
            self._sort(found, delivery, told.get(delivery.id), mailed, now)
        await self._put_away(tx, owner, found, now)
        return found.ready

    async def _put_away(self, tx: Connection, owner: str, found: _Sorted, now: datetime) -> None:
        """Each second decision is a line of the record: the first alone would not say why it came later."""
        why = [("held", one.reason, one.id) for one in found.waits]
        why += [("dropped", reason, one) for one, reason in found.drops]
        for outcome, reason in {(outcome, reason) for outcome, reason, _ in why}:
            ids = [one for *said, one in why if said == [outcome, reason]]
            await self._deliveries.note(tx, owner, ids, now, outcome=outcome, detail=reason, counted=False)
        if found.waits:
            await self._deliveries.hold(tx, owner, found.waits, now)
        if found.drops:
            await self._deliveries.drop(tx, owner, found.drops, now)
        if found.failures:
            await self._deliveries.finish(tx, owner, found.failures, now)

    def _sort(
        self,
        found: _Sorted,
        delivery: Delivery,
        told: Told | Unreadable | None,
        mailed: set[str],
        now: datetime,
    ) -> None:
        if told is None:
            found.drops.append((delivery.id, FORGOTTEN))
            return
        if isinstance(told, Unreadable):
            found.failures.append(_failure(delivery, UNREADABLE, told.why))
            return
        endpoint, decision = _decided(delivery, told, mailed, now)
        if decision.action == "hold" and decision.until:
            found.waits.append(Wait(id=delivery.id, until=decision.until, reason=decision.reason))
        elif decision.action == "send":
            self._write(found, delivery, endpoint, told.notification, mailed)
        else:
            found.drops.append((delivery.id, decision.reason))

    def _write(
        self,
        found: _Sorted,
        delivery: Delivery,
        endpoint: Endpoint,
        notification: Notification,
        mailed: set[str],
    ) -> None:
        try:
            message = self._render(notification, endpoint)
        except Exception as error:  # noqa: BLE001  it is said, and its neighbours are not to blame
            kind = type(error).__name__
            said = {"delivery": str(delivery.id), "error": kind}
            log.error("a delivery cannot be written, and fails", **said)  # noqa: TRY400  a trace shows content
            found.failures.append(_failure(delivery, UNRENDERABLE, f"it cannot be written: {kind}"))
            return
        found.ready.append(Prepared(delivery, endpoint, message))
        mailed.add(delivery.user_id)


def _failure(delivery: Delivery, reason: str, detail: str) -> Outcome:
    """It never came to a provider; whoever mends the cause redrives it."""
    return Outcome(id=delivery.id, status="failed", outcome="failed", reason=reason, detail=detail)


def _decided(
    delivery: Delivery, told: Told, mailed: Collection[str], now: datetime
) -> tuple[Endpoint, Decision]:
    """Two mails to one person in the same call are as close together as two can be."""
    channel = cast("ChannelKind", delivery.channel)
    usable = (one for one in told.recipient.endpoints if one.id == delivery.endpoint_id)
    named = Endpoint(id=delivery.endpoint_id, channel=channel, address=delivery.address)
    endpoint = next(usable, named)
    to = told.recipient
    if channel == "email" and delivery.user_id in mailed:
        to = replace(to, mailed_at=now)
    return endpoint, decide_again(told.notification, to, endpoint, now, read=told.read)
