"""Owns the plan of what is broken when: drawn from a seed, so that it can be repeated."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Final


class Kind(StrEnum):
    """What is done; the words stand in the report."""

    GATEWAY = "gateway killed"
    SERVE_WORKER = "worker of a gateway killed"
    RELOAD = "workers of a gateway replaced"
    WORK = "hub work killed"
    VALKEY = "Valkey killed"
    EMPTIED = "Valkey emptied"
    CUT = "connections cut"
    HANGING = "connections left hanging"
    STALL = "connections stalled"


@dataclass(frozen=True, slots=True)
class Fault:
    """One entry of the plan."""

    kind: Kind
    after_s: float
    """Since the one before."""
    lasts_s: float
    share: float
    """Of the connections."""
    seed: int
    """For what is chosen when it happens."""


LASTS: Final = {
    Kind.GATEWAY: (0.5, 2.0),
    Kind.WORK: (0.5, 2.0),
    Kind.VALKEY: (0.0, 2.0),
    Kind.HANGING: (2.0, 8.0),
    Kind.STALL: (1.0, 3.0),
}
WEIGHTS: Final = {Kind.GATEWAY: 3}
"""How often a kind comes; the others count as one."""
MEAN_GAP_S: Final = 3.0
SHORTEST_S: Final = 0.3


def plan(seed: int, seconds: float) -> Sequence[Fault]:
    """Faults for that many seconds: every kind once, in any order, and then at random."""
    random = Random(seed)  # noqa: S311  it must come out the same again
    weights = [WEIGHTS.get(kind, 1) for kind in Kind]
    gap = min(MEAN_GAP_S, seconds / (len(Kind) + 2))
    kinds = random.sample(list(Kind), len(Kind))
    faults: list[Fault] = []
    left = seconds
    while True:
        first_round = len(faults) < len(kinds)
        kind = kinds[len(faults)] if first_round else random.choices(list(Kind), weights)[0]
        wait = gap if first_round else max(SHORTEST_S, min(4 * gap, random.expovariate(1 / gap)))
        if wait > left:
            return faults
        left -= wait
        faults.append(_fault(kind, wait, random))


def _fault(kind: Kind, after_s: float, random: Random) -> Fault:
    shortest, longest = LASTS.get(kind, (0.0, 0.0))
    return Fault(
        kind,
        after_s=after_s,
        lasts_s=random.uniform(shortest, longest),
        share=random.uniform(0.2, 1.0),
        seed=random.getrandbits(32),
    )
