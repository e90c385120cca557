"""Owns what is said about a measurement: medians with their spread, ratios, and what went wrong."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ops.bench.cpu import Machine
from ops.bench.results import WARM_UP, Run, Spread

_COLUMNS = (
    ("deliveries/s", "deliveries_per_second", 1),
    ("CPU µs/delivery", "cpu_us_per_delivery", 1),
    ("p50 ms", "p50_us", 1000),
    ("p90 ms", "p90_us", 1000),
    ("p99 ms", "p99_us", 1000),
    ("max ms", "max_us", 1000),
    ("server CPU %", "server_cpu_percent", 1),
    ("generator CPU %", "generator_cpu_percent", 1),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All runs of one measurement. Servers are measured in turn, so runs of one number lie side by side."""

    title: str
    options: Mapping[str, Any]
    machine: Machine
    versions: Mapping[str, str]
    notes: Sequence[str]
    runs: Sequence[Run]

    @property
    def servers(self) -> list[str]:
        return list(dict.fromkeys(run.server for run in sorted(self.runs, key=lambda run: run.server)))

    @property
    def phase_names(self) -> list[str]:
        return [phase.name for phase in self.runs[0].phases if phase.name != WARM_UP]

    def of(self, server: str) -> list[Run]:
        return sorted((run for run in self.runs if run.server == server), key=lambda run: run.number)

    def spread(self, server: str, phase: str, member: str) -> Spread:
        return Spread.of(getattr(run.phase(phase), member) for run in self.of(server))

    def ratio(self, phase: str, member: str = "cpu_us_per_delivery", *, peer: str = "node") -> Spread | None:
        """The hub's share of the peer's, run by run: only neighbours in time can be compared."""
        pairs = zip(self.of("hub"), self.of(peer), strict=False)
        ratios = [
            getattr(ours.phase(phase), member) / getattr(theirs.phase(phase), member)
            for ours, theirs in pairs
            if getattr(theirs.phase(phase), member)
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
            "summary": {name: self._summary(name) for name in self.phase_names},
            "problems": self.problems(),
            "runs": [run.to_dict() for run in self.runs],
        }

    def _summary(self, phase: str) -> dict[str, Any]:
        servers = {
            server: {member: self.spread(server, phase, member).to_dict() for _, member, _ in _COLUMNS}
            for server in self.servers
        }
        ratio = self.ratio(phase)
        return {"servers": servers, "cpu_ratio_hub_to_node": ratio.to_dict() if ratio else None}

    def to_text(self) -> str:
        lines = [f"{self.title}: medians (least–greatest) of {len(self.of(self.servers[0]))} runs each", ""]
        for phase in self.phase_names:
            lines += [*self._phase_table(phase), ""]
        lines += [*self._connect_table(), "", *self._surroundings()]
        lines += [f"ERROR: {problem}" for problem in self.problems()]
        lines += [line for phase in self.phase_names for line in self._result(phase)]
        return "\n".join(lines)

    def _phase_table(self, phase: str) -> list[str]:
        rows = [[phase, *(title for title, _, _ in _COLUMNS)]]
        for server in self.servers:
            cells = (self._scaled(server, phase, member, unit) for _, member, unit in _COLUMNS)
            rows.append([f"  {server}", *(str(cell) for cell in cells)])
        return aligned(rows)

    def _scaled(self, server: str, phase: str, member: str, unit: int) -> Spread:
        found = self.spread(server, phase, member)
        return Spread(found.median / unit, found.low / unit, found.high / unit)

    def _connect_table(self) -> list[str]:
        rows = [["connect", "seconds", "CPU µs/connection", "RSS KB/connection"]]
        members = ("seconds", "cpu_us_per_connection", "rss_kb_per_connection")
        for server in self.servers:
            spreads = (
                Spread.of(getattr(run.connected, member) for run in self.of(server)) for member in members
            )
            rows.append([f"  {server}", *(str(spread) for spread in spreads)])
        return aligned(rows)

    def _surroundings(self) -> list[str]:
        machine = self.machine
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        where = f"{machine.cores} × {machine.cpu}, {machine.system}, load {machine.load} at the start"
        return [f"machine: {where}", f"versions: {versions}", *(f"note: {note}" for note in self.notes)]

    def _result(self, phase: str) -> list[str]:
        ratio = self.ratio(phase)
        return [f"CPU per delivery, {phase}, hub / node: {ratio}"] if ratio else []


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
