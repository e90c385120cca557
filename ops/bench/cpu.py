"""Owns the machine: which core the server has for itself, and what there is to say about the hardware."""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

_BUSY = 0.5  # load average from which somebody else's work shows in the figures


@dataclass(frozen=True, slots=True)
class Cores:
    """The server's core, and those of everything else; both empty where nothing can be pinned."""

    server: frozenset[int]
    others: frozenset[int]


def choose_cores() -> Cores:
    """The first core for the server, the rest for the others."""
    if not hasattr(os, "sched_getaffinity"):
        return Cores(frozenset(), frozenset())
    first, *rest = sorted(os.sched_getaffinity(0))
    return Cores(frozenset({first}), frozenset(rest)) if rest else Cores(frozenset(), frozenset())


@contextmanager
def pinned(cores: frozenset[int]) -> Iterator[None]:
    """Stay on these cores meanwhile; children started in here stay on them for ever."""
    if not cores:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@dataclass(frozen=True, slots=True)
class Machine:
    """What a reader of the figures needs to know about where they come from."""

    cpu: str
    cores: int
    system: str
    load: float

    @property
    def busy(self) -> bool:
        return self.load > _BUSY

    def to_dict(self) -> dict[str, object]:
        return asdict(self)


def describe_machine() -> Machine:
    return Machine(
        cpu=_cpu_model(),
        cores=os.cpu_count() or 1,
        system=f"{platform.system()} {platform.release()}",
        load=round(os.getloadavg()[0], 2),
    )


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()
