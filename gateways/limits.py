"""Owns token buckets: how often one key may do something."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

ROUNDING = 1e-9  # who waited exactly as long as told must find the token there


@dataclass(slots=True)
class Bucket:
    """So many tokens were there at a moment."""

    tokens: float
    at: float

    def take(self, tokens: float, rate: float, burst: float, now: float) -> float:
        """Take tokens: 0.0 if they were there, else the seconds until they will be (nothing is taken)."""
        self.tokens = min(burst, self.tokens + (now - self.at) * rate)
        self.at = now
        wanted = min(tokens, burst)
        missing = wanted - self.tokens
        if missing <= ROUNDING:
            self.tokens = max(0.0, self.tokens - wanted)
            return 0.0
        return missing / rate


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
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, key: str, tokens: float = 1.0) -> float:
        """Take tokens: 0.0 if they were there, else the seconds until they will be (nothing is taken)."""
        now = self._clock()
        return self._bucket(key, now).take(tokens, self._rate, self._burst, now)

    def _bucket(self, key: str, now: float) -> Bucket:
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = Bucket(self._burst, now)
            if len(self._buckets) > self._max_keys:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(key)
        return bucket
