"""Owns what routing must know of people before it decides: for many at once, a statement for each table."""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from functools import lru_cache
from typing import Final
from uuid import UUID

import orjson
import structlog
from pydantic import ValidationError

from bus.seldom import Seldom
from routing.members import CHANNELS, ChannelKind
from routing.model import Endpoint, Recipient
from routing.preferences import DEFAULT, Preferences, read
from routing.texts import resolve
from schemas.clock import Clock, SystemClock
from schemas.db import Source
from schemas.store.consent import ConsentLedger, Place
from schemas.store.deliveries import Deliveries
from schemas.store.endpoints import Endpoints
from schemas.store.preferences import Document, PreferenceDocuments
from schemas.store.sent import Sent
from schemas.store.users import Users

log = structlog.get_logger(__name__)

KINDS: Final[Mapping[str, ChannelKind]] = {kind: kind for kind in CHANNELS}
NOTHING: Final[Mapping[UUID, frozenset[str]]] = {}
FREE: Final = frozenset[ChannelKind]()
MOST: Final = 30
"""Sent to a person on one channel in an hour, unless a setting says otherwise; the inbox has the rest."""
PER: Final = timedelta(hours=1)
_say_unreadable: Final = Seldom(log)


class People:
    """Recipients as they are now."""

    def __init__(self, clock: Clock | None = None, *, most: int = MOST) -> None:
        self._clock = clock or SystemClock()
        self._most = most
        self._sent = Sent()
        self._users = Users()
        self._documents = PreferenceDocuments()
        self._endpoints = Endpoints()
        self._consent = ConsentLedger()
        self._deliveries = Deliveries()

    async def load(
        self, conn: Source, users: Collection[str], *, channels: Collection[str] | None = None
    ) -> dict[str, Recipient]:
        """Answer those who are known, in the order that was asked for.

        With `channels`, only how they are reached on these is looked up.
        """
        standing = await self._users.standing(conn, users)
        documents = await self._documents.get_many(conn, list(users))
        endpoints = await self._endpoints_of(conn, users, channels)
        refused = await self._refused(conn, endpoints)
        mailed = [user for user, theirs in endpoints.items() if any(one.channel == "email" for one in theirs)]
        mails = await self._deliveries.last_mails(conn, mailed) if mailed else {}
        limited = await self._limited(conn, endpoints)
        found: dict[str, Recipient] = {}
        for user in users:
            if user not in standing:
                continue
            tz, locale, suspended = standing[user]
            preferences = _preferences(documents[user]) if user in documents else DEFAULT
            found[user] = Recipient(
                user=user,
                preferences=preferences,
                tz=tz,
                locale=_locale(preferences, locale),
                suspended=suspended,
                endpoints=endpoints.get(user, ()),
                refused=refused.get(user, NOTHING),
                mailed_at=mails.get(user),
                limited=limited.get(user, FREE),
            )
        return found

    async def tongue(self, conn: Source, user: str) -> tuple[str, str | None]:
        """Answer in which language and time zone a person is told."""
        tz, locale, _ = (await self._users.standing(conn, [user])).get(user, (None, None, False))
        documents = await self._documents.get_many(conn, [user])
        preferences = _preferences(documents[user]) if user in documents else DEFAULT
        return _locale(preferences, locale), tz

    async def names(self, conn: Source, users: Collection[str]) -> dict[str, str]:
        """Answer how people are called, for those who said so."""
        return await self._users.names(conn, users) if users else {}

    async def _endpoints_of(
        self, conn: Source, users: Collection[str], channels: Collection[str] | None
    ) -> dict[str, tuple[Endpoint, ...]]:
        found: dict[str, tuple[Endpoint, ...]] = {}
        for one in await self._endpoints.active(
            conn, list(users), None if channels is None else list(channels)
        ):
            endpoint = Endpoint(id=one.id, channel=KINDS[one.channel], address=one.address, kind=one.kind)
            found[one.user_id] = (*found.get(one.user_id, ()), endpoint)
        return found

    async def _limited(
        self, conn: Source, endpoints: Mapping[str, Sequence[Endpoint]]
    ) -> dict[str, frozenset[ChannelKind]]:
        """The channels on which people got as much as anybody gets; asked only of who can be reached."""
        asked = {(user, one.channel) for user, theirs in endpoints.items() for one in theirs}
        full = await self._sent.full(conn, asked, self._clock.now() - PER, self._most) if asked else set()
        found: dict[str, frozenset[ChannelKind]] = {}
        for user, channel in full:
            found[user] = found.get(user, FREE) | {KINDS[channel]}
        return found

    async def _refused(
        self, conn: Source, endpoints: Mapping[str, Sequence[Endpoint]]
    ) -> dict[str, dict[UUID, frozenset[str]]]:
        """Of each person, the endpoints on which something is refused."""
        places: set[Place] = {(one.channel, one.address) for theirs in endpoints.values() for one in theirs}
        refused = await self._consent.refused(conn, places) if places else {}
        if not refused:
            return {}
        return {
            user: {
                one.id: refused[one.channel, one.address]
                for one in theirs
                if (one.channel, one.address) in refused
            }
            for user, theirs in endpoints.items()
        }


def _locale(preferences: Preferences, profile: str | None) -> str:
    """What the person said, where they said it, comes before what the platform told."""
    if preferences is DEFAULT and profile is None:
        return DEFAULT.locale
    said = preferences.locale if "locale" in preferences.model_fields_set else None
    return resolve(said, profile)


def _preferences(document: Document) -> Preferences:
    return parsed(orjson.dumps(document))


@lru_cache(maxsize=4096)
def parsed(document: bytes) -> Preferences:
    """Read what a person said; what cannot be read (a newer hub wrote it) must not keep them from hearing."""
    said = orjson.loads(document)
    try:
        return Preferences.model_validate(said)
    except ValidationError as error:
        _say_unreadable("some of a person's preferences cannot be read, its defaults count", error=str(error))
        return read(said)
