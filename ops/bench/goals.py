"""Owns what the hub shall reach, so that a report says whether it did."""

from dataclasses import dataclass
from typing import Any

from ops.bench.results import Column, Spread


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure that shall not be higher."""

    phase: str
    column: Column
    most: float
    """In the column's unit."""
    peer: str | None = None
    """Whose figure the hub's is divided by; None: its own counts."""
    beside: tuple[str, Column] | None = None
    """Phase and column of that figure, where they are others."""

    @property
    def divisor(self) -> tuple[str, str]:
        """Phase and member of the peer's figure."""
        phase, column = self.beside or (self.phase, self.column)
        return phase, column.member

    def in_words(self, found: Spread) -> str:
        whose = f"hub / {self.peer}" if self.peer else "hub"
        if self.beside:
            phase, column = self.beside
            whose += f"'s {column.title}, {phase}"
        verdict = "reached" if self.reached(found) else "missed"
        return f"goal: {self.column.title}, {self.phase}, {whose}: {found}, at most {self.most:g}: {verdict}"

    def reached(self, found: Spread) -> bool:
        return found.median <= self.most

    def to_dict(self, found: Spread) -> dict[str, Any]:
        return {
            "phase": self.phase,
            "figure": self.column.member,
            "peer": self.peer,
            "most": self.most,
            "found": found.to_dict(),
            "reached": self.reached(found),
        }
