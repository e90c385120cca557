"""The order of a comparison, and what a reader must hold against it."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ops.bench.comparison import Bench, Conditions, Site, turns
from ops.bench.cpu import Cores, Machine
from ops.bench.generator import Generator
from ops.bench.results import Run, Unheard
from ops.bench.servers import EACH
from ops.bench.services import Services


def test_servers_take_turns_in_an_order_that_is_reversed_every_other_time() -> None:
    order = [(1, "hub"), (1, "node"), (2, "node"), (2, "hub"), (3, "hub"), (3, "node")]

    assert list(turns(["hub", "node"], 3)) == order


@pytest.mark.parametrize(("percent", "doubts"), [(89.0, 0), (97.0, 1)])
def test_a_generator_that_was_full_of_unheard_events_is_named(
    tmp_path: Path, percent: float, doubts: int
) -> None:
    around = cast("Services", SimpleNamespace(folder=tmp_path, auth_secret="s" * 32))
    cores = Cores(frozenset({0}), frozenset({1}))
    machine = Machine(cpu="", cores=2, system="", load=0)
    bench = Bench(
        Conditions(clients=1, audience=EACH), Site(around, Generator("C", ()), cores, machine, None)
    )
    figures: dict[str, Any] = dict.fromkeys(("published", "expected", "received"), 1)
    figures |= {"name": "unheard", "disorder": 0, "dead": 0, "events_per_second": 1.0}
    figures |= {"cpu_us_per_event": 1.0, "server_cpu_percent": 50.0, "generator_cpu_percent": percent}
    said = list(bench.doubts([Run("hub", 1, (Unheard(**figures),))]))
    assert len(said) == doubts
    assert all("the generator used 97 % of its core" in doubt for doubt in said)
