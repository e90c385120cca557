"""What the logs look like."""

import subprocess
import sys

from tests.hubprocess import ROOT

SAID = """
import structlog
from ops.logs import configure
configure("info", "console")
structlog.get_logger().info("x")
"""


def test_no_colours_are_written_into_a_file() -> None:
    done = subprocess.run([sys.executable, "-c", SAID], cwd=ROOT, capture_output=True, text=True, check=True)
    assert " x" in done.stderr
    assert "\x1b" not in done.stderr
