"""Owns what is decided for many at once: of those who are alike once, whose rows differ in names alone."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import orjson

from routing.decide import decide
from routing.members import ChannelKind
from routing.model import Decision, Notification, Recipient
from schemas.events.members import rfc3339


@dataclass(frozen=True, slots=True)
class Choice:
    """What was decided for all who are alike; they differ in what their endpoints are called."""

    general: Sequence[Decision]
    """For the channels on which the person has no endpoint."""
    of_endpoints: Sequence[Decision]
    """One for each endpoint of the person, in their order; none of them names it."""
    in_app: bool
    """Whether the inbox gets it."""
    template: bytes
    """The decisions as they are stored, with a `%b` for each endpoint."""

    def stored(self, to: Recipient) -> orjson.Fragment:
        """The decisions of one of those who are alike."""
        names = tuple([str(one.id).encode() for one in to.endpoints])
        return orjson.Fragment(self.template % names)


class Choices:
    """Of one notification at one moment."""

    def __init__(self, notification: Notification, now: datetime, channels: Collection[ChannelKind]) -> None:
        self._notification = notification
        self._now = now
        self._at = rfc3339(now)
        self._channels = channels
        self._known: dict[tuple[Any, ...], Choice] = {}

    def of(self, to: Recipient) -> Choice:
        """Decide for a person, or do as was done for somebody alike."""
        alike = self._state(to)
        known = self._known.get(alike)
        if known is None:
            known = self._known[alike] = self._choice(to)
        return known

    def _state(self, to: Recipient) -> tuple[Any, ...]:
        """Everything a decision depends on, but for which endpoints they are."""
        actor = self._notification.actor
        whose = actor is not None and (actor == to.user, actor in to.blocked)
        if not to.endpoints:
            return (id(to.preferences), whose, to.suspended)
        kinds = tuple([(one.channel, to.refused.get(one.id)) for one in to.endpoints])
        return (id(to.preferences), whose, to.suspended, to.tz, kinds, to.mailed_at, to.limited)

    def _choice(self, to: Recipient) -> Choice:
        decisions = decide(self._notification, to, self._now, self._channels)
        general = [one for one in decisions if one.endpoint is None]
        about = {one.endpoint: one for one in decisions}
        of_endpoints = [about[one.id] for one in to.endpoints]
        template = b",".join(map(self._stored, [*general, *of_endpoints]))
        nameless = [replace(one, endpoint=None) for one in of_endpoints]
        in_app = any(one.channel == "in_app" and one.action == "send" for one in general)
        return Choice(general, nameless, in_app, b"[%b]" % template)

    def _stored(self, decision: Decision) -> bytes:
        name = None if decision.endpoint is None else str(decision.endpoint)
        stored = {
            "channel": decision.channel,
            "endpoint": name,
            "action": decision.action,
            "reason": decision.reason,
            "until": None if decision.until is None else rfc3339(decision.until),
            "at": self._at,
        }
        text = orjson.dumps(stored).replace(b"%", b"%%")
        return text if name is None else text.replace(name.encode(), b"%b")
