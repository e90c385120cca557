"""Owns one of several processes of `hub serve`: it gets its connections from the one that started it.

python -m ops.worker NUMBER FILE DATA_DIR
"""

import os
import shutil
import socket
import sys
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

from bus.tasks import cancel, spawn
from gateways.app import create_app
from gateways.connections import opened
from ops.effective import effective
from ops.line import LowerEnd
from ops.logs import configure
from ops.loop import run, settle
from ops.run import patience_of
from ops.settings import Settings
from ops.stopping import stoppable
from ops.wiring import base, doors
from schemas.errors import ExplainedError

METRICS = "PROMETHEUS_MULTIPROC_DIR"  # prometheus_client reads it when it is imported


async def serve(settings: Settings, number: int, file: int, metrics: Path) -> None:
    """Be the doors for the connections that come down the line, until that says to end."""
    patience = replace(patience_of(settings), passed=True)
    async with AsyncExitStack() as stack:
        stop = stack.enter_context(stoppable())

        def alone() -> None:
            """Let the clients go; but if that is under way, somebody is in a hurry."""
            shutil.rmtree(metrics, ignore_errors=True)
            if stop.is_set():
                os._exit(1)
            stop.ask()

        with stop.starting():
            parts = await stack.enter_async_context(base(settings))
            gateway = await stack.enter_async_context(doors(parts))
            config = replace(gateway.config, session_prefix=f"{number}-", shared_metrics=metrics)
            app = create_app(replace(gateway, config=config))
            door = await stack.enter_async_context(opened(app, patience))
        line = LowerEnd(socket.socket(fileno=file), door, drain=stop.ask, alone=alone)
        telling = spawn(line.tell(lambda: door.open), name="connections")
        stack.push_async_callback(cancel, telling)
        settle()
        line.begin()
        await stop.wait()
        line.leave()


def main(number: str, file: str, data_dir: str) -> None:
    settings = effective(Path(data_dir))
    configure(settings.log_level, settings.log_format)
    run(serve(settings, int(number), int(file), Path(os.environ[METRICS])))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except ExplainedError as error:
        sys.exit(f"hub: {error}")
