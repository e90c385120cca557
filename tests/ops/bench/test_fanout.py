"""The measurement as a whole: with the real hub, its peer and real services; figures are not looked at."""

import asyncio
import json
import os
import signal
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import psutil
import pytest

from ops.bench import prepare
from ops.bench.fanout import FanoutOptions, quick, run_fanout, turns
from ops.bench.node import find_node
from tests.waiting import until

HUB = Path(sysconfig.get_path("scripts")) / "hub"


def bench(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [str(HUB), "bench", "fanout", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.slow
def test_a_quick_run_beside_node_loses_nothing_and_reports_everything() -> None:
    if find_node() is None:
        pytest.skip("there is no Node.js with npm here")

    done = bench("--quick", "--peer", "node", "--json")

    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["problems"] == []
    assert [run["server"] for run in report["runs"]] == ["hub", "node"]
    for run in report["runs"]:
        assert run["connected"]["clients"] == 50
        assert [phase["name"] for phase in run["phases"]] == ["warm-up", "saturated", "paced"]
        for phase in run["phases"]:
            assert phase["received"] == phase["expected"] == 50 * phase["published"] > 0
            assert (phase["disorder"], phase["dead"]) == (0, 0)
    for name in ("saturated", "paced"):
        assert report["summary"][name]["cpu_ratio_hub_to_node"]["median"] > 0
        for server in ("hub", "node"):
            assert {
                "deliveries_per_second",
                "cpu_us_per_delivery",
                "p50_us",
                "p90_us",
                "p99_us",
                "max_us",
            } <= set(report["summary"][name]["servers"][server])
    assert {"hub", "python", "valkey", "node", "socket.io"} <= set(report["versions"])
    assert report["machine"]["cores"] >= 1


@pytest.mark.slow
def test_without_a_compiler_the_generator_in_python_stands_in(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(prepare, "native", lambda folder: None)

    report = run_fanout(quick("none"), said.append)

    assert report.problems() == []
    assert report.servers == ["hub"]
    assert report.options["generator"] == "Python"
    assert any("no C compiler" in line for line in said)
    assert any("generator is the one in Python" in note for note in report.notes)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_an_interrupted_measurement_leaves_no_process_and_no_folder_behind(
    number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    options = ("--peer", "none", "--seconds", "60", "--clients", "20")
    process = await asyncio.create_subprocess_exec(
        HUB, "bench", "fanout", *options, stderr=asyncio.subprocess.DEVNULL
    )
    family: list[psutil.Process] = []

    async def under_way() -> bool:
        family[:] = psutil.Process(process.pid).children(recursive=True)
        return any(_command(child).endswith("/loadgen") for child in family)

    async def all_gone() -> bool:
        return not any(child.is_running() for child in family)

    try:
        await until(under_way, within_s=120)
    finally:
        process.send_signal(number)  # also when it took too long: nothing may stay behind

    assert await asyncio.wait_for(process.wait(), 30) != 0
    assert len(family) >= 4, "PostgreSQL, Valkey, the hub and the generator"
    await until(all_gone)
    assert await asyncio.to_thread(os.listdir, tmp_path) == []


def _command(process: psutil.Process) -> str:
    try:
        return str(process.exe())
    except psutil.Error:
        return ""


def test_servers_take_turns_in_an_order_that_is_reversed_every_other_time() -> None:
    order = [(1, "hub"), (1, "node"), (2, "node"), (2, "hub"), (3, "hub"), (3, "node")]

    assert list(turns(["hub", "node"], 3)) == order


def test_a_plan_warms_up_saturates_and_paces() -> None:
    plan = FanoutOptions(seconds=7, window=3, rate=10_000).plan()

    assert [phase.argument() for phase in plan] == [
        "warm-up=window:3:2",
        "saturated=window:3:7",
        "paced=rate:10000:7",
    ]
