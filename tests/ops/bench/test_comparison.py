"""The order of a comparison."""

from ops.bench.comparison import turns


def test_servers_take_turns_in_an_order_that_is_reversed_every_other_time() -> None:
    order = [(1, "hub"), (1, "node"), (2, "node"), (2, "hub"), (3, "hub"), (3, "node")]

    assert list(turns(["hub", "node"], 3)) == order
