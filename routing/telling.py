"""Owns how people are told of an event: decisions, inbox, what is sent or gathered, packets: all at once.

Router and walker both write through this. What the inbox gets is delivered by that commit.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid5

from bus import telemetry
from bus.base import Target
from bus.outbox import Outbox
from routing import packets
from routing.choices import Choice, Choices
from routing.collapse import Collapse, Doing, Gathered, Key
from routing.decide import SPACING
from routing.digest import due_for
from routing.members import ChannelKind
from routing.model import Notification, Recipient
from routing.people import People
from schemas.db import Connection
from schemas.ids import uuid7
from schemas.store.decisions import Decisions
from schemas.store.deliveries import Deliveries, NewDelivery, Priorities
from schemas.store.digests import Digests, NewItem
from schemas.store.notifications import NAMES, Notifications, StoredNotification

IN_APP: Final = "in_app"
TICK: Final = timedelta(microseconds=1)
"""Between the notifications of events that are told of at once: an inbox shows the latest first."""


@dataclass(frozen=True, slots=True)
class Telling:
    """A notification, and whom it is for."""

    notification: Notification
    recipients: Sequence[Recipient]


@dataclass(slots=True)
class _Written:
    """What a transaction is about to write."""

    inbox: list[tuple[Any, ...]] = field(default_factory=list)
    decisions: list[tuple[Any, ...]] = field(default_factory=list)
    deliveries: list[NewDelivery] = field(default_factory=list)
    gathered: list[NewItem] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Chosen:
    """One telling with what was chosen for each person."""

    notification: Notification
    fresh: StoredNotification
    choices: Sequence[tuple[Recipient, Choice]]

    def doing(self, to: Recipient) -> Doing:
        return Doing(self.notification, _for(self.fresh, to.user))


class Teller:
    """Tells people; `channels` are those that this deployment can send on, beside in-app."""

    def __init__(self, outbox: Outbox, people: People, channels: Collection[ChannelKind] = ()) -> None:
        self._outbox = outbox
        self._channels = frozenset[ChannelKind]({IN_APP, *channels})
        self._collapse = Collapse(people)
        self._notifications = Notifications()
        self._decisions = Decisions()
        self._deliveries = Deliveries()
        self._digests = Digests()

    async def tell(
        self, tx: Connection, notification: Notification, recipients: Sequence[Recipient], now: datetime
    ) -> None:
        """Tell people of one event."""
        await self.share(tx, [to.user for to in recipients])
        await self.tell_all(tx, [Telling(notification, recipients)], now)

    async def share(self, tx: Connection, users: Collection[str]) -> None:
        """Before people are loaded: who changes their mind, or is erased, comes before or after all of it."""
        await self._notifications.share(tx, sorted(users))

    async def tell_all(self, tx: Connection, tellings: Sequence[Telling], now: datetime) -> None:
        """Tell of several events, in their order; of one event, a person is told once.

        The caller has shared the inboxes of these people.
        """
        if not any(telling.recipients for telling in tellings):
            return
        chosen = await self._chosen(tx, tellings, now)
        gathered = await self._collapse.gather(
            tx,
            [
                one.doing(to)
                for one in chosen
                if one.notification.collapse
                for to, c in one.choices
                if c.in_app
            ],
        )
        written = _Written()
        for one in chosen:
            _write(written, one, gathered, now)
        written.targets += _packets(gathered, chosen, now)
        await self._store(tx, written, now)
        _count([choice for one in chosen for _, choice in one.choices])

    async def _chosen(self, tx: Connection, tellings: Sequence[Telling], now: datetime) -> list[_Chosen]:
        """Choose for whoever was not told of the event yet."""
        told = await self._told(tx, tellings)
        chosen: list[_Chosen] = []
        instants: dict[UUID, datetime] = {}  # of an event: its notifications in other languages share it
        for telling in tellings:
            choices = Choices(telling.notification, now, self._channels)
            event_id = telling.notification.event_id
            picked = []
            for to in telling.recipients:
                if (event_id, to.user) not in told:
                    told.add((event_id, to.user))
                    picked.append((to, choices.of(to)))
            if picked:
                at = instants.setdefault(event_id, now + len(instants) * TICK)
                chosen.append(_Chosen(telling.notification, _fresh(telling.notification, at), picked))
        return chosen

    async def _told(self, tx: Connection, tellings: Sequence[Telling]) -> set[tuple[UUID, str]]:
        event_id = tellings[0].notification.event_id
        if all(one.notification.event_id == event_id for one in tellings):
            users = [to.user for one in tellings for to in one.recipients]
            return {(event_id, user) for user in await self._decisions.known_of(tx, event_id, users)}
        pairs = [(one.notification.event_id, to.user) for one in tellings for to in one.recipients]
        return await self._decisions.known(tx, pairs)

    async def _store(self, tx: Connection, written: _Written, now: datetime) -> None:
        if written.inbox:
            await self._notifications.insert(tx, written.inbox)
        await self._decisions.insert(tx, written.decisions)
        if written.deliveries:
            await self._deliveries.insert(tx, written.deliveries)
        if written.gathered:
            await self._digests.add(tx, written.gathered, now)
        await self._outbox.push(tx, *written.targets)


def _count(choices: Sequence[Choice]) -> None:
    """Those who are alike share one choice, so a walk through a million people counts few."""
    times = Counter(map(id, choices))
    for choice in {id(one): one for one in choices}.values():
        for one in (*choice.general, *choice.of_endpoints):
            telemetry.DECISIONS.labels("arrival", one.channel, one.action, one.reason).inc(times[id(choice)])


def notification_id(notification: Notification) -> UUID:
    """The same for everybody who is told of an event under a topic: one packet serves them all."""
    return uuid5(notification.event_id, notification.topic)


def _fresh(notification: Notification, now: datetime) -> StoredNotification:
    """The notification of an event alone; of nobody yet."""
    return StoredNotification(
        user_id="",
        id=notification_id(notification),
        topic=notification.topic,
        priority=notification.priority,
        title=notification.title,
        text=notification.text,
        url=notification.url,
        actors=[] if notification.actor is None else [notification.actor],
        count=1,
        event_ids=[notification.event_id],
        collapse_key=notification.collapse,
        state="unread",
        badge=notification.priority != "silent",
        created_at=now,
        updated_at=now,
    )


def _for(fresh: StoredNotification, user: str) -> StoredNotification:
    return StoredNotification(user_id=user, **{name: getattr(fresh, name) for name in NAMES[1:]})


def _write(written: _Written, one: _Chosen, gathered: dict[Key, Gathered], now: datetime) -> None:
    """Make the rows of one telling, but for notifications that gather."""
    notification, fresh = one.notification, one.fresh
    event_id, topic, actor = notification.event_id, notification.topic, notification.actor
    gathers = notification.collapse is not None
    rest = tuple(getattr(fresh, name) for name in NAMES[1:])
    inbox = []
    for to, choice in one.choices:
        shown_as = fresh.id
        if choice.in_app and notification.collapse:
            shown_as = gathered[to.user, notification.collapse].stored.id
        elif choice.in_app:
            inbox.append(to.user)
        row = (event_id, to.user, shown_as, topic, actor, choice.stored(to), now, gathers)
        written.decisions.append(row)
        if to.endpoints:
            written.deliveries += _deliveries(notification, to, choice, shown_as, now)
            written.gathered += _gathered(notification, to, choice, shown_as, now)
    if inbox:
        written.inbox += [(user, *rest) for user in inbox]
        written.targets += packets.created(_for(fresh, inbox[0]), inbox, now, actor)


def _deliveries(
    notification: Notification, to: Recipient, choice: Choice, shown_as: UUID, now: datetime
) -> list[NewDelivery]:
    return [
        NewDelivery(
            id=uuid7(),
            user_id=to.user,
            event_id=notification.event_id,
            notification_id=shown_as,
            topic=notification.topic,
            priority=Priorities[notification.priority],
            channel=endpoint.channel,
            endpoint_id=endpoint.id,
            address=endpoint.address,
            status="held" if one.action == "hold" else "queued",
            reason=one.reason if one.action == "hold" else None,
            due_at=one.until or now,
            expires_at=notification.expires_at,
            created_at=now,
        )
        for endpoint, one in zip(to.endpoints, choice.of_endpoints, strict=True)
        if one.action in ("send", "hold")
    ]


def _gathered(
    notification: Notification, to: Recipient, choice: Choice, shown_as: UUID, now: datetime
) -> list[NewItem]:
    """What goes into digests: that of the day or week, or the mail that comes an hour after the last."""
    return [
        NewItem(
            to.user,
            endpoint.channel,
            endpoint.id,
            "scheduled" if one.reason == "digest" else "spacing",
            due_for(to, now) if one.reason == "digest" else (to.mailed_at or now) + SPACING,
            notification.event_id,
            shown_as,
            notification.topic,
        )
        for endpoint, one in zip(to.endpoints, choice.of_endpoints, strict=True)
        if one.action == "digest"
    ]


def _packets(gathered: dict[Key, Gathered], chosen: Sequence[_Chosen], now: datetime) -> list[Target]:
    """Tell of what gathers: those for whom it is new and alike share an entry."""
    targets: list[Target] = []
    alike: dict[tuple[UUID, str, str | None], list[Gathered]] = defaultdict(
        list
    )  # each language says it anew
    for one in gathered.values():
        latest = one.stored.actors[0] if one.stored.actors else None
        if not one.is_new:
            targets += packets.updated(one.stored, now, latest)
        elif one.has_grown:
            targets += packets.created(one.stored, [one.stored.user_id], now, latest)
        else:
            alike[one.stored.id, one.stored.title, one.stored.text].append(one)
    for same in alike.values():
        first = same[0].stored
        latest = first.actors[0] if first.actors else None
        targets += packets.created(first, [one.stored.user_id for one in same], now, latest)
    return targets
