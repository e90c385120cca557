"""Owns calls from the command line to a running hub over HTTP."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final

import aiohttp
import click

from gateways.auth import COMMAND_LINE
from ops.effective import no_hub
from ops.settings import Settings, SettingsError
from ops.signing import sign

PATIENCE: Final = frozenset({429, 502, 503, 504})  # of the hub, or of a proxy before it
Errors = list[tuple[str, str]]
"""Where something is wrong, and what."""
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
        client(settings, COMMAND_LINE, "publish") as session,
        session.post("/v1/events", json=event) as response,
    ):
        if response.status != 202:
            raise await refused(response)
        return (await response.json())["accepted"][0]


def _by_path(errors: Errors) -> list[str]:
    return [f"{path or '(body)'}: {message}" for path, message in errors]


async def refused(
    response: aiohttp.ClientResponse, lines: Callable[[Errors], list[str]] = _by_path
) -> click.ClickException:
    """Turn an error answer into words: the problem, and the `lines` about what is wrong."""
    problem: dict[str, Any] = {}
    if response.content_type == "application/problem+json":
        problem = await response.json(content_type=None)
    head = f"{response.status} {problem.get('title', response.reason)}"
    if response.status == HTTPStatus.UNAUTHORIZED:  # the token may be that of another hub
        head += f" at {response.url.origin()} (HUB_PUBLIC_URL names another hub)"
    wrong = lines([(error["path"], error["message"]) for error in problem.get("errors", [])])
    if len(wrong) > 1:
        return click.ClickException("\n  ".join([head, *wrong]))
    # The detail repeats the errors, with the paths of the body.
    return click.ClickException(": ".join([head, *(wrong or filter(None, [problem.get("detail")]))]))
