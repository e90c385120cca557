"""Owns `hub tail`: events as they happen, one line each."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import aiohttp
import click

from bus.tasks import cancelled
from ops.client import client, refused
from ops.commands.options import data_dir_option
from ops.effective import effective
from ops.settings import Settings

PAUSE_S: Final = 1.0


@click.command()
@click.option("--type", "type_", help="Only events of this type.")
@click.option("--user", help="Only events that this user caused or that name this user.")
@click.option("--json", "as_json", is_flag=True, help="Whole events, one JSON object a line.")
@data_dir_option
def tail(type_: str | None, user: str | None, as_json: bool, data_dir: Path | None) -> None:
    """Show events as they happen, until Ctrl-C."""
    try:
        asyncio.run(_tail(effective(data_dir), {"type": type_, "user": user}, as_json=as_json))
    except KeyboardInterrupt:
        return


async def _tail(settings: Settings, wanted: dict[str, str | None], *, as_json: bool) -> None:
    """Follow the hub; after a cut go on behind the last event that was shown."""
    params = {key: value for key, value in wanted.items() if value is not None}
    last: dict[str, str] = {}
    async with client(settings, "hub-cli", "admin") as session:
        # Asked here as well: a cancellation (Ctrl-C) that meets a broken connection may become its error.
        while not cancelled():
            try:
                async with session.get("/v1/events/tail", params=params, headers=last) as response:
                    if response.status != 200:
                        raise await refused(response)
                    async for seq, event in _messages(response):
                        last = {"Last-Event-ID": seq}
                        click.echo(json.dumps(event) if as_json else _line(event))
            except (aiohttp.ClientError, TimeoutError) as error:
                click.echo(f"interrupted ({error}); going on …", err=True)
            await asyncio.sleep(PAUSE_S)


async def _messages(response: aiohttp.ClientResponse) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """Read a text/event-stream (WHATWG HTML, server-sent events): `id` and `data` fields."""
    seq, data = "", ""
    async for raw in response.content:
        field, _, value = raw.decode().rstrip("\r\n").partition(":")
        value = value.removeprefix(" ")
        if field == "id":
            seq = value
        elif field == "data":
            data += value
        elif not field and data and not value:
            yield seq, json.loads(data)
            data = ""


def _line(event: dict[str, Any]) -> str:
    data = json.dumps(event["data"], ensure_ascii=False, separators=(",", ":"))
    return (
        f"{event['time']}  {event['type']:<24} {event['subject']:<28} {event.get('actor') or '-':<16} {data}"
    )
