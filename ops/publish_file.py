"""Owns publishing a file of events: in batches, with progress, going on where it stopped, nothing twice.

Every line without an id gets one that follows from the run and the line's number. A batch that was sent
but not confirmed is sent again with the same ids, and the hub answers `duplicate`. How far a file has come
stays beside it when it is done, so that nothing is published again unless somebody says so.
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

from gateways.auth import COMMAND_LINE
from ops.client import PATIENCE, Errors, client, refused
from ops.settings import Settings
from schemas.events.wire import MAX_ERRORS

BATCH: Final = 1000
BATCH_BYTES: Final = 800_000
MEDIA_TYPE: Final = "application/cloudevents-batch+json"
TRIES: Final = 8
SHOWN: Final = 10
PIECE_BYTES: Final = 1_000_000


@dataclass(slots=True)
class Progress:
    """How far a file has come; `published` is the hash of what lies before."""

    run: str
    published: str
    offset: int = 0
    line: int = 0
    events: int = 0


class Published:
    """The running hash of the part of a file that was published."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._hash = hashlib.sha256()

    def add(self, start: int, end: int) -> str:
        """Take in a part of the file; answers the hash of all so far."""
        with self._file.open("rb") as source:
            source.seek(start)
            while start < end and (piece := source.read(min(PIECE_BYTES, end - start))):
                self._hash.update(piece)
                start += len(piece)
        return self._hash.hexdigest()


@dataclass(frozen=True, slots=True)
class Batch:
    """Events that go in one request, the line of each, and where the file stands after them."""

    events: list[bytes]
    lines: list[int]
    offset: int
    line: int

    def body(self) -> bytes:
        return b"[" + b",".join(self.events) + b"]"

    def place(self, path: str) -> tuple[str, str]:
        """Answer the line of the file that a path of the body is in, and the path within its event."""
        inside = re.fullmatch(r"\[(\d{1,9})\]\.?(.*)", path, re.DOTALL)
        if inside is None or int(inside[1]) >= len(self.lines):
            return self.span(), path
        return f"line {self.lines[int(inside[1])]}", inside[2]

    def wrong(self, errors: Errors) -> list[str]:
        """Say what is wrong, each line of the file once, and no more lines than one can read."""
        found: dict[str, list[str]] = {}
        for path, message in errors:
            place, member = self.place(path)
            found.setdefault(place, []).append(f"{member} {message}" if member else message)
        said = [f"{place}: {'; '.join(messages)}" for place, messages in found.items()]
        more = len(said) - SHOWN
        if more <= 0:
            return said
        # The hub does not look further when it has found so many errors.
        number = f"at least {more}" if len(errors) >= MAX_ERRORS else str(more)
        return [*said[:SHOWN], f"… and {number} more {'line is' if more == 1 else 'lines are'} wrong"]

    def span(self) -> str:
        """Name the lines that went together."""
        first, last = self.lines[0], self.lines[-1]
        return f"line {first}" if first == last else f"lines {first} to {last}"


async def publish_file(settings: Settings, file: Path) -> None:
    """Publish every line that was not; raises click.ClickException naming the line that is wrong."""
    kept = file.with_name(file.name + ".progress")
    published = Published(file)
    progress = _load(kept, file, published)
    before, size = progress.events, file.stat().st_size  # noqa: ASYNC240  nothing else runs yet
    if progress.offset and progress.offset == size:
        click.echo(f"already published: {_events(before)}; delete {kept} to publish all of it again")
        return
    if progress.line:
        click.echo(f"going on after line {progress.line}", err=True)
    bar = click.progressbar(length=size, label=file.name, file=sys.stderr, hidden=not sys.stderr.isatty())
    try:
        async with client(settings, COMMAND_LINE, "publish") as session:
            with bar:
                bar.update(progress.offset)
                for batch in _batches(file, progress):
                    if not kept.exists():
                        _save(kept, progress)  # before anything is sent: a second try must make the same ids
                    await _send(session, batch, first=progress.events == before)
                    bar.update(batch.offset - progress.offset)
                    _note(progress, batch, published)
                    _save(kept, progress)
    except asyncio.CancelledError:
        reached = f"{_events(progress.events)} published, up to line {progress.line}"
        click.echo(f"{reached}; the same command goes on from there", err=True)
        raise
    total = f", {progress.events:,} in all" if before else ""
    click.echo(f"published {_events(progress.events - before)}{total}")


def _events(count: int) -> str:
    return f"{count:,} event" if count == 1 else f"{count:,} events"


def _load(kept: Path, file: Path, published: Published) -> Progress:
    """Find how far the file has come; what was not published yet may have changed."""
    if not kept.exists():
        return Progress(str(uuid.uuid4()), published.add(0, 0))
    try:
        found = Progress(**json.loads(kept.read_text()))
    except (ValueError, TypeError):
        raise click.ClickException(
            f"{kept} is not what was written: delete it to publish the whole file"
        ) from None
    if published.add(0, found.offset) != found.published:
        raise click.ClickException(
            f"{file} has changed in what was published already, up to line {found.line}: put that back, or"
            f" delete {kept} to publish the whole file again"
        )
    return found


def _note(progress: Progress, batch: Batch, published: Published) -> None:
    """Count a batch as published."""
    progress.published = published.add(progress.offset, batch.offset)
    progress.offset, progress.line = batch.offset, batch.line
    progress.events += len(batch.events)


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


async def _send(session: aiohttp.ClientSession, batch: Batch, *, first: bool) -> None:
    """Send one batch; a hub that goes away or asks for patience is tried again, up to eight times."""
    if not batch.events:
        return
    body, headers = batch.body(), {"Content-Type": MEDIA_TYPE}
    for attempt in range(1, TRIES + 1):
        wait = min(30.0, 0.5 * 2**attempt)
        try:
            async with session.post("/v1/events", data=BytesIO(body), headers=headers) as response:
                if response.status == 202:
                    return
                problem = await refused(response, batch.wrong)
                if response.status not in PATIENCE:
                    raise click.ClickException(f"{batch.span()}: {problem.message}")
                wait = float(response.headers.get("Retry-After", wait))
                reason = problem.message
        except aiohttp.ClientError as error:
            if first and attempt == 1 and isinstance(error, aiohttp.ClientConnectorError):
                raise  # it was not there to begin with
            reason = str(error)
        if attempt == TRIES:
            raise click.ClickException(f"the hub did not take {batch.span()}: {reason}; run it again")
        await asyncio.sleep(wait)
