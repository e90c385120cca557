"""What the log says of a room."""

from ops.chaos.truth import Entry, Sent, Truth

LOG = [Entry(seq, f"e{seq}", seq * 100.0) for seq in (1, 2, 3, 4)]
SENT = [Sent(f"e{seq}", {"/live": ("live:a" if seq % 2 else "live:b",)}, 0.0) for seq in (1, 2, 3, 4)]


def test_the_last_entry_of_a_room_that_was_in_the_log_is_known() -> None:
    truth = Truth(LOG, SENT)
    assert [truth.last_logged_before("/live", "live:a", at) for at in (100, 101, 300, 301, 999)] == [
        0,
        1,
        1,
        3,
        3,
    ]


def test_a_room_without_events_has_no_last_one() -> None:
    assert Truth(LOG, SENT).last_logged_before("/live", "live:c", 999) == 0
