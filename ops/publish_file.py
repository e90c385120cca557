"""Owns publishing a file of events: in batches, with progress, going on where it stopped, nothing twice.

Every line without an id gets one that follows from the run and the line's number. A batch that was sent
but not confirmed is sent again with the same ids, and the hub answers `duplicate`.
"""

import asyncio
import codecs
import hashlib
import json
import re
import sys
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import Final

import aiohttp
import click
import orjson

from ops.client import client, refused
from ops.settings import Settings

BATCH: Final = 1000
BATCH_BYTES: Final = 800_000
MEDIA_TYPE: Final = "application/cloudevents-batch+json"
TRIES: Final = 8
PATIENCE: Final = frozenset({429, 502, 503, 504})  # of the hub, or of a proxy before it
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
    """Events that go in one request, the line of each, and where the file stands after them."""

    events: list[bytes]
    lines: list[int]
    offset: int
    line: int

    def body(self) -> bytes:
        return b"[" + b",".join(self.events) + b"]"

    def place(self, path: str) -> str:
        """Say where in the file a path of the body is."""
        inside = re.fullmatch(r"\[(\d{1,9})\]\.?(.*)", path, re.DOTALL)
        if inside is None or int(inside[1]) >= len(self.lines):
            return path or self.span()
        return f"line {self.lines[int(inside[1])]}" + (f": {inside[2]}" if inside[2] else "")

    def span(self) -> str:
        """Name the lines that went together."""
        first, last = self.lines[0], self.lines[-1]
        return f"line {first}" if first == last else f"lines {first} to {last}"


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
                await _send(session, batch)
                bar.update(batch.offset - progress.offset)
                progress.offset, progress.line = batch.offset, batch.line
                _save(kept, progress)
    kept.unlink(missing_ok=True)
    click.echo(f"published {progress.line} lines")


def _load(kept: Path, file: Path) -> Progress:
    with file.open("rb") as source:
        fingerprint = hashlib.sha256(source.read(FINGERPRINT_BYTES)).hexdigest()
    if kept.exists():
        try:
            found = Progress(**json.loads(kept.read_text()))
        except (ValueError, TypeError):
            raise click.ClickException(f"{kept} is not what was written: delete it to begin anew") from None
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
    events: list[bytes] = []
    lines: list[int] = []
    size, line, offset = 0, progress.line, progress.offset
    with file.open("rb") as source:
        source.seek(offset)
        for raw in source:
            event = _event(raw, line + 1, progress.run)
            if events and (len(events) == BATCH or size + len(event) > BATCH_BYTES):
                yield Batch(events, lines, offset, line)
                events, lines, size = [], [], 0
            line, offset = line + 1, offset + len(raw)
            if event:
                events.append(event)
                lines.append(line)
                size += len(event) + 1  # a comma or a bracket
    if offset > progress.offset:
        yield Batch(events, lines, offset, line)


def _event(raw: bytes, line: int, run: str) -> bytes:
    """Read a line and write it as it is sent, with an id; an empty one stays empty."""
    text = (raw.removeprefix(codecs.BOM_UTF8) if line == 1 else raw).strip()
    if not text:
        return b""
    try:
        event = orjson.loads(text)
        if not isinstance(event, dict):
            raise click.ClickException(f"line {line} is not a JSON object")
        return orjson.dumps(event | {"id": event.get("id") or str(uuid.uuid5(uuid.UUID(run), str(line)))})
    except orjson.JSONDecodeError as error:
        raise click.ClickException(f"line {line} is not JSON: {error}") from None
    except orjson.JSONEncodeError as error:
        raise click.ClickException(f"line {line} cannot be sent: {error}") from None


async def _send(session: aiohttp.ClientSession, batch: Batch) -> None:
    """Send one batch; a hub that is away or asks for patience is tried again, up to eight times."""
    if not batch.events:
        return
    body, headers = batch.body(), {"Content-Type": MEDIA_TYPE}
    for attempt in range(1, TRIES + 1):
        wait = min(30.0, 0.5 * 2**attempt)
        try:
            async with session.post("/v1/events", data=BytesIO(body), headers=headers) as response:
                if response.status == 202:
                    return
                problem = await refused(response, batch.place)
                if response.status not in PATIENCE:
                    raise click.ClickException(f"{batch.span()}: {problem.message}")
                wait = float(response.headers.get("Retry-After", wait))
                reason = problem.message
        except aiohttp.ClientError as error:
            reason = str(error)
        if attempt == TRIES:
            raise click.ClickException(f"the hub did not take {batch.span()}: {reason}; run it again")
        await asyncio.sleep(wait)
