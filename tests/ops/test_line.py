"""The line between `hub serve` and a worker: counts that drifted, and words that cannot be said."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest
from structlog.testing import capture_logs

from bus.tasks import cancel, spawn
from ops.line import LEAVING, LowerEnd, UpperEnd
from tests.waiting import until


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    upper, lower = socket.socketpair()
    with upper, lower:
        yield upper, lower


def nothing() -> None:
    """Be told, and do nothing."""


def lower_end(line: socket.socket) -> LowerEnd:
    return LowerEnd(line, asyncio.Protocol, drain=nothing, alone=nothing)


async def test_a_count_that_stays_the_same_puts_the_other_side_right_again(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.line.TELL_S", 0.01)
    upper = UpperEnd(pair[0], nothing)
    telling = spawn(lower_end(pair[1]).tell(lambda: 3), name="connections")

    async def is_right() -> bool:
        return upper.open == 3

    try:
        for counted in (4, 7):  # those who came, and went before they were told of
            upper.open = counted
            await until(is_right)
    finally:
        await cancel(telling)
        upper.close()


async def test_a_word_that_finds_the_line_full_is_logged(pair: tuple[socket.socket, socket.socket]) -> None:
    lower = lower_end(pair[1])
    with suppress(BlockingIOError):
        while True:
            pair[1].send(bytes(4096))
    with capture_logs() as logs:
        lower.leave()
    assert [(one["log_level"], one["word"]) for one in logs] == [("warning", LEAVING)]


async def test_a_word_to_nobody_is_no_trouble(pair: tuple[socket.socket, socket.socket]) -> None:
    pair[0].close()
    with capture_logs() as logs:
        lower_end(pair[1]).leave()
    assert logs == []
