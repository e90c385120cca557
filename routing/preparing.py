"""Owns the second decision: what was claimed is kept and rendered, held for later, or dropped."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, cast
from uuid import UUID

import structlog

from bus import telemetry
from routing.channels.base import Rendered, UnwritableError, Writer
from routing.decide import decide_again, decide_code, decide_digest
from routing.model import ChannelKind, Code, Decision, Digest, Endpoint, Notification
from routing.retelling import Tellings, Told, Unreadable
from schemas.db import RETRYABLE, Connection
from schemas.store.deliveries import Deliveries, Delivery, Outcome
from schemas.store.digests import Digests, NewItem

log = structlog.get_logger(__name__)

AGAIN: Final = "sending"
"""The stage of these decisions, in the metrics."""
WANTED: Final = "preferences"
"""Why something is sent."""
UNREADABLE: Final = "unreadable"
UNRENDERABLE: Final = "unrenderable"
FORGOTTEN: Final = "expired"
"""Why a delivery is dropped whose event retention has taken."""
ALONE: Final = 4
PROVED: Final = "no_endpoint"
"""Why a code is dropped whose endpoint does not wait for it any more."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A delivery that is still wanted, as it will be sent."""

    delivery: Delivery
    endpoint: Endpoint
    message: Rendered


@dataclass(slots=True)
class _Sorted:
    ready: list[Prepared] = field(default_factory=list)
    away: list[Outcome] = field(default_factory=list)
    decided: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    gathered: dict[UUID, NewItem] = field(default_factory=dict)
    """What is put away because it comes too soon after another mail, by delivery."""


class Preparing:
    """Decides again about what was claimed."""

    def __init__(self, tellings: Tellings, writer: Writer) -> None:
        self._tellings = tellings
        self._writer = writer
        self._deliveries = Deliveries()
        self._digests = Digests()
        self._alone = 0
        """So many times each is decided about by itself, as something unexpected was among them."""

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
        mailed = set(under_way)
        if self._alone:
            self._alone -= 1
            return await self._one_by_one(tx, owner, claimed, now, mailed)
        try:
            return await self._prepare(tx, owner, claimed, now, mailed)
        except RETRYABLE:
            raise
        except Exception:
            self._alone = ALONE  # the transaction is lost; in the next one
            raise

    async def _one_by_one(
        self, tx: Connection, owner: str, claimed: Sequence[Delivery], now: datetime, mailed: set[str]
    ) -> list[Prepared]:
        """One that cannot be decided about fails; its neighbours are not to blame."""
        ready: list[Prepared] = []
        for delivery in claimed:
            try:
                async with tx.transaction():
                    ready += await self._prepare(tx, owner, [delivery], now, mailed)
            except RETRYABLE:
                raise
            except Exception as error:  # noqa: BLE001  it is said
                kind = type(error).__name__
                said = {"delivery": str(delivery.id), "error": kind}
                log.error("a delivery cannot be decided about, and fails", **said)  # noqa: TRY400  a trace shows content
                failed = _failure(delivery, UNREADABLE, f"it cannot be decided about: {kind}")
                if await self._deliveries.finish(tx, owner, [failed], now):
                    _count_unsent([delivery], [failed])
        return ready

    async def _prepare(
        self, tx: Connection, owner: str, claimed: Sequence[Delivery], now: datetime, mailed: set[str]
    ) -> list[Prepared]:
        told = await self._tellings.load(tx, claimed)
        found = _Sorted()
        for delivery in claimed:
            self._sort(found, delivery, told.get(delivery.id), mailed, now)
        done = await self._deliveries.finish(tx, owner, found.away, now) if found.away else set()
        if gathered := [item for one, item in found.gathered.items() if one in done]:
            await self._digests.add(tx, gathered, now)
        _count_unsent(claimed, [one for one in found.away if one.id in done])
        for labels, count in found.decided.items():
            telemetry.DECISIONS.labels(AGAIN, *labels).inc(count)
        return found.ready

    def _sort(
        self,
        found: _Sorted,
        delivery: Delivery,
        told: Told | Unreadable | None,
        mailed: set[str],
        now: datetime,
    ) -> None:
        if told is None:
            reason = PROVED if delivery.verification_id else FORGOTTEN
            found.decided[delivery.channel, "drop", reason] += 1
            found.away.append(_put_away(delivery, "dropped", reason))
            return
        if isinstance(told, Unreadable):
            found.away.append(_failure(delivery, UNREADABLE, told.why))
            return
        endpoint, decision = _decided(delivery, told, mailed, now)
        if decision.action == "send":
            self._write(found, delivery, endpoint, told, mailed)
            return
        item = _gathered(delivery, told, decision)
        found.decided[decision.channel, "digest" if item else decision.action, decision.reason] += 1
        if item:
            # Each by itself would wait for the one before, an hour each.
            found.gathered[delivery.id] = item
            found.away.append(replace(_put_away(delivery, "dropped", decision.reason), outcome="gathered"))
        elif decision.action == "hold":
            found.away.append(_put_away(delivery, "held", decision.reason, decision.until))
        else:
            found.away.append(_put_away(delivery, "dropped", decision.reason))

    def _write(
        self, found: _Sorted, delivery: Delivery, endpoint: Endpoint, told: Told, mailed: set[str]
    ) -> None:
        try:
            message = self._writer.write(told.content, endpoint, told.recipient, told.unread)
        except UnwritableError as error:
            found.away.append(_failure(delivery, UNRENDERABLE, str(error)))
            return
        except Exception as error:  # noqa: BLE001  it is said, and its neighbours are not to blame
            kind = type(error).__name__
            said = {"delivery": str(delivery.id), "error": kind}
            log.error("a delivery cannot be written, and fails", **said)  # noqa: TRY400  a trace shows content
            found.away.append(_failure(delivery, UNRENDERABLE, f"it cannot be written: {kind}"))
            return
        found.decided[delivery.channel, "send", WANTED] += 1
        found.ready.append(Prepared(delivery, endpoint, message))
        if not isinstance(told.content, Code):
            mailed.add(delivery.user_id)


def _count_unsent(deliveries: Sequence[Delivery], outcomes: Sequence[Outcome]) -> None:
    """What was dropped is counted among the decisions."""
    channels = {one.id: one.channel for one in deliveries}
    for one in outcomes:
        if one.status == "failed":
            telemetry.UNSENT.labels(channels[one.id], one.status, one.reason).inc()


def _put_away(delivery: Delivery, status: str, reason: str, until: datetime | None = None) -> Outcome:
    """A second decision is a line of the record: the first alone would not say why it came later."""
    return Outcome(
        id=delivery.id,
        status=status,
        outcome=status,
        detail=reason,
        reason=reason,
        due_at=until,
        counted=False,
    )


def _gathered(delivery: Delivery, told: Told, decision: Decision) -> NewItem | None:
    """What comes too soon after another mail waits with others, as what is told then does."""
    if decision.reason != "email_spacing" or decision.until is None:
        return None
    if not isinstance(told.content, Notification) or not (delivery.event_id and delivery.notification_id):
        return None
    return NewItem(
        delivery.user_id,
        delivery.channel,
        delivery.endpoint_id,
        "spacing",
        decision.until,
        delivery.event_id,
        delivery.notification_id,
        delivery.topic,
    )


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
    endpoint, to, content = next(usable, named), told.recipient, told.content
    if isinstance(content, Code):
        return named, decide_code(content, named, now)
    if channel == "email" and delivery.user_id in mailed:
        to = replace(to, mailed_at=now)
    if isinstance(content, Digest):
        return endpoint, decide_digest(content, to, endpoint, now)
    return endpoint, decide_again(content, to, endpoint, now, read=told.read)
