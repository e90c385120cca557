"""Owns where processes keep their numbers together, and where `hub work` shows its own."""

import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

import structlog
from prometheus_client import start_http_server

from bus.telemetry import WORK
from ops.settings import SettingsError

log = structlog.get_logger(__name__)

PREFIX: Final = "metrics-"


@contextmanager
def shared_folder(data_dir: Path) -> Iterator[Path]:
    """Make the folder of this process and its workers; those of processes that are gone are removed.

    Who lives holds a lock on its own: a number says little, as every container has a process 1.
    """
    with _locked(data_dir):  # nobody else looks between the making of a folder and its lock
        for left in data_dir.glob(f"{PREFIX}*"):
            _remove_if_left(left)
        folder = _made(data_dir)
        held = _held(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(held)


@contextmanager
def _locked(data_dir: Path) -> Iterator[None]:
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        held = _held(data_dir, wait=True)
    except OSError as error:
        raise _no_folder(data_dir, error) from error
    try:
        yield
    finally:
        os.close(held)


def _made(data_dir: Path) -> Path:
    try:
        return Path(mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=data_dir)).absolute()
    except OSError as error:
        raise _no_folder(data_dir, error) from error


def _no_folder(data_dir: Path, error: OSError) -> SettingsError:
    return SettingsError(
        f"HUB_DATA_DIR: the workers' metrics cannot be kept in {data_dir.absolute()} ({error.strerror}): name"
        " a folder that this user may write to"
    )


def _held(folder: Path, *, wait: bool = False) -> int:
    """Take the lock of a folder; answers the file that holds it. Raises OSError."""
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        os.close(held)
        raise
    return held


def _remove_if_left(folder: Path) -> None:
    try:
        held = _held(folder)
    except OSError:
        return  # its process lives, or it is no folder of ours
    shutil.rmtree(folder, ignore_errors=True)
    os.close(held)


@contextmanager
def shown(host: str, port: int | None) -> Iterator[None]:
    """Show the numbers of `hub work` at /metrics; raises SettingsError when the port is taken."""
    if port is None:
        yield
        return
    try:
        server, thread = start_http_server(port, host, WORK)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise SettingsError(
                f"port {port} on {host} is in use: end what uses it, or take another --metrics-port"
            ) from None
        raise SettingsError(f"cannot show metrics on {host}:{port}: {error.strerror}") from None
    log.info("metrics", at=f"http://{f'[{host}]' if ':' in host else host}:{server.server_port}/metrics")
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
