"""Owns the ledger of consent: who allowed or refused what on an address; written to, never changed.

Of an erased person the refusals stay, without the person: the address becomes a digest that only tells
whether an address somebody brings is the one that was refused, and so does one that nobody has. The digest
is made with the database's own name, so that it says nothing elsewhere; who holds the database could still
try addresses.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Final
from uuid import UUID

from schemas.db import Source

EVERY_TOPIC: Final = ""

EARNED: Final = ("bounce", "complaint", "suppressed")
"""Sources of refusals that nobody asked for: what came of sending there."""

Place = tuple[str, str]
"""A channel and an address on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewConsent:
    """One thing said about an address: by its owner, by the provider, or by what happened to a sending."""

    channel: str
    address: str
    allowed: bool
    source: str
    topic: str = EVERY_TOPIC
    detail: str | None = None
    user_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent(NewConsent):
    """An entry of the ledger."""

    n: int
    at: datetime


COLUMNS: Final = ", ".join(field.name for field in fields(Consent))

DIGEST: Final = (
    "'erased:' || encode(sha256(convert_to("
    "(SELECT instance::text FROM hub_meta) || ' ' || {channel} || ' ' || {address}, 'UTF8')), 'hex')"
)
# Nobody has it any more, or never had: in clear it would only be what an erased person left behind.
ADD: Final = f"""
INSERT INTO consent (channel, address, topic, allowed, source, detail, user_id, at)
VALUES ($1, CASE WHEN $7::text IS NULL AND NOT EXISTS (SELECT FROM endpoints
                                                       WHERE channel = $1 AND address IN ($2, $9))
                 THEN {DIGEST.format(channel="$1", address="$2")} ELSE $2 END, $3, $4, $5, $6, $7, $8)
RETURNING n
"""
REFUSED: Final = f"""
SELECT channel, address, array_agg(topic) AS topics FROM (
    SELECT DISTINCT ON (g.channel, g.address, c.topic) g.channel, g.address, c.topic, c.allowed
    FROM (SELECT DISTINCT channel, address FROM unnest($1::text[], $2::text[]) AS x (channel, address)) g
    JOIN consent c ON c.channel = g.channel
        AND c.address IN (g.address, {DIGEST.format(channel="g.channel", address="g.address")})
    ORDER BY g.channel, g.address, c.topic, c.n DESC) last
WHERE NOT allowed GROUP BY channel, address
"""
FOLLOW: Final = f"""
WITH last AS (
    SELECT DISTINCT ON (g.address, topic) g.address, topic, allowed, source, user_id
    FROM unnest(ARRAY[$2::text, $3::text]) AS g (address) JOIN consent c ON c.channel = $1
        AND c.address IN (g.address, {DIGEST.format(channel="$1", address="g.address")})
    ORDER BY g.address, topic, n DESC
)
INSERT INTO consent (channel, address, topic, allowed, source, detail, user_id, at)
SELECT $1, $3, topic, false, source, 'the address has become another', user_id, $4
FROM last old WHERE address = $2 AND NOT allowed
  AND NOT EXISTS (SELECT FROM last new WHERE new.address = $3 AND new.topic = old.topic AND NOT new.allowed)
"""
# Since everything was allowed for the last time; one who unsubscribed afterwards has not undone it.
IS_EARNED: Final = f"""
WITH here AS (
    SELECT n, allowed, source FROM consent
    WHERE channel = $1 AND topic = '' AND address IN ($2, {DIGEST.format(channel="$1", address="$2")})
)
SELECT EXISTS (SELECT FROM here WHERE NOT allowed AND source = ANY($3)
               AND n > coalesce((SELECT max(n) FROM here WHERE allowed), 0))
"""
OF_ADDRESS: Final = f"""
SELECT {COLUMNS} FROM consent
WHERE channel = $1 AND address IN ($2, {DIGEST.format(channel="$1", address="$2")}) ORDER BY n DESC LIMIT $3
"""
# What a person wrote, and what nobody signed of addresses that they have proved, also under their digests:
# who only names the address of somebody else, or had it once, must not learn what is refused there.
OF_USER: Final = f"""
WITH mine AS (
    SELECT DISTINCT channel, CASE channel WHEN 'email' THEN lower(address) ELSE address END AS address
    FROM endpoints WHERE user_id = $1 AND verified_at IS NOT NULL AND (state = 'active'
        OR state = 'retired' AND coalesce(retired_reason, '') NOT IN ('removed', 'replaced'))
), written AS (
    SELECT channel, address, address AS clear FROM mine
    UNION ALL SELECT channel, {DIGEST.format(channel="channel", address="address")}, address FROM mine
), theirs AS (
    SELECT n FROM consent WHERE user_id = $1
    UNION SELECT c.n FROM written w JOIN consent c USING (channel, address) WHERE c.user_id IS NULL
)
SELECT c.n, c.channel, coalesce(w.clear, c.address) AS address, c.topic, c.allowed, c.source, c.detail,
    c.user_id, c.at
FROM theirs JOIN consent c USING (n) LEFT JOIN written w ON w.channel = c.channel AND w.address = c.address
WHERE $2::bigint IS NULL OR n < $2 ORDER BY n DESC LIMIT $3
"""


def same(channel: str, address: str) -> str:
    """The address as the ledger writes it, however it was spelled: of e-mail, capitals mean nothing."""
    return address.lower() if channel == "email" else address


class ConsentLedger:
    """The last entry for a channel, address and topic counts; the topic `""` speaks of all topics."""

    async def add(self, conn: Source, entry: NewConsent, at: datetime) -> int:
        """Write an entry; answers its number. An address that nobody has is written as its digest."""
        n: int = await conn.fetchval(
            ADD,
            entry.channel,
            same(entry.channel, entry.address),
            entry.topic,
            entry.allowed,
            entry.source,
            entry.detail,
            entry.user_id,
            at,
            entry.address,
        )
        return n

    async def refused(self, conn: Source, places: Collection[Place]) -> Mapping[Place, frozenset[str]]:
        """Answer the topics that are refused on addresses; an address that refuses nothing is absent."""
        asked = {place: same(*place) for place in places}
        rows = await conn.fetch(REFUSED, [channel for channel, _ in asked], list(asked.values()))
        found = {(row["channel"], row["address"]): frozenset(row["topics"]) for row in rows}
        return {place: found[place[0], alike] for place, alike in asked.items() if (place[0], alike) in found}

    async def follow(self, conn: Source, channel: str, address: str, moved_to: str, at: datetime) -> None:
        """What is refused on an address is refused on the one that it became."""
        await conn.execute(FOLLOW, channel, same(channel, address), same(channel, moved_to), at)

    async def is_earned(self, conn: Source, channel: str, address: str) -> bool:
        """Whether sending there ended in a bounce or a complaint, and nobody has allowed it since."""
        return bool(await conn.fetchval(IS_EARNED, channel, same(channel, address), EARNED))

    async def of_user(
        self, conn: Source, user: str, *, before: int | None = None, limit: int = 100
    ) -> list[Consent]:
        """Answer what was written about a person's addresses, each once, the newest first.

        What another person wrote of such an address is theirs.
        """
        return [Consent(**row) for row in await conn.fetch(OF_USER, user, before, limit)]

    async def of_address(self, conn: Source, channel: str, address: str, limit: int = 100) -> list[Consent]:
        """Answer what was written about an address, the newest first."""
        rows = await conn.fetch(OF_ADDRESS, channel, same(channel, address), limit)
        return [Consent(**row) for row in rows]


def refusals(
    refused: Mapping[Place, frozenset[str]], endpoints: Sequence[tuple[UUID, str, str]]
) -> dict[UUID, frozenset[str]]:
    """Bring refusals from addresses to endpoints (id, channel, address)."""
    return {
        endpoint: refused[channel, address]
        for endpoint, channel, address in endpoints
        if (channel, address) in refused
    }
