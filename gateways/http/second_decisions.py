"""Owns what was decided about a notification after its arrival, as the records of its deliveries tell it."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from gateways.masking import masked
from routing.model import Action
from schemas.events.members import rfc3339
from schemas.store.deliveries import SETTINGS_CHANGED, Attempt, Delivery
from schemas.store.digests import Carrier

ACTIONS: Final[Mapping[str, Action]] = {
    "held": "hold",
    "gathered": "digest",
    "dropped": "drop",
    "released": "send",
}
"""What a line of a record decides; the others tell of attempts."""

SENT: Final = "preferences"
"""Why anything is sent: they allow it."""

Decided = tuple[datetime, dict[str, Any]]


def second_decisions(
    deliveries: Sequence[Delivery],
    attempts: Mapping[UUID, Sequence[Attempt]],
    carriers: Mapping[UUID, Carrier],
) -> list[dict[str, Any]]:
    """One person's, upon one event, in order of time; `carriers` are the digests that it went into."""
    found: list[Decided] = []
    for one in deliveries:
        lines = [line for line in attempts.get(one.id, ()) if _decides(line)]
        found += _noted(one, lines, carriers.get(one.endpoint_id))
        found += _silent(one, lines, carriers)
    return [shown for _, shown in sorted(found, key=lambda each: each[0])]


def was_released(lines: Sequence[Attempt]) -> bool:
    """Whether the last thing that held it ended early."""
    decided = [line.outcome for line in lines if _decides(line)]
    return decided[-1:] == ["released"]


def _decides(line: Attempt) -> bool:
    return line.outcome in ACTIONS and (line.outcome != "released" or line.detail == SETTINGS_CHANGED)


def _noted(delivery: Delivery, lines: Sequence[Attempt], carrier: Carrier | None) -> Iterator[Decided]:
    for n, line in enumerate(lines, start=1):
        until = None
        if line.outcome == "gathered" and carrier and carrier.state == "open":
            until = carrier.due_at
        elif line.outcome == "held" and delivery.status == "held" and n == len(lines):
            until = delivery.due_at
        reason = line.detail or delivery.reason or line.outcome
        if line.outcome == "released":
            reason = SENT
        yield _decided(delivery, ACTIONS[line.outcome], reason, line.at, until)


def _silent(
    delivery: Delivery, lines: Sequence[Attempt], carriers: Mapping[UUID, Carrier]
) -> Iterator[Decided]:
    """What was given up with no line that says so, and what a digest that left does not tell."""
    ended = any(ACTIONS[line.outcome] in ("digest", "drop") for line in lines)
    if delivery.status == "dropped" and delivery.reason and not ended:
        yield _decided(delivery, "drop", delivery.reason, delivery.updated_at)
    if delivery.digest_id is None or delivery.sent_at is None:
        return
    carrier = next((one for one in carriers.values() if one.digest_id == delivery.digest_id), None)
    if carrier and carrier.left_out:
        yield _decided(delivery, "drop", carrier.left_out, delivery.sent_at)


def _decided(
    delivery: Delivery, action: Action, reason: str, at: datetime, until: datetime | None = None
) -> Decided:
    return at, {
        "channel": delivery.channel,
        "endpoint": str(delivery.endpoint_id),
        "address": masked(delivery.channel, delivery.address),
        "action": action,
        "reason": reason,
        "until": None if until is None else rfc3339(until),
        "at": rfc3339(at),
    }
