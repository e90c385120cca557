"""Owns `hub tail`: events as they happen, one line each."""

import asyncio
import json
from pathlib import Path
from typing import Any

import click

from ops.commands.options import data_dir_option


@click.command()
@click.option("--type", "type_", help="Only events of this type.")
@click.option("--user", help="Only events that this user caused or that name this user.")
@click.option("--json", "as_json", is_flag=True, help="Whole events, one JSON object a line.")
@data_dir_option
def tail(type_: str | None, user: str | None, as_json: bool, data_dir: Path | None) -> None:
    """Show events as they happen, until Ctrl-C."""
    from ops.effective import effective
    from ops.following import Follower

    follower = Follower(
        effective(data_dir),
        show=lambda event: click.echo(json.dumps(event) if as_json else _line(event)),
        say=lambda sentence: click.echo(sentence, err=True),
    )
    wanted = {"type": type_, "user": user}
    try:
        asyncio.run(follower.run({key: value for key, value in wanted.items() if value is not None}))
    except KeyboardInterrupt:
        return


def _line(event: dict[str, Any]) -> str:
    data = json.dumps(event["data"], ensure_ascii=False, separators=(",", ":"))
    return (
        f"{event['time']}  {event['type']:<24} {event['subject']:<28} {event.get('actor') or '-':<16} {data}"
    )
