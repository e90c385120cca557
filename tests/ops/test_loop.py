"""The loop of the long-lived roles."""

import subprocess
import sys

PROGRAM = """
import asyncio, gc
from ops.loop import run, settle

async def main():
    server = await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", 0)
    transport, _ = await asyncio.get_running_loop().create_connection(
        asyncio.Protocol, *server.sockets[0].getsockname())
    settle()
    print(type(transport).__module__.split(".")[0], gc.get_freeze_count() > 10_000)
    transport.close()
    server.close()

run(main())
"""


def test_roles_run_on_the_fast_transports_and_keep_what_is_there_out_of_the_search_for_garbage() -> None:
    found = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["aiofastnet", "True"]
