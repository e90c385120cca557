"""Owns the life of a hub process: which roles it plays, how it starts, and how it ends."""

import asyncio
import errno
import resource
import socket
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from typing import Any, Final

import structlog

from bus.tasks import cancel, spawn
from gateways.app import create_app
from gateways.connections import BACKLOG, Patience, served
from ops.loop import settle
from ops.settings import Settings, SettingsError
from ops.stopping import stoppable
from ops.wiring import base, doors, workers

log = structlog.get_logger(__name__)

READY_S: Final = 30.0
FILES_APART: Final = 200  # for all that is no connection of a client, the database's pool aside

Ready = Callable[[str], None]
Beside = Callable[[], Coroutine[Any, Any, None]]


def bind(host: str, port: int) -> socket.socket:
    """Take the port before anything else is started; raises SettingsError when it is taken.

    Two processes may bind it, but only one may listen: who comes from now on waits until somebody accepts.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise SettingsError(
                f"port {port} on {host} is in use: end what uses it, or take another --port"
            ) from None
        raise SettingsError(f"cannot listen on {host}:{port}: {error.strerror}") from None
    return listening


def url_of(listening: socket.socket) -> str:
    """Answer the address under which a bound socket is reached."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def serve(settings: Settings, listening: socket.socket, ready: Ready) -> None:
    """Be the doors until a signal ends it."""
    patience = patience_of(settings)
    tell_few_files(settings, patience)
    with stoppable() as stop:
        async with AsyncExitStack() as stack:
            with stop.starting():
                parts = await stack.enter_async_context(base(settings))
                gateway = await stack.enter_async_context(doors(parts))
                await stack.enter_async_context(served(create_app(gateway), listening, patience))
            settle()
            ready(url_of(listening))
            await stop.wait()


async def work(settings: Settings) -> None:
    """Be the relay, the groups and the maintenance until a signal ends it."""
    with stoppable() as stop:
        async with AsyncExitStack() as stack:
            with stop.starting():
                parts = await stack.enter_async_context(base(settings))
                await stack.enter_async_context(workers(parts))
            settle()
            log.info("working", worker=parts.name)
            await stop.wait()


async def everything(
    settings: Settings,
    listening: socket.socket,
    ready: Ready,
    beside: Beside,
    bot: Beside,
    *,
    dev_secret: str | None,
    simulators: Mapping[str, str],
) -> None:
    """Play all roles in this process, with `beside` and `bot` running next to them, until a signal ends it.

    Simulated providers run in `beside`: they answer until the last call of ours and of the bot has ended.
    """
    patience = patience_of(settings)
    tell_few_files(settings, patience)
    async with AsyncExitStack() as stack:
        stop = stack.enter_context(stoppable())
        with stop.starting():
            parts = await stack.enter_async_context(base(settings))
            gateway = await stack.enter_async_context(
                doors(parts, dev_secret=dev_secret, simulators=simulators)
            )
            sending = await stack.enter_async_context(workers(parts, url=url_of(listening)))
            await stack.enter_async_context(served(create_app(gateway), listening, patience))
            watching, talking = spawn(beside(), name="supervisor"), spawn(bot(), name="bot")
            stack.push_async_callback(cancel, watching, talking)
            await _until_ready(gateway.readiness)
        settle()
        ready(url_of(listening))
        await stop.wait()
        talking.cancel()
        await asyncio.gather(sending.end(), asyncio.wait([talking]))  # asked once: it ends in its own time


async def _until_ready(checks: Any) -> None:
    for name, check in checks.items():
        try:
            async with asyncio.timeout(READY_S):
                await check()
        except TimeoutError:
            raise SettingsError(
                f"{name} did not answer within {READY_S:.0f} s: `hub doctor` says more"
            ) from None


def patience_of(settings: Settings) -> Patience:
    """Take as many connections as may be open, of sockets and beside them, and as there are files for."""
    wanted = 2 * settings.limits.connections  # a socket that polls has two of them
    apart = FILES_APART + settings.database_pool
    files = raise_file_limit(wanted + apart)
    return Patience(most=max(1, min(wanted, files - apart)))


def tell_few_files(settings: Settings, patience: Patience) -> None:
    """Say it once at the start if files, not the setting, decide how many connections a process takes."""
    if patience.most < settings.limits.connections:
        log.info(
            "few open files: a process takes fewer connections than HUB_LIMITS__CONNECTIONS",
            takes=patience.most,
            setting=settings.limits.connections,
            do="raise the hard limit (ulimit -Hn, LimitNOFILE), or lower HUB_LIMITS__CONNECTIONS",
        )


def raise_file_limit(wanted: int) -> int:
    """Raise the soft limit of open files to the hard one, or to what is wanted if there is none."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return wanted
    target = max(soft, wanted) if hard == resource.RLIM_INFINITY else hard
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))
    except (ValueError, OSError) as error:  # some systems allow less than they say
        log.warning("the limit of open files stays", files=soft, error=str(error))
        return soft
    return target
