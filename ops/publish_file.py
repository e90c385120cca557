"""Owns publishing a file of events: in batches, with progress, going on where it stopped, nothing twice.

Every line without an id gets one that follows from the run and the line's number. A batch that was sent
but not confirmed is sent again with the same ids, and the hub answers `duplicate`.
"""

import asyncio
import hashlib
import json
import sys
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
import click

from ops.client import client, refused
from ops.settings import Settings

BATCH: Final = 1000
BATCH_BYTES: Final = 800_000
TRIES: Final = 8
FINGERPRINT_BYTES: Final = 65_536


@dataclass(slots=True)
class Progress:
    """How far a file has come; kept beside it until it is done."""

    run: str
    fingerprint: str
    offset: int = 0
    line: int = 0


@dataclass(frozen=True, slots=True)
class Batch:
    """Events that go in one request, and where the file stands after them."""

    events: list[dict[str, Any]]
    offset: int
    line: int


async def publish_file(settings: Settings, file: Path) -> None:
    """Publish every line of a file; raises click.ClickException naming the line that is wrong."""
    kept = file.with_name(file.name + ".progress")
    progress, size = _load(kept, file), file.stat().st_size  # noqa: ASYNC240  nothing else runs yet
    if progress.line:
        click.echo(f"going on after line {progress.line}", err=True)
    async with client(settings, "hub-cli", "publish") as session:
        with click.progressbar(length=size, label=file.name, file=sys.stderr) as bar:
            bar.update(progress.offset)
            for batch in _batches(file, progress):
                await _send(session, batch, progress.line)
                bar.update(batch.offset - progress.offset)
                progress.offset, progress.line = batch.offset, batch.line
                _save(kept, progress)
    kept.unlink(missing_ok=True)
    click.echo(f"published {progress.line} lines")


def _load(kept: Path, file: Path) -> Progress:
    with file.open("rb") as source:
        fingerprint = hashlib.sha256(source.read(FINGERPRINT_BYTES)).hexdigest()
    if kept.exists():
        found = Progress(**json.loads(kept.read_text()))
        if found.fingerprint != fingerprint or found.offset > file.stat().st_size:
            raise click.ClickException(
                f"{file} has changed since {kept} was written: delete {kept.name} to begin anew"
            )
        return found
    progress = Progress(str(uuid.uuid4()), fingerprint)
    _save(kept, progress)  # before the first batch: a second try must make the same ids
    return progress


def _save(kept: Path, progress: Progress) -> None:
    draft = kept.with_name(kept.name + ".new")
    draft.write_text(json.dumps(asdict(progress)))
    draft.replace(kept)


def _batches(file: Path, progress: Progress) -> Iterator[Batch]:
    events: list[dict[str, Any]] = []
    size, line, offset = 0, progress.line, progress.offset
    with file.open("rb") as source:
        source.seek(offset)
        for raw in source:
            if events and (len(events) == BATCH or size + len(raw) > BATCH_BYTES):
                yield Batch(events, offset, line)
                events, size = [], 0
            line, offset = line + 1, offset + len(raw)
            if raw.strip():
                events.append(_event(raw, line, progress.run))
                size += len(raw)
    if offset > progress.offset:
        yield Batch(events, offset, line)


def _event(raw: bytes, line: int, run: str) -> dict[str, Any]:
    try:
        event = json.loads(raw)
    except ValueError as error:
        raise click.ClickException(f"line {line} is not JSON: {error}") from None
    if not isinstance(event, dict):
        raise click.ClickException(f"line {line} is not a JSON object")
    return {"id": str(uuid.uuid5(uuid.UUID(run), str(line))), **event}


async def _send(session: aiohttp.ClientSession, batch: Batch, lines_before: int) -> None:
    """Send one batch; a hub that is away or asks for patience is tried again, up to eight times."""
    for attempt in range(1, TRIES + 1):
        wait = min(30.0, 0.5 * 2**attempt)
        try:
            if not batch.events:
                return
            async with session.post("/v1/events", json=batch.events) as response:
                if response.status == 202:
                    return
                problem = await refused(response)
                if response.status not in (429, 503):
                    raise click.ClickException(
                        f"after line {lines_before} (errors count from there): {problem.message}"
                    )
                wait = float(response.headers.get("Retry-After", wait))
                reason = problem.message
        except aiohttp.ClientError as error:
            reason = str(error)
        if attempt == TRIES:
            raise click.ClickException(
                f"the hub took no more after line {lines_before}: {reason}; run it again"
            )
        await asyncio.sleep(wait)
