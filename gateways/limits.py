"""Owns token buckets: how often one key may do something."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

ROUNDING = 1e-9  # who waited exactly as long as told must find the token there


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class RateLimiter:
    """One bucket per key, of at most `burst` tokens, refilled at `rate` tokens a second.

    Memory is bounded: beyond `max_keys` the least recently used bucket is forgotten. That is safe
    because a forgotten key starts again with a full bucket, which is also what an idle key has; who
    wants to be forgotten early must first bring `max_keys` other keys, each of them a valid token or
    an address of its own, and gains one burst by it.
    """

    def __init__(
        self, rate: float, burst: int, clock: Callable[[], float], *, max_keys: int = 50_000
    ) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._clock = clock
        self._max_keys = max_keys
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, key: str, tokens: float = 1.0) -> float:
        """Take tokens: 0.0 if they were there, else the seconds until they will be (nothing is taken)."""
        bucket = self._refilled(key)
        wanted = min(tokens, self._burst)
        missing = wanted - bucket.tokens
        if missing <= ROUNDING:
            bucket.tokens = max(0.0, bucket.tokens - wanted)
            return 0.0
        return missing / self._rate

    def _refilled(self, key: str) -> _Bucket:
        now = self._clock()
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = _Bucket(self._burst, now)
            if len(self._buckets) > self._max_keys:
                self._buckets.popitem(last=False)
            return bucket
        self._buckets.move_to_end(key)
        bucket.tokens = min(self._burst, bucket.tokens + (now - bucket.at) * self._rate)
        bucket.at = now
        return bucket
