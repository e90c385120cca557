"""Token buckets."""

from gateways.limits import RateLimiter


class Ticks:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_is_allowed_and_then_the_rate() -> None:
    clock = Ticks()
    limiter = RateLimiter(10, 3, clock)
    assert [limiter.take("ann") for _ in range(4)] == [0, 0, 0, 0.1]
    clock.now += 0.1
    assert limiter.take("ann") == 0
    assert limiter.take("ann") > 0


def test_waiting_as_long_as_told_is_enough() -> None:
    clock = Ticks()
    limiter = RateLimiter(3, 1, clock)
    for _ in range(20):
        while wait := limiter.take("ann"):
            clock.now += wait
    assert clock.now < 7


def test_a_refused_attempt_costs_nothing() -> None:
    clock = Ticks()
    limiter = RateLimiter(1, 1, clock)
    limiter.take("ann")
    waits = [limiter.take("ann") for _ in range(100)]
    assert set(waits) == {1.0}


def test_an_idle_bucket_never_holds_more_than_its_burst() -> None:
    clock = Ticks()
    limiter = RateLimiter(10, 2, clock)
    limiter.take("ann")
    clock.now += 3600
    assert [limiter.take("ann") == 0 for _ in range(3)] == [True, True, False]


def test_keys_do_not_share() -> None:
    limiter = RateLimiter(1, 1, Ticks())
    assert limiter.take("ann") == limiter.take("bob") == 0
    assert limiter.take("ann") > 0


def test_memory_is_bounded_and_the_least_recently_used_goes_first() -> None:
    limiter = RateLimiter(1, 1, Ticks(), max_keys=3)
    for key in ("a", "b", "c"):
        limiter.take(key)
    limiter.take("a")
    limiter.take("d")
    assert len(limiter) == 3
    assert limiter.take("a") > 0
    assert limiter.take("b") == 0


def test_more_than_a_burst_at_once_waits_for_a_full_bucket() -> None:
    clock = Ticks()
    limiter = RateLimiter(1, 5, clock)
    assert limiter.take("ann", 50) == 0
    assert limiter.take("ann", 50) == 5
