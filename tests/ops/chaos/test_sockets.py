"""A short run of `hub chaos sockets`, with real processes and stock clients."""

import json
import os
import signal
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import psutil
import pytest

from ops.bench.errors import BenchError
from ops.bench.node import find_node
from ops.chaos import run
from ops.chaos.course import Options
from ops.chaos.faults import Kind
from ops.chaos.run import run_sockets

HUB = Path(sysconfig.get_path("scripts")) / "hub"
COMMAND = [str(HUB), "chaos", "sockets"]
DEADLINE_S = 240
END_S = 60

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]  # usually under one minute


@pytest.fixture
def node() -> None:
    if find_node() is None:
        pytest.skip("there is no Node.js with npm here")


def test_without_node_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "find_node", lambda: None)
    with pytest.raises(BenchError, match=r"Node\.js and npm are not on this machine"):
        run_sockets(Options(seed=1, seconds=6, clients=4, rate=1), print)


@pytest.mark.usefixtures("node")
def test_in_a_short_run_nothing_is_lost_and_nothing_doubled() -> None:
    short = ["--minutes", "0.4", "--clients", "30", "--rate", "100", "--json"]
    done = subprocess.run([*COMMAND, *short], capture_output=True, text=True, check=False, timeout=DEADLINE_S)

    assert done.stdout, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["problems"] == [], done.stderr
    assert done.returncode == 0
    assert set(report["faults"]) == set(Kind)
    assert report["published"] == report["relayed"] > 1_000
    assert report["passed"]["recovered"] > 30


@pytest.mark.usefixtures("node")
def test_nothing_outlives_a_run_that_is_interrupted() -> None:
    with subprocess.Popen(COMMAND, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "of faults" in line:
                break
        family = psutil.Process(process.pid).children(recursive=True)
        os.kill(process.pid, signal.SIGTERM)
        said = process.stderr.read()
        assert process.wait(END_S) == 130, said
    _, alive = psutil.wait_procs(family, END_S)
    assert len(family) > 8
    assert alive == []
