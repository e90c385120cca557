"""A command that is asked to end while an exception of a signal handler would be lost."""

import signal
import subprocess
import sys

import pytest

LOST = """
import asyncio, os, signal, weakref
from ops.bench.interrupt import end_like_ctrl_c

class Thing: pass

def asked(_):
    os.kill(os.getpid(), signal.SIGTERM)
    sum(range(1000))  # the handler runs in here, where an exception goes nowhere

async def main():
    thing = Thing()
    seen = weakref.ref(thing, asked)
    del thing
    try:
        await asyncio.sleep(60)
    finally:
        print("ended its children")

end_like_ctrl_c()
asyncio.run(main())
"""


@pytest.mark.timeout(90)
def test_a_request_to_end_is_never_lost() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOST], capture_output=True, text=True, check=False, timeout=50
    )

    assert done.stdout == "ended its children\n", done.stderr
    assert done.returncode == -signal.SIGINT
