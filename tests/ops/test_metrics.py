"""Where processes keep their numbers together, and where `hub work` shows its own."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

from bus import telemetry
from bus.gauges import Process
from ops.metrics import shared_folder, shown
from ops.settings import SettingsError
from tests.hubprocess import ROOT

KEPT = """
import sys, time
from pathlib import Path
from ops.metrics import shared_folder
with shared_folder(Path(sys.argv[1])) as folder:
    print(folder, flush=True)
    time.sleep(60)
"""


def test_a_folder_bears_the_number_of_its_process_and_goes_with_it(tmp_path: Path) -> None:
    with shared_folder(tmp_path / "data") as folder:
        assert folder.parent == tmp_path / "data"
        assert folder.name.startswith(f"metrics-{os.getpid()}-")
        (folder / "counter_1.db").touch()
    assert list((tmp_path / "data").iterdir()) == []


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_has_is_not(tmp_path: Path) -> None:
    other = subprocess.Popen(
        [sys.executable, "-c", KEPT, tmp_path], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert other.stdout is not None
    left = Path(other.stdout.readline().strip())
    (left / "counter_1.db").touch()
    with shared_folder(tmp_path) as folder:
        assert set(tmp_path.iterdir()) == {left, folder}
    other.send_signal(signal.SIGKILL)
    other.communicate()
    assert left.exists()
    with shared_folder(tmp_path) as folder:
        assert set(tmp_path.iterdir()) == {folder}


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    with (
        pytest.raises(
            SettingsError, match=r"^HUB_DATA_DIR: the workers' metrics cannot be kept in .*data \(.*: name"
        ),
        shared_folder(tmp_path / "data"),
    ):
        pass


def test_a_process_says_what_it_takes() -> None:
    process = Process()
    process.measure()
    before = telemetry.total(telemetry.CPU)
    process.measure()
    assert telemetry.total(telemetry.CPU) - before < 1
    assert next(iter(telemetry.RESIDENT.collect())).samples[0].value > 10_000_000


async def test_a_port_shows_what_work_does_and_nothing_that_only_gateways_know() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with shown("127.0.0.1", port):
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{port}/metrics") as answer,
        ):
            said = await answer.text()
    for name in ("hub_process_resident_bytes", "hub_process_cpu_seconds_total", "hub_relay_leads"):
        assert f"\n{name} " in said
    assert "# TYPE hub_group_handled_total counter" in said
    assert "# TYPE hub_group_errors_total counter" in said
    assert "hub_push_seq" not in said
    with socket.create_server(("127.0.0.1", port)):
        pass  # it is free again


def test_a_taken_port_is_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(
                SettingsError, match=rf"^port {port} on 127\.0\.0\.1 is in use: .* another --metrics-port$"
            ),
            shown("127.0.0.1", port),
        ):
            pass
