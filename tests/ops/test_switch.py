"""The switch: who takes a connection if the first does not, and how often half a line is looked at."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ops.line import UpperEnd
from ops.run import bind
from ops.switch import Switch, _first_line
from tests.waiting import until


@contextmanager
def line() -> Iterator[UpperEnd]:
    """A line to a worker that hears nothing."""
    ours, theirs = socket.socketpair()
    with theirs:
        upper = UpperEnd(ours, lambda: None)
        yield upper
        upper.close()


async def test_a_worker_that_hears_nothing_any_more_does_not_keep_others_from_taking() -> None:
    listening = bind("127.0.0.1", 0)
    with line() as hung, line() as well, socket.socket() as client:
        while hung.give(client):
            pass
        switch = Switch(listening, lambda _: [hung, well])
        switch.open()
        client.connect(listening.getsockname())
        client.send(b"GET / HTTP/1.1\r\n")

        async def is_taken() -> bool:
            return well.open == 1

        try:
            await until(is_taken)
        finally:
            switch.close()


async def test_half_a_first_line_is_looked_at_less_and_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 8:
            client.send(b" HTTP/1.1\r\n")

    monkeypatch.setattr(asyncio, "sleep", pause)
    client, connection = socket.socketpair()
    with client, connection:
        connection.setblocking(False)
        client.send(b"GET /")
        assert await _first_line(connection) == b"GET / HTTP/1.1\r"
    assert pauses == [0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.0, 1.0]
