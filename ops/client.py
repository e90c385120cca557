"""Owns calls from the command line to a running hub over HTTP."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final

import aiohttp
import click

from ops.effective import no_hub
from ops.settings import Settings, SettingsError
from ops.signing import sign

PATIENCE: Final = frozenset({429, 502, 503, 504})  # of the hub, or of a proxy before it
TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=60)


@asynccontextmanager
async def client(settings: Settings, user: str, scope: str) -> AsyncIterator[aiohttp.ClientSession]:
    """Open a session on the hub with a token of its own; raises SettingsError when no hub is known."""
    if settings.public_url is None:
        raise no_hub(settings, "HUB_PUBLIC_URL")
    token = sign(settings, user, (scope,), timedelta(days=1))
    headers = {"Authorization": f"Bearer {token}"}
    try:
        async with aiohttp.ClientSession(settings.public_url, headers=headers, timeout=TIMEOUT) as session:
            yield session
    except aiohttp.ClientConnectorError as error:
        raise SettingsError(
            f"no hub answers at {settings.public_url}: is it running? ({error.os_error})"
        ) from error


async def publish_event(settings: Settings, event: dict[str, Any]) -> Any:
    """Publish one event; answers what the hub accepted. Raises click.ClickException when it refuses."""
    async with (
        client(settings, "hub-cli", "publish") as session,
        session.post("/v1/events", json=event) as response,
    ):
        if response.status != 202:
            raise await refused(response)
        return (await response.json())["accepted"][0]


def _path(path: str) -> str:
    return path or "(body)"


async def refused(
    response: aiohttp.ClientResponse, place: Callable[[str], str] = _path
) -> click.ClickException:
    """Turn an error answer into words: the problem, and each wrong member by the `place` of its path."""
    problem: dict[str, Any] = {}
    if response.content_type == "application/problem+json":
        problem = await response.json(content_type=None)
    head = f"{response.status} {problem.get('title', response.reason)}"
    wrong = [f"{place(error['path'])}: {error['message']}" for error in problem.get("errors", [])]
    if len(wrong) > 1:
        return click.ClickException("\n  ".join([head, *wrong]))
    # The detail repeats the errors, with the paths of the body.
    return click.ClickException(": ".join([head, *(wrong or filter(None, [problem.get("detail")]))]))
