"""Owns what is said about a measurement: medians with their spread, ratios, and what went wrong."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ops.bench.cpu import Machine
from ops.bench.goals import Goal
from ops.bench.results import WARM_UP, Column, Figures, Run, Spread

OURS = "hub"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All runs of one measurement. Servers are measured in turn, so runs of one number lie side by side."""

    title: str
    options: Mapping[str, Any]
    machine: Machine
    versions: Mapping[str, str]
    notes: Sequence[str]
    runs: Sequence[Run]
    goals: Sequence[Goal] = ()

    @property
    def servers(self) -> list[str]:
        return sorted({run.server for run in self.runs})

    @property
    def peers(self) -> list[str]:
        return [server for server in self.servers if server != OURS]

    @property
    def phases(self) -> dict[str, type[Figures]]:
        """What was measured, in order; the warm-up is not shown."""
        found = {phase.name: type(phase) for run in self.runs for phase in run.phases}
        return {name: kind for name, kind in found.items() if name != WARM_UP}

    def of(self, server: str, phase: str) -> dict[int, Figures]:
        """What every run of a server found in a phase; empty where it has none of that name."""
        return {
            run.number: figures
            for run in self.runs
            for figures in run.phases
            if (run.server, figures.name) == (server, phase)
        }

    def spread(self, server: str, phase: str, member: str) -> Spread:
        return Spread.of(getattr(figures, member) for figures in self.of(server, phase).values())

    def ratio(
        self, phase: str, member: str, *, peer: str, beside: tuple[str, str] | None = None
    ) -> Spread | None:
        """The hub's share of the peer's, run by run: only neighbours in time can be compared.

        `beside` are phase and member of the peer's figure, where they are others.
        """
        other, divisor = beside or (phase, member)
        ours, theirs = self.of(OURS, phase), self.of(peer, other)
        ratios = [
            getattr(ours[number], member) / getattr(figures, divisor)
            for number, figures in theirs.items()
            if number in ours and getattr(figures, divisor)
        ]
        return Spread.of(ratios) if ratios else None

    def problems(self) -> list[str]:
        """Loss and disorder; any of it makes the figures worthless."""
        return [
            f"{run.server}, run {run.number}, {phase.name}: {problem}"
            for run in self.runs
            for phase in run.phases
            for problem in phase.problems()
        ]

    def to_dict(self) -> dict[str, Any]:
        return {
            "title": self.title,
            "options": dict(self.options),
            "machine": self.machine.to_dict(),
            "versions": dict(self.versions),
            "notes": list(self.notes),
            "summary": {name: self._summary(name, kind) for name, kind in self.phases.items()},
            "goals": [goal.to_dict(found) for goal, found in self._judged()],
            "problems": self.problems(),
            "runs": [run.to_dict() for run in self.runs],
        }

    def _summary(self, phase: str, kind: type[Figures]) -> dict[str, Any]:
        servers = {
            server: {column.member: self.spread(server, phase, column.member) for column in kind.columns}
            for server in self._measured(phase)
        }
        ratios: dict[str, dict[str, Any]] = {}
        for column, peer, ratio in self._ratios(phase, kind):
            ratios.setdefault(peer, {})[column.member] = ratio.to_dict()
        shown = {
            server: {member: spread.to_dict() for member, spread in figures.items()}
            for server, figures in servers.items()
        }
        return {"servers": shown, "hub_to": ratios}

    def _measured(self, phase: str) -> list[str]:
        return [server for server in self.servers if self.of(server, phase)]

    def _ratios(self, phase: str, kind: type[Figures]) -> Iterator[tuple[Column, str, Spread]]:
        for column in kind.compared:
            for peer in self.peers:
                if ratio := self.ratio(phase, column.member, peer=peer):
                    yield column, peer, ratio

    def to_text(self) -> str:
        runs = max(run.number for run in self.runs)
        lines = [f"{self.title}: medians (least–greatest) of {runs} runs each", ""]
        for phase, kind in self.phases.items():
            lines += [*self._table(phase, kind), ""]
        lines += self._surroundings()
        lines += [f"ERROR: {problem}" for problem in self.problems()]
        for phase, kind in self.phases.items():
            lines += [
                f"{column.title}, {phase}, {OURS} / {peer}: {ratio}"
                for column, peer, ratio in self._ratios(phase, kind)
            ]
        lines += [goal.in_words(found) for goal, found in self._judged()]
        return "\n".join(lines)

    def _judged(self) -> Iterator[tuple[Goal, Spread]]:
        for goal in self.goals:
            if not self.of(OURS, goal.phase):
                continue
            if goal.peer is None:
                yield goal, self._scaled(OURS, goal.phase, goal.column)
            elif ratio := self.ratio(goal.phase, goal.column.member, peer=goal.peer, beside=goal.divisor):
                yield goal, ratio

    def _table(self, phase: str, kind: type[Figures]) -> list[str]:
        titles = [phase, *(column.title for column in kind.columns)]
        rows = (
            [f"  {server}", *(str(self._scaled(server, phase, column)) for column in kind.columns)]
            for server in self._measured(phase)
        )
        return aligned([titles, *rows])

    def _scaled(self, server: str, phase: str, column: Column) -> Spread:
        found = self.spread(server, phase, column.member)
        return Spread(found.median / column.unit, found.low / column.unit, found.high / column.unit)

    def _surroundings(self) -> list[str]:
        machine = self.machine
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        where = f"{machine.cores} × {machine.cpu}, {machine.system}, load {machine.load} at the start"
        return [f"machine: {where}", f"versions: {versions}", *(f"note: {note}" for note in self.notes)]


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lay out rows in columns: the first to the left, figures to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
