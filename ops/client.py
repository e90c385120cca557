"""Owns calls from the command line to a running hub over HTTP."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import aiohttp
import click

from ops.effective import sign
from ops.settings import Settings, SettingsError

TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=60)


@asynccontextmanager
async def client(settings: Settings, user: str, scope: str) -> AsyncIterator[aiohttp.ClientSession]:
    """Open a session on the hub with a token of its own; raises SettingsError when no hub is known."""
    if settings.public_url is None:
        raise SettingsError(
            f"no hub is running in {settings.data_dir}: start it with `hub up`, or set HUB_PUBLIC_URL"
        )
    token = sign(settings, user, (scope,), timedelta(days=1))
    headers = {"Authorization": f"Bearer {token}"}
    try:
        async with aiohttp.ClientSession(settings.public_url, headers=headers, timeout=TIMEOUT) as session:
            yield session
    except aiohttp.ClientConnectorError as error:
        raise SettingsError(
            f"no hub answers at {settings.public_url}: is it running? ({error.os_error})"
        ) from error


def _path(path: str) -> str:
    return path or "(body)"


async def refused(
    response: aiohttp.ClientResponse, place: Callable[[str], str] = _path
) -> click.ClickException:
    """Turn an error answer into words: the problem, and each wrong member by the `place` of its path."""
    problem: dict[str, Any] = {}
    if response.content_type == "application/problem+json":
        problem = await response.json(content_type=None)
    lines = [
        f"{response.status} {problem.get('title', response.reason)}: {problem.get('detail', '')}".rstrip(": ")
    ]
    lines += [f"  {place(error['path'])}: {error['message']}" for error in problem.get("errors", [])]
    return click.ClickException("\n".join(lines))
