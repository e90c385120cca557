"""Owns what is said at the end: what was done, what the clients went through, and what must not be."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Final

from ops.chaos.histories import OWN_ROOMS, Connected, History, Lost, Received, Refused

SHOWN: Final = 40
"""Problems written out as text; JSON has them all."""
LEFT: Final = "io client disconnect"
"""The reason of a loss that the client itself wanted; who leaves for good is not recovered."""
MOST_FRESH: Final = 0.1
"""Of those who come back, how many may begin afresh: a gateway can die before it has stored a new session, or
be too far behind."""
KEPT_MS: Final = 100_000.0
"""Who is away for longer need not be recovered: sessions are kept for 120 s, roughly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """What the clients went through."""

    deliveries: int
    connects: int
    recovered: int
    returns: int
    """How many came back who had to be recovered: who had not left by themselves, nor been away too long."""
    afresh: int
    """How many of these were not."""
    told_fresh: Mapping[str, int]
    """How many came back and heard that they begin afresh, by how they had lost the connection."""
    lost: Mapping[str, int]
    """Losses of the connection by what the client says; a ping timeout is none of the faults' doing."""
    refused: Mapping[str, int]
    """Refusals, after which they tried again, by code."""
    longest_absence_s: float
    """From losing the connection to being let in again."""
    longest_silence_s: float
    """Between two events of the feed at one client."""

    @classmethod
    def of(cls, histories: Iterable[History]) -> "Passed":
        told: Counter[str] = Counter()
        lost: Counter[str] = Counter()
        refused: Counter[str] = Counter()
        received = connects = recovered = returns = afresh = 0
        absence = silence = 0.0
        for history in histories:
            turns = [one for one in history.moments if isinstance(one, Connected | Lost)]
            entered = [one for one in turns if isinstance(one, Connected)]
            connects += len(entered)
            recovered += sum(one.recovered is True for one in entered)
            due = [one for before, one in _returns(turns) if _must_recover(before, one)]
            returns += len(due)
            afresh += sum(one.recovered is not True for one in due)
            told.update(before.reason for before, one in _returns(turns) if one.recovered is False)
            lost.update(one.reason for one in turns if isinstance(one, Lost))
            refused.update(one.code for one in history.moments if isinstance(one, Refused))
            came = [one.at for one in history.moments if isinstance(one, Received)]
            received += len(came)
            absence = max(absence, _longest(one.at - before.at for before, one in _returns(turns)))
            if history.namespace == "/feed":
                silence = max(silence, _longest(later - one for one, later in pairwise(came)))
        return cls(
            deliveries=received,
            connects=connects,
            recovered=recovered,
            returns=returns,
            afresh=afresh,
            told_fresh=dict(told),
            lost=dict(lost),
            refused=dict(refused),
            longest_absence_s=absence,
            longest_silence_s=silence,
        )

    def problems(self) -> list[str]:
        """What is wrong with recovery, if each was told the truth or not."""
        if not self.recovered:
            return ["nobody recovered, so this run proves nothing: make it longer"]
        one_connection = len(OWN_ROOMS)
        if self.afresh <= max(one_connection, MOST_FRESH * self.returns):
            return []
        return [
            f"{self.afresh} of {self.returns} who came back began afresh, more than {MOST_FRESH:.0%}:"
            " see why the gateways did not recover them"
        ]


def _returns(turns: Sequence[Connected | Lost]) -> Iterator[tuple[Lost, Connected]]:
    """Each return, with the loss that it ended; while it is away, the stock client tells of further ones."""
    lost: Lost | None = None
    for one in turns:
        if isinstance(one, Lost):
            lost = lost or one
        elif lost is not None:
            yield lost, one
            lost = None


def _must_recover(lost: Lost, back: Connected) -> bool:
    return lost.reason != LEFT and back.at - lost.at < KEPT_MS


def _longest(milliseconds: Iterable[float]) -> float:
    return round(max(milliseconds, default=0.0) / 1000, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One run."""

    seed: int
    seconds: float
    clients: int
    rate: float
    faults: Mapping[str, int]
    published: int
    relayed: int
    batches_repeated: int
    passed: Passed
    problems: Sequence[str]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def to_text(self) -> str:
        passed = self.passed
        lines = [
            f"{self.seconds:.0f} s, {self.clients} clients, {self.rate:g} events/s, seed {self.seed}",
            f"faults: {_counts(self.faults)}",
            f"events: {self.published} published, {self.relayed} in the log",
            f"deliveries checked: {passed.deliveries}",
            f"batches sent again: {self.batches_repeated}",
            f"clients: {passed.connects} connects, {passed.recovered} recovered",
            f"had to be recovered: {passed.returns}, of whom {passed.afresh} were not",
            f"connections lost: {_counts(passed.lost)}",
            f"begun afresh, and told so, after: {_counts(passed.told_fresh)}",
            f"refused for a moment: {_counts(passed.refused)}",
            f"longest absence {passed.longest_absence_s} s, longest silence {passed.longest_silence_s} s",
            *(f"ERROR: {problem}" for problem in self.problems[:SHOWN]),
        ]
        if len(self.problems) > SHOWN:
            lines.append(f"ERROR: and {len(self.problems) - SHOWN} more")
        lines.append(f"{len(self.problems)} problems" if self.problems else "nothing lost, nothing doubled")
        return "\n".join(lines)


def _counts(counted: Mapping[str, int]) -> str:
    return ", ".join(f"{what} {times}" for what, times in sorted(counted.items())) or "none"
