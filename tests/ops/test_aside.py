"""Work that was set aside, as `hub dlq show` finds it."""

from bus import parked
from schemas.db import Pool


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
