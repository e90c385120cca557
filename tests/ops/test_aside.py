"""Work that was set aside, as `hub dlq` finds it."""

import asyncio
from datetime import UTC, datetime
from uuid import UUID

from click.testing import CliRunner

from bus import parked
from ops import aside
from ops.cli import hub
from ops.doctor import examine
from ops.settings import Settings
from schemas.db import Pool
from schemas.ids import uuid7


async def test_one_number_is_found_in_every_group_and_state(pool: Pool) -> None:
    for group, seq, state in (("a", 7, "handled"), ("b", 7, "dead"), ("a", 8, "dead")):
        await pool.execute(
            "INSERT INTO relay_log (seq, relayed_at) VALUES ($1, now()) ON CONFLICT DO NOTHING", seq
        )
        await pool.execute(
            "INSERT INTO parked (grp, seq, partition, subject, due_at, state)"
            " VALUES ($1, $2, 0, 's', now(), $3)",
            group,
            seq,
            state,
        )
    assert [(one.group, one.state) for one in await parked.show(pool, None, 7)] == [
        ("a", "handled"),
        ("b", "dead"),
    ]
    assert [one.state for one in await parked.show(pool, "b", 7)] == ["dead"]
    assert await parked.show(pool, "b", 8) == []


async def delivery(pool: Pool, status: str) -> UUID:
    key = uuid7()
    await pool.execute(
        "INSERT INTO deliveries (id, user_id, event_id, notification_id, topic, priority, channel,"
        " endpoint_id, address, status, due_at, created_at)"
        " VALUES ($1, 'ann', $1, $1, 'tips', 0, 'email', $1, 'ann@example.com', $2, $3, $3)",
        key,
        status,
        datetime(2026, 1, 31, 12, tzinfo=UTC),
    )
    return key


async def test_failed_deliveries_are_found_and_redriven(database: str, pool: Pool) -> None:
    settings = Settings.model_validate({"database_url": database})
    first, second, unknown = [await delivery(pool, status) for status in ("failed", "failed", "unknown")]
    await delivery(pool, "sent")
    found = {one.id for one in await aside.failed_deliveries(settings, 10)}
    assert found == {first, second, unknown}
    assert len(await aside.failed_deliveries(settings, 1)) == 1
    assert await aside.redrive_deliveries(settings, [first, uuid7()]) == 1
    assert await aside.redrive_deliveries(settings, None) == 1
    assert [one.id for one in await aside.failed_deliveries(settings, 10)] == [unknown]
    assert await aside.redrive_deliveries(settings, [unknown]) == 1


async def test_what_fails_while_all_is_redriven_waits_for_another_time(database: str, pool: Pool) -> None:
    settings = Settings.model_validate({"database_url": database})
    await delivery(pool, "failed")
    later = await delivery(pool, "failed")
    await pool.execute("UPDATE deliveries SET updated_at = now() - interval '1 hour'")
    await pool.execute("UPDATE deliveries SET updated_at = now() + interval '1 hour' WHERE id = $1", later)
    assert await aside.redrive_deliveries(settings, None) == 1
    assert [one.id for one in await aside.failed_deliveries(settings, 10)] == [later]


async def test_a_delivery_is_shown_with_its_record(database: str, pool: Pool) -> None:
    settings = Settings.model_validate({"database_url": database})
    failed = await delivery(pool, "failed")
    await pool.execute("INSERT INTO delivery_attempts VALUES ($1, 1, now(), 'failed', 'no such box')", failed)
    shown = await aside.show_delivery(settings, failed)
    assert shown is not None
    assert (shown["status"], [one["detail"] for one in shown["record"]]) == ("failed", ["no such box"])
    assert await aside.show_delivery(settings, uuid7()) is None


async def dead_walk(pool: Pool, seq: int) -> UUID:
    key = uuid7()
    await pool.execute(
        "INSERT INTO walks (event_id, step, seq, accepted_at, state, attempts, done, error)"
        " VALUES ($1, 1, $2, now(), 'dead', 3, 7, 'no luck')",
        key,
        seq,
    )
    return key


async def test_dead_walks_are_found_and_redriven(database: str, pool: Pool) -> None:
    settings = Settings.model_validate({"database_url": database})
    first, second, third = [await dead_walk(pool, seq) for seq in (1, 2, 3)]
    assert [one.event_id for one in await aside.dead_walks(settings, 2)] == [third, second]
    (shown,) = await aside.dead_walks(settings, 10, first)
    assert (shown.event_id, shown.done, shown.type, shown.error) == (first, 7, None, "no luck")
    assert await aside.redrive_walks(settings, [first, uuid7()]) == [first]
    assert len(await aside.redrive_walks(settings, None)) == 2
    assert await aside.dead_walks(settings, 10) == []
    assert await pool.fetchval("SELECT count(*) FROM walks WHERE state = 'open' AND done = 7") == 3


async def dead_update(pool: Pool, number: int) -> None:
    body = {"update_id": number, "message": {"chat": {"id": 42}, "text": "hello"}}
    await pool.execute(
        "INSERT INTO telegram_updates (update_id, chat, body, state, attempts, error)"
        " VALUES ($1, 42, $2, 'dead', 6, 'ValidationError')",
        number,
        body,
    )


async def test_dead_updates_are_found_and_redriven(database: str, pool: Pool) -> None:
    settings = Settings.model_validate({"database_url": database})
    for number in (1, 2, 3):
        await dead_update(pool, number)
    found = await aside.dead_updates(settings, 2)
    assert [(one.update_id, one.kind, one.chat) for one in found] == [(3, "message", 42), (2, "message", 42)]
    shown = await aside.show_update(settings, 1)
    assert shown is not None
    assert (shown.state, shown.error, shown.body["message"]["text"]) == ("dead", "ValidationError", "hello")
    assert await aside.show_update(settings, 4) is None
    assert await aside.redrive_updates(settings, [1, 4]) == 1
    assert await aside.redrive_updates(settings, None) == 2
    assert await aside.dead_updates(settings, 10) == []
    assert await pool.fetchval("SELECT every(state = 'open' AND attempts = 0) FROM telegram_updates")


async def test_an_event_without_a_dead_walk_is_missed_though_another_has_two(
    database: str, pool: Pool
) -> None:
    await dead_walk(pool, 1)
    await pool.execute(
        "INSERT INTO walks (event_id, step, seq, accepted_at, state)"
        " SELECT event_id, 2, seq, accepted_at, state FROM walks"
    )
    (twice,) = {str(row["event_id"]) for row in await pool.fetch("SELECT event_id FROM walks")}
    told = await asyncio.to_thread(
        CliRunner(env={"HUB_DATABASE_URL": database}).invoke,
        hub,
        ["dlq", "redrive", "--group", "walks", twice, str(uuid7())],
    )
    assert told.exit_code == 1
    assert "new attempts: 2 walks" in told.output
    assert "1 of those named had nothing to redrive" in told.output


async def test_updates_go_through_the_commands_by_their_numbers(database: str, pool: Pool) -> None:
    await dead_update(pool, 7)

    async def hub_dlq(*arguments: str, status: int = 0) -> str:
        runner, given = CliRunner(env={"HUB_DATABASE_URL": database}), ["dlq", *arguments]
        told = await asyncio.to_thread(runner.invoke, hub, given)  # it runs an event loop of its own
        assert told.exit_code == status, told.output
        return told.output

    for group in ([], ["--group", "updates"]):
        line = "updates  7  dead  6×  message  chat 42  ValidationError\n"
        assert await hub_dlq("list", *group) == line
    assert "7  dead" not in await hub_dlq("list", "--state", "parked")
    assert '"text": "hello"' in await hub_dlq("show", "--group", "updates", "7")
    assert "no update with the number 8" in await hub_dlq("show", "--group", "updates", "8", status=1)
    assert await hub_dlq("redrive", "--group", "updates", "7") == "new attempts: 1 updates\n"
    assert await hub_dlq("redrive", "--group", "updates", "--all") == "new attempts: 0 updates\n"
    assert "1 of those named had nothing to redrive" in await hub_dlq(
        "redrive", "--group", "updates", "7", status=1
    )
    assert "go by their ids" in await hub_dlq("redrive", "--group", "deliveries", "7", status=2)


async def test_the_doctor_says_what_was_given_up(database: str, pool: Pool) -> None:
    settings = Settings.model_validate({"database_url": database})

    async def said() -> tuple[bool, str]:
        (found,) = [one for one in await examine(settings) if one.what == "dead work"]
        return found.well, found.says

    assert await said() == (True, "none")
    for status in ("failed", "failed", "unknown"):
        await delivery(pool, status)
    well, says = await said()
    assert well  # addresses are gone every day
    assert says.startswith("2 failed deliveries, 1 unknown deliveries: `hub dlq list")
    await dead_walk(pool, 1)
    await dead_update(pool, 1)
    well, says = await said()
    assert not well
    assert says.startswith("1 walks, 1 updates of Telegram, 2 failed deliveries")
