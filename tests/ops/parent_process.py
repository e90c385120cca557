"""A small hub for tests to kill: starts the embedded servers, says where they are, and watches them.

Its standard input is a pipe that whoever started it holds; when it ends, so does this, however that happened.

python parent_process.py DATA_DIR [BYTES_OF_SPACE_NEEDED]
"""

import asyncio
import json
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from ops.embedded.cluster import SPACE_NEEDED
from ops.embedded.data_dir import DataDir
from ops.embedded.errors import EmbeddedError
from ops.embedded.postgres import EmbeddedPostgres
from ops.embedded.supervisor import Supervisor
from ops.embedded.valkey import EmbeddedValkey


async def _watch(supervisor: Supervisor, ready: Mapping[str, object]) -> None:
    watching = asyncio.ensure_future(supervisor.watch())
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, watching.cancel)
    loop.add_reader(sys.stdin, watching.cancel)
    sys.stdout.write(json.dumps(ready) + "\n")
    sys.stdout.flush()
    await asyncio.wait([watching])


def main(path: str, space_needed: str = str(SPACE_NEEDED)) -> None:
    with DataDir(Path(path)) as data_dir:
        postgres = EmbeddedPostgres(data_dir, space_needed=int(space_needed))
        valkey = EmbeddedValkey(data_dir)
        supervisor = Supervisor(postgres, valkey)
        supervisor.start()
        ready = {"dsn": postgres.dsn, "url": valkey.url, "pids": [postgres.pid, valkey.pid]}
        try:
            asyncio.run(_watch(supervisor, ready))
        finally:
            supervisor.stop()


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except EmbeddedError as error:
        sys.exit(f"error: {error}")
