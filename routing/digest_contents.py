"""Owns what a digest says at the moment it is sent: what of it is unread by now, and still wanted."""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Final, cast
from uuid import UUID

import structlog

from bus.seldom import Seldom
from routing.catalog import CATALOG, said
from routing.decide import decide_again
from routing.digest_items import Wanted, items_of
from routing.members import PRIORITIES, ChannelKind
from routing.model import Digest, Endpoint, Notification, Reason, Recipient
from routing.retelling import Recipients
from schemas.clock import Clock
from schemas.db import Connection
from schemas.events.base import Event
from schemas.events.notifications import Topic
from schemas.events.registry import REGISTRY
from schemas.store import events as store
from schemas.store.digests import Digests, StoredDigest, StoredItem
from schemas.store.users import Users

log = structlog.get_logger(__name__)

_say_untold: Final = Seldom(log, level=logging.ERROR)


class DigestContents:
    """Reads digests, after they were closed: nothing is added to them any more."""

    def __init__(self, people: Recipients, clock: Clock) -> None:
        self._people = people
        self._clock = clock
        self._digests = Digests()
        self._users = Users()

    async def load(self, tx: Connection, ids: Sequence[UUID]) -> dict[UUID, Digest]:
        """Answer digests that are known; one of which nothing is left to say has no items.

        What is left out is noted with the reason.
        """
        digests = await self._digests.get_many(tx, ids)
        rows = await self._digests.contents(tx, ids)
        people = await self._people.load(tx, list({one.user_id for one in digests}))
        events = await _events(tx, rows)
        names = await self._users.names(tx, {user for event in events.values() for user in event.users()})
        held = {key: list(theirs) for key, theirs in groupby(rows, key=lambda row: row.digest_id)}
        said = {
            one.id: self._said(one, held.get(one.id, []), people[one.user_id], events, names)
            for one in digests
            if one.user_id in people
        }
        told = [(key, name, why) for key, (_, looked_at) in said.items() for name, why in looked_at.items()]
        await self._digests.leave_out(tx, list(said), told)
        return {key: digest for key, (digest, _) in said.items()}

    def _said(
        self,
        one: StoredDigest,
        rows: Sequence[StoredItem],
        to: Recipient,
        events: Mapping[UUID, Event],
        names: Mapping[str, str],
    ) -> tuple[Digest, dict[UUID, Reason | None]]:
        """The digest, and of each notification that was looked at why it is left out, if it is."""
        endpoint = Endpoint(id=one.endpoint_id, channel=cast("ChannelKind", one.channel), address="")
        # Of the limits the whole counts as one, and is decided about as one.
        unlimited = replace(to, mailed_at=None, limited=frozenset())
        wanted: list[Wanted] = []
        looked_at: dict[UUID, Reason | None] = {}
        for row in rows:
            if looked_at.get(row.notification_id, "") is None:
                continue
            told = _told(row, events.get(row.event_id), names, to)
            looked_at[row.notification_id] = why = self._obstacle(row, told, unlimited, endpoint)
            if why is None:
                wanted.append((row, told))
        is_daily = to.preferences.digest.mode == "daily"
        items = tuple(items_of(wanted, names))
        digest = Digest(
            id=one.id,
            kind=one.kind,
            items=items,
            mode="daily" if is_daily else "weekly",
            left_out=_common(looked_at.values()),
        )
        return digest, looked_at

    def _obstacle(
        self, row: StoredItem, told: Notification | None, to: Recipient, endpoint: Endpoint
    ) -> Reason | None:
        if told is not None:
            decision = decide_again(told, to, endpoint, self._clock.now(), read=False)
            return decision.reason if decision.action == "drop" else None
        if row.title is None:  # neither the log nor the inbox knows it any more
            return "expired"
        topic = cast("Topic", row.topic)
        wish = to.preferences.wants(topic, PRIORITIES[topic], endpoint.channel)
        return None if wish in ("send", "digest") else cast("Reason", wish)


def _common(reasons: Iterable[Reason | None]) -> Reason:
    """What was not looked at at all was read."""
    counted = Counter(why for why in reasons if why is not None)
    return counted.most_common(1)[0][0] if counted else "read_already"


async def _events(tx: Connection, rows: Sequence[StoredItem]) -> dict[UUID, Event]:
    known = await store.known(tx, list({row.event_id for row in rows})) if rows else {}
    found: dict[UUID, Event] = {}
    for key, row in known.items():
        if row["id"] is None:
            continue
        try:
            found[key] = REGISTRY.decode(store.wire(row))
        except Exception as error:  # noqa: BLE001  it is said, and the rest of the digest is not to blame
            log.error("an event of a digest cannot be read", event_id=str(key), error=type(error).__name__)  # noqa: TRY400  a trace shows content
    return found


def _told(
    row: StoredItem, event: Event | None, names: Mapping[str, str], to: Recipient
) -> Notification | None:
    entries = CATALOG.get(type(event), ()) if event else ()
    entry = next((entry for entry in entries if entry.topic == row.topic), None)
    if event is None or entry is None:
        return None
    try:
        return said(event, entry, names, to.locale, to.tz)
    except Exception as error:  # noqa: BLE001  it is said, and the rest of the digest is not to blame
        _say_untold("an event of a digest cannot be told", event_id=str(event.id), error=type(error).__name__)
        return None
