"""Running `hub bench … --quick` and reading its report."""

import json
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from ops.bench.node import find_node

HUB = Path(sysconfig.get_path("scripts")) / "hub"


def quick(command: str, *arguments: str) -> dict[str, Any]:
    """The report of a quick run in which nothing was lost."""
    line = [str(HUB), "bench", command, "--quick", "--json", *arguments]
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=170)
    assert done.stdout, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["problems"] == [], done.stderr
    assert done.returncode == 0
    return report


def beside_node(command: str) -> dict[str, Any]:
    if find_node() is None:
        pytest.skip("there is no Node.js with npm here")
    return quick(command, "--peer", "node")


def phases(report: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """The servers in the order of their runs, with the phases of each."""
    return [(run["server"], [phase["name"] for phase in run["phases"]]) for run in report["runs"]]
