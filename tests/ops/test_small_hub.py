"""The small hubs of tests: none outlives who started it, also when that one was killed."""

import asyncio
import subprocess
import sys
from pathlib import Path

from ops.embedded import leftovers
from tests.hubprocess import ROOT
from tests.waiting import until

_STARTER = """
import sys, time
from tests.ops.small_hub import launch
process = launch(sys.argv[1])
print(process.stdout.readline(), flush=True)
time.sleep(600)
"""


async def test_a_small_hub_ends_with_who_started_it(tmp_path: Path) -> None:
    starter = subprocess.Popen(  # noqa: ASYNC220  it is killed soon
        [sys.executable, "-c", _STARTER, tmp_path], cwd=ROOT, stdout=subprocess.PIPE
    )

    async def all_gone() -> bool:
        return not leftovers.inside(tmp_path / "postgres") and not leftovers.inside(tmp_path / "valkey")

    try:
        assert starter.stdout is not None
        assert await asyncio.to_thread(starter.stdout.readline)
        assert not await all_gone()
    finally:
        starter.kill()
        starter.communicate()
    await until(all_gone)
