"""Owns provider_state: the token bucket and the breaker of each provider, shared by all processes."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from schemas.db import Source

# By the database's clock: those of the processes may differ by more than a token takes. Tokens of a fourth of
# a second are waited for: calls made one by one would each cost a claim and a commit of their own.
TAKE: Final = """
WITH held AS (
    SELECT least($3::float8,
                 tokens + $2::float8 * extract(epoch FROM clock_timestamp() - refilled_at)) AS filled
    FROM provider_state WHERE provider = $1 AND refilled_at <= clock_timestamp() FOR NO KEY UPDATE
), taken AS (
    UPDATE provider_state SET tokens = h.filled - least($4::int, floor(h.filled)),
        refilled_at = clock_timestamp()
    FROM held h WHERE provider = $1 AND h.filled >= least($4, greatest(1, $2 / 4))
    RETURNING least($4, floor(h.filled)) AS n
), made AS (
    INSERT INTO provider_state (provider, tokens, refilled_at)
    SELECT $1, $3 - least($4, floor($3)), clock_timestamp()
    WHERE NOT EXISTS (SELECT FROM provider_state WHERE provider = $1)
    ON CONFLICT DO NOTHING RETURNING least($4, floor($3)) AS n
)
SELECT coalesce((SELECT n FROM taken), (SELECT n FROM made), 0)::int
"""
# `probing` looks again at the row once its lock is ours, so only one becomes the probe.
ADMIT: Final = """
WITH probing AS (
    UPDATE provider_state SET probe_until = $2::timestamptz + $4::interval
    WHERE provider = $1 AND opened_at + $3::interval <= $2
      AND (probe_until IS NULL OR probe_until <= $2) AND (paused_until IS NULL OR paused_until <= $2)
    RETURNING true
)
SELECT opened_at IS NULL AND (paused_until IS NULL OR paused_until <= $2) AS open,
       EXISTS (SELECT FROM probing) AS probe, failures > 0 OR opened_at IS NOT NULL AS troubled
FROM provider_state WHERE provider = $1
"""


@dataclass(frozen=True, slots=True)
class Gate:
    """How a provider's gate stands: open for all, for one probe, or shut."""

    open: bool
    probe: bool = False
    troubled: bool = False
    """Something failed since the last success."""


class Providers:
    """The state of providers; a row comes to exist with the first token that is taken."""

    async def take(self, source: Source, provider: str, *, rate: float, burst: float, most: int) -> int:
        """Take up to so many tokens of a bucket that gains `rate` a second and holds `burst`."""
        return int(await source.fetchval(TAKE, provider, rate, burst, most))

    async def give_back(self, source: Source, provider: str, count: int) -> None:
        await source.execute(
            "UPDATE provider_state SET tokens = tokens + $2::int WHERE provider = $1", provider, count
        )

    async def drain(self, source: Source, provider: str, for_s: float) -> None:
        """Empty the bucket; it fills again only after a while."""
        await source.execute(
            "UPDATE provider_state SET tokens = 1, refilled_at = greatest(refilled_at,"
            " clock_timestamp() + make_interval(secs => $2)) WHERE provider = $1",
            provider,
            for_s,
        )

    async def gate(
        self, source: Source, provider: str, now: datetime, *, rest: timedelta, probe: timedelta
    ) -> Gate:
        """See whether anything may be sent; where the breaker has rested, one caller becomes its probe."""
        row = await source.fetchrow(ADMIT, provider, now, rest, probe)
        return Gate(row["open"] or row["probe"], row["probe"], row["troubled"]) if row else Gate(True)

    async def end_probe(self, source: Source, provider: str) -> None:
        await source.execute("UPDATE provider_state SET probe_until = NULL WHERE provider = $1", provider)

    async def succeeded(self, source: Source, provider: str) -> None:
        await source.execute(
            "UPDATE provider_state SET failures = 0, opened_at = NULL, probe_until = NULL, reason = NULL"
            " WHERE provider = $1 AND (failures > 0 OR opened_at IS NOT NULL)",
            provider,
        )

    async def failed(
        self, source: Source, provider: str, now: datetime, reason: str, *, count: int, most: int
    ) -> bool:
        """Count failures; True if it is these that open the breaker."""
        failures = await source.fetchval(
            "UPDATE provider_state SET failures = failures + $5::int, reason = $3, probe_until = NULL,"
            " opened_at = CASE WHEN failures + $5 >= $4 THEN $2::timestamptz ELSE opened_at END"
            " WHERE provider = $1 RETURNING failures",
            provider,
            now,
            reason,
            most,
            count,
        )
        return failures is not None and failures - count < most <= failures

    async def pause(self, source: Source, provider: str, until: datetime, reason: str) -> None:
        await source.execute(
            "UPDATE provider_state SET paused_until = greatest(paused_until, $2), reason = $3,"
            " probe_until = NULL WHERE provider = $1",
            provider,
            until,
            reason,
        )

    async def resume(self, source: Source, provider: str, reasons: str) -> None:
        """End a pause whose reason begins so."""
        await source.execute(
            "UPDATE provider_state SET paused_until = NULL, reason = NULL"
            " WHERE provider = $1 AND starts_with(reason, $2)",
            provider,
            reasons,
        )
