"""The measurement as a whole: with the real hub, its peer and real services; figures are not looked at."""

import asyncio
import os
import signal
from pathlib import Path

import psutil
import pytest

from ops.bench import prepare
from ops.bench.fanout import FanoutOptions, quick, run_fanout
from tests.ops.bench.quick_run import HUB, beside_node, phases
from tests.waiting import until

PHASES = ["connect", "warm-up", "saturated", "paced", "backlog"]


@pytest.mark.slow
def test_a_quick_run_beside_node_loses_nothing_and_reports_everything() -> None:
    report = beside_node("fanout")

    assert phases(report) == [(server, PHASES) for server in ("hub", "node", "node-adapter")]
    for run in report["runs"]:
        connected, *measured = run["phases"]
        assert connected["clients"] == 50
        for phase in measured:
            assert phase["received"] == phase["expected"] == 50 * phase["published"] > 0
            assert (phase["disorder"], phase["dead"]) == (0, 0)
    for name in ("saturated", "paced", "backlog"):
        summary = report["summary"][name]
        assert set(summary["servers"]) == {"hub", "node", "node-adapter"}
        for peer in ("node", "node-adapter"):
            assert summary["hub_to"][peer]["p99_us"]["median"] > 0
    assert {"hub", "python", "valkey", "node", "socket.io"} <= set(report["versions"])
    assert "@socket.io/redis-streams-adapter" in report["versions"]
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


def test_a_plan_warms_up_saturates_paces_and_makes_a_backlog() -> None:
    plan = FanoutOptions(seconds=7, window=3, rate=10_000).plan()

    assert [phase.argument() for phase in plan] == [
        "warm-up=window:3:2",
        "saturated=window:3:7",
        "paced=rate:10000:7",
        "backlog=burst:16:7",
    ]
