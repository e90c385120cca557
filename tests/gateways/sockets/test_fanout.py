"""From entries to bytes: one piece for each socket, in order, and what happens when that fails."""

import pytest

from bus import telemetry
from bus.base import PushEntry, Target
from gateways.sockets import frames
from gateways.sockets.closing import Closing
from gateways.sockets.history import History
from tests.gateways.sockets.conftest import Served, token_of


def entries(hub: Served, *packets: tuple[str, str, int]) -> list[PushEntry]:
    """Entries that follow what the hub has: a namespace, a room and a number each."""
    first = hub.sockets.recovery.history.head + 1
    return [
        PushEntry(seq, seq - 1, (Target.of(namespace, (room,), b'["n",%d]' % number),))
        for seq, (namespace, room, number) in enumerate(packets, first)
    ]


def delivered(namespace: str) -> float:
    return float(telemetry.DELIVERIES.labels(namespace)._value.get())


async def test_what_is_read_together_comes_in_order_whatever_the_rooms(hub: Served) -> None:
    raw = await hub.signed_in(user="ann")
    await raw.connect("/notifications", token_of("ann"))
    other = await hub.signed_in("/notifications", user="bob")
    before = delivered("/feed"), delivered("/notifications")
    hub.sockets.deliver(
        entries(
            hub,
            ("/feed", "feed", 1),
            ("/notifications", "user:ann", 2),
            ("/feed", "feed", 3),
            ("/notifications", "everyone", 4),
            ("/feed", "zone:art", 5),
            ("/feed", "feed", 6),
        )
    )
    heard = [await raw.next() for _ in range(5)]
    assert heard == [
        '42/feed,["n",1]',
        '42/notifications,["n",2]',
        '42/feed,["n",3]',
        '42/notifications,["n",4]',
        '42/feed,["n",6]',
    ]
    assert await other.next() == '42/notifications,["n",4]'
    assert (delivered("/feed") - before[0], delivered("/notifications") - before[1]) == (3, 3)


async def test_when_delivering_fails_everyone_comes_back(
    hub: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = await hub.signed_in(user="ann")

    def broken(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(hub.sockets.membership, "members", broken)
    hub.sockets.deliver(entries(hub, ("/feed", "feed", 1)))
    monkeypatch.undo()
    assert await raw.closed() == Closing.BROKEN.code
    assert hub.sockets.recovery.history.head == 1
    again = await hub.signed_in(user="ann")
    hub.sockets.deliver(entries(hub, ("/feed", "feed", 2)))
    assert await again.next() == '42/feed,["n",2]'


async def test_when_the_history_fails_nothing_is_delivered_twice(
    hub: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = await hub.signed_in(user="ann")

    def broken(*_: object) -> None:
        raise KeyError

    monkeypatch.setattr(History, "add", broken)
    hub.sockets.deliver(entries(hub, ("/feed", "feed", 1)))
    monkeypatch.undo()
    assert await raw.next() == '42/feed,["n",1]'
    assert await raw.closed() == Closing.BROKEN.code
    history = hub.sockets.recovery.history
    assert (history.head, history.floor, history.size) == (1, 1, 0)
    again = await hub.signed_in(user="ann")
    hub.sockets.deliver(entries(hub, ("/feed", "feed", 2)))
    assert await again.next() == '42/feed,["n",2]'


async def test_words_between_packets_are_obeyed_between_them(hub: Served) -> None:
    raw = await hub.signed_in(user="ann")
    first = hub.sockets.recovery.history.head + 1
    told = Target.of("/feed", ("zone:a", "zone:b"), b'["n",1]'), Target.of("/feed", ("zone:a",), b'["n",2]')
    words = ("join", "ann", "/feed", "zone:a")
    hub.sockets.deliver(
        [
            PushEntry(first, first - 1, told),
            PushEntry(first + 1, first, (), (words,)),
            *(
                PushEntry(first + 2 + at, first + 1 + at, (Target(one.name, one.packet, one.several),))
                for at, one in enumerate(told)
            ),
        ]
    )
    assert [await raw.next(), await raw.next()] == ['42/feed,["n",1]', '42/feed,["n",2]']


async def test_a_word_with_other_arguments_is_for_a_newer_hub(hub: Served) -> None:
    raw = await hub.signed_in(user="ann")
    hub.obey("suspend", "ann", "until tomorrow")
    hub.sockets.deliver(entries(hub, ("/feed", "feed", 1)))
    assert await raw.next() == '42/feed,["n",1]'


def test_a_signal_that_goes_the_way_of_events_carries_no_offset() -> None:
    counts, event = b'["notifications.counts",{"unread":1}]', b'["notification.created",{}]'
    assert frames.numbered("/notifications", counts, 7) == frames.event("/notifications", counts)
    assert frames.numbered("/notifications", event, 7) != frames.event("/notifications", event)
