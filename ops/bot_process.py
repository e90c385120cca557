"""Owns the process of `hub bot` beside `hub up`: brought back when it ends, ended with its parent."""

import asyncio
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog

from ops.embedded.account import ours
from routing.dispatcher import DRAIN_S

log = structlog.get_logger(__name__)

STEADY_S: Final = 30.0
"""Who lived longer is brought back at once; the others after a pause that grows."""
PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 30.0
END_S: Final = DRAIN_S + 5  # what it says to Telegram just then may be said to the end
COMMAND: Final = (sys.executable, "-P", "-c", "from ops.cli import main; main()", "bot")


async def keep_bot(data_dir: Path, begin: asyncio.Event) -> None:
    """Run it from `begin` on, for ever; in the main thread, with whose end the kernel ends the bot."""
    await begin.wait()
    loop, attempt = asyncio.get_running_loop(), 0
    while True:
        since = loop.time()
        status = await _live_or_not(data_dir)
        attempt = 0 if loop.time() - since > STEADY_S else attempt + 1
        log.error("`hub bot` ended, and is brought back", status=status)
        if attempt:
            await asyncio.sleep(min(PAUSE_S * 2 ** min(attempt, 10), LONGEST_PAUSE_S))


async def _live_or_not(data_dir: Path) -> int | None:
    """What runs beside the bot goes on where no process can be started just now."""
    try:
        return await _live(data_dir)
    except OSError as error:
        log.error("`hub bot` cannot be started", error=str(error))  # noqa: TRY400  the trace says no more
        return None


async def _live(data_dir: Path) -> int:
    """Start it and wait for its end; answers its status."""
    command = ours().command(signal.SIGTERM, [*COMMAND, "--data-dir", data_dir])
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=sys.stderr.fileno(),  # scripts read what `hub up` itself says on stdout
        env=dict(os.environ),
        start_new_session=True,  # Ctrl-C is for the hub, which ends the bot
    )
    log.info("the bot runs in a process of its own", pid=process.pid)
    try:
        return await process.wait()
    finally:
        if process.returncode is None:
            await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):  # it ends in this moment
        process.terminate()
    try:
        async with asyncio.timeout(END_S):
            await process.wait()
    except TimeoutError:
        log.warning("`hub bot` did not end, and was killed")
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
