"""The look at whether websockets can go on apart from aiohttp's requests."""

import pytest

from gateways.sockets import selftest


async def test_frames_go_both_ways_whole_and_in_order_without_the_handler() -> None:
    assert await selftest.direct_works()


async def test_a_transport_that_changes_what_is_written_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    async def speak(_: str) -> list[object]:
        return ["1", "2", "4", "3", 4000]

    monkeypatch.setattr(selftest, "_talk", speak)
    assert not await selftest.direct_works()
