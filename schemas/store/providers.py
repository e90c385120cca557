"""Owns provider_state: the token bucket and the breaker of each provider, shared by all processes."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from schemas.db import Source

# By the database's clock: those of the processes may differ by more than a token takes.
FILLED: Final = """
least($3::float8, p.tokens + $2::float8 * extract(epoch FROM clock_timestamp() - p.refilled_at))
"""
TAKE: Final = f"""
INSERT INTO provider_state AS p (provider, tokens, refilled_at) VALUES ($1, $3::float8 - 1, clock_timestamp())
ON CONFLICT (provider) DO UPDATE SET tokens = {FILLED} - 1, refilled_at = clock_timestamp()
WHERE {FILLED} >= 1 AND p.refilled_at <= clock_timestamp()
RETURNING true
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
       EXISTS (SELECT FROM probing) AS probe
FROM provider_state WHERE provider = $1
"""


@dataclass(frozen=True, slots=True)
class Gate:
    """How a provider's gate stands: open for all, for one probe, or shut."""

    open: bool
    probe: bool = False


class Providers:
    """The state of providers; a row comes to exist with the first token that is taken."""

    async def take(self, source: Source, provider: str, *, rate: float, burst: float) -> bool:
        """Take one token of a bucket that gains `rate` a second and holds `burst`; False if it is empty."""
        return bool(await source.fetchval(TAKE, provider, rate, burst))

    async def give_back(self, source: Source, provider: str) -> None:
        await source.execute("UPDATE provider_state SET tokens = tokens + 1 WHERE provider = $1", provider)

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
        return Gate(row["open"] or row["probe"], row["probe"]) if row else Gate(True)

    async def end_probe(self, source: Source, provider: str) -> None:
        await source.execute("UPDATE provider_state SET probe_until = NULL WHERE provider = $1", provider)

    async def succeeded(self, source: Source, provider: str) -> None:
        await source.execute(
            "UPDATE provider_state SET failures = 0, opened_at = NULL, probe_until = NULL, reason = NULL"
            " WHERE provider = $1 AND (failures > 0 OR opened_at IS NOT NULL)",
            provider,
        )

    async def failed(self, source: Source, provider: str, now: datetime, reason: str, *, most: int) -> bool:
        """Count a failure; True if it is the one that opens the breaker."""
        failures = await source.fetchval(
            "UPDATE provider_state SET failures = failures + 1, reason = $3, probe_until = NULL,"
            " opened_at = CASE WHEN failures + 1 >= $4 THEN $2::timestamptz ELSE opened_at END"
            " WHERE provider = $1 RETURNING failures",
            provider,
            now,
            reason,
            most,
        )
        return bool(failures == most)

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
