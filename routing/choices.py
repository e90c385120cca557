"""Owns what is decided for many at once: of those who are alike once, and stored as the same bytes."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from routing.decide import decide
from routing.members import ChannelKind
from routing.model import Decision, Endpoint, Notification, Recipient
from schemas.events.members import rfc3339


@dataclass(frozen=True, slots=True)
class Choice:
    """What was decided for one person, and how it is stored."""

    decisions: Sequence[Decision]
    decided: orjson.Fragment
    in_app: bool
    """Whether the inbox gets it."""


class Choices:
    """Of one notification at one moment."""

    def __init__(self, notification: Notification, now: datetime, channels: Collection[ChannelKind]) -> None:
        self._notification = notification
        self._now = now
        self._at = rfc3339(now)
        self._channels = channels
        self._known: dict[tuple[Any, ...], tuple[Choice, Sequence[Endpoint]]] = {}

    def of(self, to: Recipient) -> Choice:
        """Decide for a person, or do as was done for somebody alike."""
        alike = self._state(to)
        known = self._known.get(alike)
        if known is None:
            decisions = decide(self._notification, to, self._now, self._channels)
            known = self._known[alike] = (self._choice(decisions, {}), to.endpoints)
        choice, endpoints = known
        if not endpoints or endpoints is to.endpoints:
            return choice
        theirs = {one.id: own.id for one, own in zip(endpoints, to.endpoints, strict=True)}
        return self._choice(choice.decisions, theirs)

    def _state(self, to: Recipient) -> tuple[Any, ...]:
        """Everything a decision depends on, but for which endpoints they are."""
        actor = self._notification.actor
        whose = actor is not None and (actor == to.user, actor in to.blocked)
        if not to.endpoints:
            return (id(to.preferences), whose, to.suspended)
        kinds = tuple((one.channel, to.refused.get(one.id)) for one in to.endpoints)
        return (id(to.preferences), whose, to.suspended, to.tz, kinds, to.mailed_at, to.limited)

    def _choice(self, decisions: Sequence[Decision], theirs: Mapping[UUID, UUID]) -> Choice:
        if theirs:
            decisions = [_for_another(one, theirs) for one in decisions]
        in_app = any(one.channel == "in_app" and one.action == "send" for one in decisions)
        return Choice(decisions, orjson.Fragment(orjson.dumps(list(map(self._stored, decisions)))), in_app)

    def _stored(self, decision: Decision) -> dict[str, Any]:
        return {
            "channel": decision.channel,
            "endpoint": None if decision.endpoint is None else str(decision.endpoint),
            "action": decision.action,
            "reason": decision.reason,
            "until": None if decision.until is None else rfc3339(decision.until),
            "at": self._at,
        }


def _for_another(decision: Decision, theirs: Mapping[UUID, UUID]) -> Decision:
    if decision.endpoint is None:
        return decision
    return Decision(
        channel=decision.channel,
        endpoint=theirs[decision.endpoint],
        action=decision.action,
        reason=decision.reason,
        until=decision.until,
    )
