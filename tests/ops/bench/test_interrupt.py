"""A command that is asked to end while an exception of a signal handler would be lost."""

import signal
import subprocess
import sys

import pytest

LOST = """
import asyncio, os, signal, sys, weakref
from ops.bench.interrupt import end_like_ctrl_c

class Thing: pass

def asked(_):
    os.kill(os.getpid(), signal.SIGTERM)
    sum(range(1000))  # the handler runs before this ends, and an exception goes nowhere from here

async def main():
    thing = Thing()
    seen = weakref.ref(thing, asked)
    del thing
    try:
        await asyncio.sleep(60)
    finally:
        print("ended its children")

signal.signal(signal.SIGINT, getattr(signal, sys.argv[1]))
end_like_ctrl_c()
asyncio.run(main())
"""


@pytest.mark.timeout(90)
@pytest.mark.parametrize("before", ["default_int_handler", "SIG_IGN"])  # ignored by a shell's background jobs
def test_while_a_loop_runs_no_request_to_end_is_lost(before: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOST, before], capture_output=True, text=True, check=False, timeout=50
    )

    assert done.stdout == "ended its children\n", done.stderr
    assert done.returncode == -signal.SIGINT
