"""Owns how an address is proved to be somebody's: what is asked for, how often, and what a proof changes.

A phone number is proved by six digits within ten minutes, an e-mail address by a link within a day: mails
may come hours late, and nobody guesses a link. Whoever asks is told what they did themselves, and never
what others did with the same address: where an address has had enough messages, or wants none, nothing more
is sent there, and the answer is the same.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

from routing.consent import Consents, InvalidLinkError, Links, Scope
from routing.proofs import Proofs
from routing.rescheduling import reschedule
from schemas.clock import Clock
from schemas.db import Connection, Source
from schemas.ids import uuid7
from schemas.store.consent import EVERY_TOPIC
from schemas.store.deliveries import Deliveries, NewDelivery
from schemas.store.endpoints import Endpoints, StoredEndpoint
from schemas.store.verifications import Verification, Verifications

PROVABLE: Final = ("sms", "email")
TOPIC: Final = "verification"
LIVES: Final[Mapping[str, timedelta]] = {"sms": timedelta(minutes=10), "email": timedelta(hours=24)}
SIX_DIGITS: Final = re.compile("[0-9]{6}")
TRIES: Final = 5
"""So many wrong ones end a code."""
PER: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
SHARE: Final = 2
"""So many of the messages that reach an address in an hour one person may ask for."""
BEYOND: Final = 3
"""So many times as much reaches an address while each is the first for another person.

Else whoever asks for a stranger's address would keep its owner from proving it.
"""
REST: Final = timedelta(seconds=30)
"""From one message to the next, while the first may still come and count."""


class TooSoonError(Exception):
    """The person has asked too often; `wait` tells how long it takes until they may again."""

    def __init__(self, wait: timedelta) -> None:
        super().__init__("a message was asked for too often")
        self.wait = wait


Result = Literal["proved", "wrong", "malformed", "no_code", "before", "gone", "open"]


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationLimits:
    """Messages in an hour and in a day: that one person asks for, and that reach one address."""

    person: int = 10
    address: int = 5
    person_a_day: int = 30
    address_a_day: int = 10


@dataclass(frozen=True, slots=True)
class Proved:
    """What came of a try. `before`: it was proved already; `gone`: the endpoint was given up.

    `open` comes of a look alone: a try would prove it.
    """

    result: Result
    endpoint: StoredEndpoint | None = None
    tries_left: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """The last message that was asked for, and when the next may be; `waits`: not yet."""

    last: Verification | None
    again_at: datetime
    waits: bool

    @property
    def tries_left(self) -> int:
        return TRIES - self.last.tries if self.last else 0


class Verifying:
    """Each method that changes something runs in the caller's transaction, one after the other per person."""

    def __init__(
        self, clock: Clock, links: Links, consents: Consents, limits: VerificationLimits | None = None
    ) -> None:
        self._clock = clock
        self._proofs = Proofs(links)
        self._consents = consents
        self._limits = limits or VerificationLimits()
        self._endpoints = Endpoints()
        self._verifications = Verifications()
        self._deliveries = Deliveries()

    async def standings(self, source: Source, user: str, endpoints: Iterable[UUID]) -> dict[UUID, Standing]:
        """Answer how it stands with endpoints of a person, as far as a message was asked for of late."""
        now = self._clock.now()
        last = await self._verifications.last_of_each(source, user, now - max(LIVES.values()))
        asked = await self._verifications.asked(source, user, now - DAY)
        return {key: self._standing(key, last.get(key), asked, now) for key in endpoints}

    async def standing(self, tx: Connection, endpoint: StoredEndpoint) -> Standing:
        now = self._clock.now()
        last = await self._verifications.latest(tx, endpoint.id)
        asked = await self._verifications.asked(tx, endpoint.user_id, now - DAY)
        return self._standing(endpoint.id, last, asked, now)

    async def ask(self, tx: Connection, endpoint: StoredEndpoint) -> Standing:
        """Send a new code or link; the one before counts no more. The caller has locked the person.

        Raises TooSoonError.
        """
        before, now = await self.standing(tx, endpoint), self._clock.now()
        if now < before.again_at:
            raise TooSoonError(before.again_at - now)
        await self._verifications.lock_address(tx, endpoint.channel, endpoint.address)
        made = Verification(
            id=uuid7(),
            user_id=endpoint.user_id,
            endpoint_id=endpoint.id,
            channel=endpoint.channel,
            address=endpoint.address,
            created_at=now,
            expires_at=now + LIVES[endpoint.channel],
            quiet=await self._is_unwanted(tx, endpoint) or await self._has_had_enough(tx, endpoint, now),
        )
        await self._verifications.add(tx, made)
        if not made.quiet:
            await self._deliveries.insert(tx, [_delivery(made, now)])
        return await self.standing(tx, endpoint)

    async def repeat(self, tx: Connection, endpoint: StoredEndpoint) -> None:
        """Send the last message after all if it was taken back, as by a removal, before it had gone out.

        It counts already: whoever brings an address over and over gets no more messages than others.
        """
        last, now = await self._verifications.latest(tx, endpoint.id), self._clock.now()
        if last is None or last.quiet or not is_open(last, now) or await self._is_unwanted(tx, endpoint):
            return
        if await self._verifications.was_taken_back(tx, last):
            await self._deliveries.insert(tx, [_delivery(last, now)])

    async def prove(self, tx: Connection, user: str, endpoint: UUID, given: str) -> Proved:
        """Try what the person brought for an endpoint of theirs; a wrong try counts, a slip does not."""

        def fits(last: Verification) -> bool | None:
            if last.channel == "sms" and not SIX_DIGITS.fullmatch(given):
                return None
            right = self._proofs.fits(last.channel, last.id, given)
            return right and not last.quiet

        return await self._settle(tx, user, endpoint, fits)

    async def of_link(self, source: Source, token: str) -> Verification | None:
        """Answer what a link of a mail is about, if that is still known; raises InvalidLinkError."""
        found = await self._verifications.get(source, self._proofs.read(token))
        if found is not None and found.channel != "email":
            raise InvalidLinkError("the link is not one of a mail")
        return found

    async def look(self, conn: Connection, one: Verification) -> Proved:
        """Answer what a click on a link would find; changes nothing."""
        endpoint = await self._endpoints.get(conn, one.endpoint_id)
        if endpoint is None or endpoint.state == "retired":
            return Proved("gone")
        if endpoint.state == "active":
            return Proved("before", endpoint)
        last = await self._verifications.latest(conn, one.endpoint_id)
        good = last is not None and last.id == one.id and is_open(last, self._clock.now())
        return Proved("open" if good else "no_code", endpoint)

    async def prove_by_link(self, tx: Connection, one: Verification) -> Proved:
        """Whoever has the mail proves it, signed in or not; a link that counts no more changes nothing."""
        await self._endpoints.lock(tx, one.user_id)
        found = await self.look(tx, one)
        if found.result != "open":
            return found
        return await self._settle(tx, one.user_id, one.endpoint_id, lambda last: last.id == one.id)

    async def _settle(
        self, tx: Connection, user: str, endpoint_id: UUID, fits: Callable[[Verification], bool | None]
    ) -> Proved:
        """`fits` answers None to what cannot be a code at all."""
        now = self._clock.now()
        await self._endpoints.lock(tx, user)
        endpoint = await self._endpoints.get(tx, endpoint_id)
        if endpoint is None or endpoint.user_id != user or endpoint.state == "retired":
            return Proved("gone")
        if endpoint.state == "active":
            return Proved("before", endpoint)
        last = await self._verifications.take_latest(tx, endpoint_id)
        if last is None or not is_open(last, now):
            return Proved("no_code", endpoint)
        right = fits(last)
        if right is None:
            return Proved("malformed", endpoint)
        if not right:
            await self._verifications.miss(tx, last.id)
            return Proved("wrong", endpoint, TRIES - last.tries - 1)
        return await self._accept(tx, last, now)

    async def _accept(self, tx: Connection, last: Verification, now: datetime) -> Proved:
        # It may have been given up since it was read: that takes no lock of the person.
        verified = await self._endpoints.verify(tx, last.user_id, last.endpoint_id, now)
        if verified is None:
            return Proved("gone")
        await self._verifications.use(tx, last.id, now)
        await self._consent(tx, verified)
        await reschedule(tx, verified.user_id, self._clock)
        return Proved("proved", verified)

    async def _consent(self, tx: Connection, endpoint: StoredEndpoint) -> None:
        """Who proves an address wants to be written to there, whatever was refused before.

        Whoever reads our mail disproves that it bounces; STOP only START undoes, which the carrier hears.
        """
        channel, address = endpoint.channel, endpoint.address
        if channel != "sms" and await self._consents.refused(tx, channel, address):
            await self._consents.start(tx, Scope(channel, address), source="settings", user=endpoint.user_id)

    async def _is_unwanted(self, tx: Connection, endpoint: StoredEndpoint) -> bool:
        """Whether the address refuses everything, and is a stranger's as far as the hub knows."""
        refused = await self._consents.refused(tx, endpoint.channel, endpoint.address)
        if endpoint.channel == "sms":
            return bool(refused)  # whoever has the number said STOP
        own = endpoint.of_profile or endpoint.verified_at is not None
        return EVERY_TOPIC in refused and not own

    async def _has_had_enough(self, tx: Connection, endpoint: StoredEndpoint, now: datetime) -> bool:
        """Whether nothing more may be sent there; one who is not the only one to ask must not learn it."""
        sent = await self._verifications.sent_to(tx, endpoint.channel, endpoint.address, now - DAY)
        for within, most in ((PER, self._limits.address), (DAY, self._limits.address_a_day)):
            for_whom = [user for user, at in sent if at > now - within]
            first = endpoint.user_id not in for_whom
            if len(for_whom) >= (BEYOND * most if first else most):
                return True
        return False

    def _standing(
        self,
        endpoint: UUID,
        last: Verification | None,
        asked: Sequence[tuple[UUID, datetime]],
        now: datetime,
    ) -> Standing:
        """`asked`: by this person within the day, the latest first."""
        here, all_ = [at for one, at in asked if one == endpoint], [at for _, at in asked]
        waits = [now]
        if last is not None and is_open(last, now):
            waits.append(last.created_at + REST)
        for times, most, within in (
            (here, min(SHARE, self._limits.address), PER),
            (here, self._limits.address_a_day, DAY),
            (all_, self._limits.person, PER),
            (all_, self._limits.person_a_day, DAY),
        ):
            if len(times) >= most:
                waits.append(times[most - 1] + within)
        return Standing(last, max(waits), max(waits) > now)


def is_open(one: Verification, now: datetime) -> bool:
    """Whether the right code would still be taken."""
    return one.used_at is None and now < one.expires_at and one.tries < TRIES


def _delivery(made: Verification, now: datetime) -> NewDelivery:
    return NewDelivery(
        id=uuid7(),
        user_id=made.user_id,
        topic=TOPIC,
        priority=0,
        channel=made.channel,
        endpoint_id=made.endpoint_id,
        address=made.address,
        status="queued",
        due_at=now,
        created_at=now,
        expires_at=made.expires_at,
        verification_id=made.id,
    )
