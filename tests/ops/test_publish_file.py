"""A file of events: how it is cut into requests, and where an error is said to be."""

import asyncio
import json
import os
from pathlib import Path

import click
import pytest
from pydantic import SecretStr

from bus.tasks import cancel, spawn
from ops.effective import effective
from ops.publish_file import BATCH, BATCH_BYTES, Batch, Progress, _batches, publish_file
from ops.settings import Auth, Settings, SettingsError
from schemas.db import connect
from tests.hubprocess import HubProcess
from tests.waiting import until

RUN = "01890a5d-ac96-774b-bcce-b302099a8057"
RUSSIAN = "Все счастливые семьи похожи друг на друга. " * 20


def comment(content: str, text: str, **more: object) -> str:
    data = {"content_id": content, "author": "ann", "text": text}
    return json.dumps({"type": "content.commented", "data": data} | more, ensure_ascii=False)


def write(folder: Path, *lines: str) -> Path:
    file = folder / "events.jsonl"
    file.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return file


def cut(file: Path) -> list[Batch]:
    return list(_batches(file, Progress(RUN, "")))


def test_no_request_is_too_long_or_has_too_many_events(tmp_path: Path) -> None:
    lines = [comment("c", RUSSIAN)] * 1500 + [comment("c", "short")] * 2500
    batches = cut(write(tmp_path, *lines))
    assert sum(len(json.loads(batch.body())) for batch in batches) == len(lines)
    assert max(len(batch.events) for batch in batches) == BATCH
    assert max(len(batch.body()) for batch in batches) <= BATCH_BYTES + 1
    assert [number for batch in batches for number in batch.lines] == list(range(1, len(lines) + 1))


def test_a_line_without_an_id_gets_the_same_one_each_time(tmp_path: Path) -> None:
    file = write(tmp_path, comment("c", "a"), comment("c", "b", id=None), comment("c", "c", id=RUN))
    (batch,), (again,) = cut(file), cut(file)
    ids = [event["id"] for event in json.loads(batch.body())]
    assert ids == [event["id"] for event in json.loads(again.body())]
    assert all(ids)
    assert len(set(ids)) == 3
    assert ids[2] == RUN


def test_a_path_of_the_body_becomes_a_line_of_the_file(tmp_path: Path) -> None:
    (batch,) = cut(write(tmp_path, "\ufeff" + comment("c", "a"), "", " ", comment("c", "b")))
    assert batch.place("[0].data.text") == ("line 1", "data.text")
    assert batch.place("[1]") == ("line 4", "")
    assert batch.place("") == ("lines 1 to 4", "")
    assert batch.place("[2].data") == ("lines 1 to 4", "[2].data")
    assert (batch.line, batch.offset) == (4, (tmp_path / "events.jsonl").stat().st_size)


@pytest.mark.parametrize(
    ("count", "end"),
    [
        (10, "line 10: data.x is bad; type is odd"),
        (11, "… and 1 more line is wrong"),
        (40, "… and 30 more lines are wrong"),
        (50, "… and at least 40 more lines are wrong"),
    ],
)
def test_of_many_wrong_lines_a_few_are_named_and_the_others_counted(
    tmp_path: Path, count: int, end: str
) -> None:
    (batch,) = cut(write(tmp_path, *[comment("c", "a")] * 60))
    errors = [
        (f"[{n}].{path}", said)
        for n in range(count)
        for path, said in (("data.x", "is bad"), ("type", "is odd"))
    ]
    said = batch.wrong(errors)
    assert said[0] == "line 1: data.x is bad; type is odd"
    assert said[-1] == end
    assert len(said) == min(count, 11)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 2 is not JSON"),
        ("[]", "line 2 is not a JSON object"),
        ('{"id": NaN}', "line 2 is not JSON"),
        ('{"data": ' + "[" * 500 + "]" * 500 + "}", "line 2 cannot be sent"),
    ],
)
def test_a_line_that_cannot_be_sent_is_named(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(click.ClickException, match=said):
        cut(write(tmp_path, comment("c", "a"), line))


async def test_a_file_in_russian_is_published_whole(hub_process: HubProcess, tmp_path: Path) -> None:
    file = write(tmp_path, *[comment("russian", RUSSIAN)] * 1200)
    assert file.stat().st_size > BATCH_BYTES
    await publish_file(effective(hub_process.data_dir), file)
    log = await connect(hub_process.json()["database_url"])
    whole = "SELECT count(*) FROM events WHERE subject = 'content:russian' AND data->>'text' = $1"
    assert await log.fetchval(whole, RUSSIAN) == 1200
    await log.close()


async def test_what_the_hub_refuses_is_named_by_its_line(hub_process: HubProcess, tmp_path: Path) -> None:
    settings = effective(hub_process.data_dir)
    file = write(tmp_path, comment("c", "a"), "", comment("c", ""), comment("c", "d", time="noon"))
    with pytest.raises(click.ClickException) as wrong:
        await publish_file(settings, file)
    assert "line 3: data.text" in wrong.value.message
    assert "line 4: time" in wrong.value.message


async def test_a_line_that_is_too_long_for_the_hub_is_named(hub_process: HubProcess, tmp_path: Path) -> None:
    file = write(tmp_path, comment("c", "a"), comment("c", "x" * 3_000_000))
    with pytest.raises(click.ClickException, match=r"^line 2: 413"):
        await publish_file(effective(hub_process.data_dir), file)


async def test_a_finished_file_is_not_published_again(
    hub_process: HubProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = effective(hub_process.data_dir)
    file = write(tmp_path, comment("twice", "a"), "", comment("twice", "b"))
    await publish_file(settings, file)
    assert capsys.readouterr().out == "published 2 events\n"
    await publish_file(settings, file)
    kept = tmp_path / "events.jsonl.progress"
    assert (
        capsys.readouterr().out == f"already published: 2 events; delete {kept} to publish all of it again\n"
    )
    assert await count(hub_process, "twice") == 2
    kept.unlink()
    await publish_file(settings, file)
    assert await count(hub_process, "twice") == 4


async def test_what_was_added_to_a_finished_file_is_published_alone(
    hub_process: HubProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = effective(hub_process.data_dir)
    file = write(tmp_path, comment("grown", "a"))
    await publish_file(settings, file)
    write(tmp_path, comment("grown", "a"), comment("grown", "b"))
    await publish_file(settings, file)
    assert capsys.readouterr().out == "published 1 event\npublished 1 event, 2 in all\n"
    assert await count(hub_process, "grown") == 2


async def test_a_wrong_line_may_be_put_right(hub_process: HubProcess, tmp_path: Path) -> None:
    settings = effective(hub_process.data_dir)
    for wrong in ("not json", comment("right", "")):
        file = write(tmp_path, comment("right", "a"), wrong)
        with pytest.raises(click.ClickException, match="line 2"):
            await publish_file(settings, file)
    write(tmp_path, comment("right", "a"), comment("right", "b"))
    await publish_file(settings, file)
    assert await count(hub_process, "right") == 2


async def test_a_change_in_what_was_published_is_refused(hub_process: HubProcess, tmp_path: Path) -> None:
    settings = effective(hub_process.data_dir)
    file = write(tmp_path, comment("other", "a"))
    await publish_file(settings, file)
    write(tmp_path, comment("other", "b"), comment("other", "c"))
    with pytest.raises(click.ClickException, match="up to line 1: put that back, or delete"):
        await publish_file(settings, file)
    assert await count(hub_process, "other") == 1


async def test_a_file_for_a_hub_that_is_not_there_is_refused_at_once(tmp_path: Path) -> None:
    settings = Settings(public_url="http://127.0.0.1:1", auth=Auth(secret=SecretStr("x" * 32)))
    with pytest.raises(SettingsError, match="no hub answers at"):
        await publish_file(settings, write(tmp_path, comment("c", "a")))


async def test_an_interruption_says_how_far_it_came(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def answer_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"]")
        writer.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
        await reader.read()  # and never answers the second request
        writer.close()

    async with await asyncio.start_server(answer_once, "127.0.0.1", 0, limit=2 * BATCH_BYTES) as server:
        port = server.sockets[0].getsockname()[1]
        settings = Settings(public_url=f"http://127.0.0.1:{port}", auth=Auth(secret=SecretStr("x" * 32)))
        publishing = spawn(
            publish_file(settings, write(tmp_path, *[comment("c", "a")] * (BATCH + 1))), name="publishing"
        )
        kept = tmp_path / "events.jsonl.progress"

        async def confirmed() -> bool:
            return kept.exists() and json.loads(kept.read_text())["line"] == BATCH

        await until(confirmed)
        await cancel(publishing)
    assert "1,000 events published, up to line 1000; the same command goes on" in capsys.readouterr().err


async def test_a_file_that_cannot_be_sent_leaves_no_progress(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no hub is running"):
        await publish_file(Settings(data_dir=tmp_path / "none"), write(tmp_path, comment("c", "a")))
    assert os.listdir(tmp_path) == ["events.jsonl"]  # noqa: PTH208  a path must not block a loop


async def count(hub: HubProcess, content: str) -> int:
    log = await connect(hub.json()["database_url"])
    found = await log.fetchval("SELECT count(*) FROM events WHERE subject = $1", f"content:{content}")
    await log.close()
    return int(found)
