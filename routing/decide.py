"""Owns the decision: whether and when something reaches each endpoint of a person, and why."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple

from routing.digest import TOPIC
from routing.members import CHANNELS, PRIORITIES, ChannelKind
from routing.model import Code, Decision, Digest, Endpoint, Notification, Reason, Recipient
from routing.preferences import Wish, Wishes
from routing.quiet_hours import held_until
from schemas.events.notifications import Priority

SPACING: Final = timedelta(hours=1)


class _Facts(NamedTuple):
    """What holds for all endpoints of a person. Few differ, so what follows from them alone is remembered."""

    wishes: Wishes
    priority: Priority
    whose: Reason | None
    muted: bool
    expired: bool
    read: bool
    suspended: bool


@dataclass(frozen=True, slots=True)
class _Case:
    """One notification for one person with endpoints."""

    notification: Notification
    to: Recipient
    now: datetime
    facts: _Facts
    quiet_until: datetime | None
    again: bool = False


def decide(
    notification: Notification, to: Recipient, now: datetime, channels: Collection[ChannelKind]
) -> list[Decision]:
    """One decision for each endpoint, and one for each channel without any.

    `channels` are those that this deployment can send on; in-app is always there.
    """
    facts = _facts(notification, to, now, read=False)
    if not to.endpoints:
        return list(_without_endpoints(facts))
    case = _Case(notification, to, now, facts, _quiet_until(notification, to, now))
    reached = {one.channel for one in to.endpoints}
    decisions = [one for one in _without_endpoints(facts) if one.channel not in reached]
    decisions += [_decide(case, one, usable=one.channel in channels) for one in to.endpoints]
    return decisions


def decide_again(
    notification: Notification, to: Recipient, endpoint: Endpoint, now: datetime, *, read: bool
) -> Decision:
    """Just before sending: keep, hold or drop. What is already on its way no longer goes into a digest."""
    facts = _facts(notification, to, now, read=read)
    case = _Case(notification, to, now, facts, _quiet_until(notification, to, now), again=True)
    return _decide(case, endpoint, usable=any(one.id == endpoint.id for one in to.endpoints))


def decide_digest(digest: Digest, to: Recipient, endpoint: Endpoint, now: datetime) -> Decision:
    """Just before a digest is sent; what it holds was decided about when it was gathered."""
    reason = next(_obstacles_to_digest(digest, to, endpoint), None)
    if reason is not None:
        return Decision(channel=endpoint.channel, endpoint=endpoint.id, action="drop", reason=reason)
    wait = _digest_waits(digest, to, endpoint, now)
    if wait is not None:
        why, until = wait
        return Decision(
            channel=endpoint.channel, endpoint=endpoint.id, action="hold", reason=why, until=until
        )
    return Decision(channel=endpoint.channel, endpoint=endpoint.id, action="send", reason="preferences")


def _obstacles_to_digest(digest: Digest, to: Recipient, endpoint: Endpoint) -> Iterator[Reason]:
    if to.suspended:
        yield "blocked"
    if not getattr(to.preferences.channels, endpoint.channel).enabled:
        yield "channel_off"
    refused = to.refused.get(endpoint.id, ())
    if "" in refused or (digest.kind == "scheduled" and TOPIC in refused):
        yield "unsubscribed"
    if all(one.id != endpoint.id for one in to.endpoints):
        yield "no_endpoint"
    if not digest.items:
        yield digest.left_out


def _digest_waits(
    digest: Digest, to: Recipient, endpoint: Endpoint, now: datetime
) -> tuple[Reason, datetime] | None:
    quiet = to.preferences.quiet_hours
    # What comes late for another mail's sake is as urgent as it was.
    is_let_through = quiet.allow_immediate and digest.kind == "spacing" and _is_urgent(digest)
    if endpoint.channel in quiet.channels and not is_let_through and (until := held_until(quiet, to.tz, now)):
        return "quiet_hours", until
    # One that was ordered for this hour comes at this hour.
    spaced = digest.kind == "spacing" and endpoint.channel == "email"
    if spaced and to.mailed_at is not None and now < to.mailed_at + SPACING:
        return "email_spacing", to.mailed_at + SPACING
    return None


def _is_urgent(digest: Digest) -> bool:
    return any(PRIORITIES[item.topic] == "immediate" for item in digest.items)


def decide_code(code: Code, endpoint: Endpoint, now: datetime) -> Decision:
    """Just before a code is sent: the person waits for it, so nothing but its own end can be in the way."""
    if code.expires_at <= now:
        return Decision(channel=endpoint.channel, endpoint=endpoint.id, action="drop", reason="expired")
    return Decision(channel=endpoint.channel, endpoint=endpoint.id, action="send", reason="preferences")


def _facts(notification: Notification, to: Recipient, now: datetime, *, read: bool) -> _Facts:
    actor, expires_at = notification.actor, notification.expires_at
    whose: Reason | None = None
    if actor is not None:
        whose = "own_action" if actor == to.user else "blocked" if actor in to.blocked else None
    return _Facts(
        to.preferences.wishes(notification.topic, notification.priority),
        notification.priority,
        whose,
        bool(to.preferences.muted) and _is_muted(notification, to, now),
        expires_at is not None and expires_at <= now,
        read,
        to.suspended,
    )


def _is_muted(notification: Notification, to: Recipient, now: datetime) -> bool:
    return to.preferences.mutes(
        {
            "user": notification.actor,
            "content": notification.content,
            "zone": notification.zone,
            "conversation": notification.conversation,
        },
        now,
    )


def _quiet_until(notification: Notification, to: Recipient, now: datetime) -> datetime | None:
    quiet = to.preferences.quiet_hours
    if quiet.allow_immediate and notification.priority == "immediate":
        return None
    return held_until(quiet, to.tz, now)


@lru_cache(maxsize=10_000)
def _without_endpoints(facts: _Facts) -> tuple[Decision, ...]:
    return tuple(_without_endpoint(facts, channel) for channel in CHANNELS)


def _without_endpoint(facts: _Facts, channel: ChannelKind) -> Decision:
    reason = _obstacle(facts, channel, refused=False, usable=channel == "in_app")
    if reason is not None:
        return Decision(channel=channel, endpoint=None, action="drop", reason=reason)
    return Decision(channel=channel, endpoint=None, action="send", reason="preferences")


def _decide(case: _Case, endpoint: Endpoint, *, usable: bool) -> Decision:
    refused = case.to.refused.get(endpoint.id, ())
    no_consent = "" in refused or case.notification.topic in refused
    reason = _obstacle(case.facts, endpoint.channel, refused=no_consent, usable=usable)
    if reason is not None:
        return Decision(channel=endpoint.channel, endpoint=endpoint.id, action="drop", reason=reason)
    wish = case.facts.wishes[CHANNELS.index(endpoint.channel)]
    ordinary = Decision(channel=endpoint.channel, endpoint=endpoint.id, action="send", reason="preferences")
    return next(_delays(case, endpoint, wish), ordinary)


@lru_cache(maxsize=10_000)
def _obstacle(facts: _Facts, channel: ChannelKind, *, refused: bool, usable: bool) -> Reason | None:
    """The first of what stands in the way for good."""
    return next(_obstacles(facts, channel, refused=refused, usable=usable), None)


def _obstacles(facts: _Facts, channel: ChannelKind, *, refused: bool, usable: bool) -> Iterator[Reason]:
    wish = facts.wishes[CHANNELS.index(channel)]
    if facts.whose is not None:
        yield facts.whose
    if facts.suspended and channel != "in_app":
        yield "blocked"  # by the platform: no reason says that somebody is suspended, and this comes nearest
    if wish == "channel_off":
        yield "channel_off"
    if wish == "topic_off":
        yield "topic_off"
    if refused:
        yield "unsubscribed"
    if facts.muted:
        yield "muted"
    if not _is_urgent_enough(facts.priority, channel):
        yield "below_priority"
    if not usable:
        yield "no_endpoint"
    if facts.expired:
        yield "expired"
    if facts.read:
        yield "read_already"


def _is_urgent_enough(priority: Priority, channel: ChannelKind) -> bool:
    if channel == "sms":
        return priority == "immediate"
    return channel == "in_app" or priority != "silent"


def _delays(case: _Case, endpoint: Endpoint, wish: Wish) -> Iterator[Decision]:
    """What keeps it from being sent now, in this order."""
    preferences, mailed_at = case.to.preferences, case.to.mailed_at
    channel, name = endpoint.channel, endpoint.id
    if wish == "digest" and not case.again:
        yield Decision(channel=channel, endpoint=name, action="digest", reason="digest")
    if case.quiet_until is not None and channel in preferences.quiet_hours.channels:
        yield _held(case, endpoint, "quiet_hours", case.quiet_until)
    if channel == "email" and mailed_at is not None and case.now < mailed_at + SPACING:
        held = _held(case, endpoint, "email_spacing", mailed_at + SPACING)
        if case.again or held.action == "drop":
            yield held
        yield Decision(channel=channel, endpoint=name, action="digest", reason="email_spacing")
    if channel in case.to.limited:
        yield Decision(channel=channel, endpoint=name, action="drop", reason="rate_limited")


def _held(case: _Case, endpoint: Endpoint, reason: Reason, until: datetime) -> Decision:
    expires_at = case.notification.expires_at
    if expires_at is not None and expires_at <= until:
        return Decision(channel=endpoint.channel, endpoint=endpoint.id, action="drop", reason="expired")
    return Decision(channel=endpoint.channel, endpoint=endpoint.id, action="hold", reason=reason, until=until)
