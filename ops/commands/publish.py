"""Owns `hub publish`: one event from the command line, or a file of them with progress and resume."""

import asyncio
import json
from pathlib import Path
from typing import Any

import click

from ops.commands.options import data_dir_option


@click.command()
@click.argument("type_", metavar="[TYPE]", required=False)
@click.option("--data", help="The event's data as JSON.")
@click.option("--subject", help="Ordering key (default: from the data).")
@click.option("--actor", help="The user who did it.")
@click.option("--id", "event_id", help="The event's id, a UUID (default: the hub makes one).")
@click.option(
    "--file",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file with one CloudEvents JSON object a line; goes on where it stopped.",
)
@data_dir_option
def publish(  # noqa: PLR0917  click passes options by name
    type_: str | None,
    data: str | None,
    subject: str | None,
    actor: str | None,
    event_id: str | None,
    file: Path | None,
    data_dir: Path | None,
) -> None:
    """Publish one event of TYPE with --data, or all events of a --file."""
    from ops.client import publish_event
    from ops.effective import effective
    from ops.publish_file import publish_file

    if file is not None:
        if type_ or data or subject or actor or event_id:
            raise click.UsageError("--file says everything: leave TYPE and the other options out")
        asyncio.run(publish_file(effective(data_dir), file))
        return
    if type_ is None or data is None:
        raise click.UsageError("give a TYPE with --data '{…}', or a --file")
    event = {"specversion": "1.0", "type": type_, "data": _parse(data)}
    event |= {k: v for k, v in {"subject": subject, "actor": actor, "id": event_id}.items() if v is not None}
    click.echo(json.dumps(asyncio.run(publish_event(effective(data_dir), event))))


def _parse(data: str) -> Any:
    try:
        return json.loads(data)
    except ValueError as error:
        raise click.UsageError(f"--data is not JSON: {error}") from None
