"""Many questions in few calls: order, sharing, failures, and waiting for what was put."""

import asyncio
from collections.abc import Mapping

import pytest

from gateways.sockets.batching import Batcher


class Work:
    """Notes each call, and waits until it is let go on."""

    def __init__(self) -> None:
        self.calls: list[dict[str, int]] = []
        self.called, self.go_on = asyncio.Event(), asyncio.Event()
        self.fail_with: Exception | None = None

    async def __call__(self, items: Mapping[str, int]) -> Mapping[str, int]:
        self.calls.append(dict(items))
        self.called.set()
        await self.go_on.wait()
        if self.fail_with:
            raise self.fail_with
        return {key: value * 10 for key, value in items.items() if value}


@pytest.fixture
def work() -> Work:
    return Work()


@pytest.fixture
def batcher(work: Work) -> Batcher[str, int, int]:
    return Batcher(work, name="test", most=3)


async def test_what_comes_during_a_call_goes_together_into_the_next(
    batcher: Batcher[str, int, int], work: Work
) -> None:
    first = batcher.put("a", 1)
    await work.called.wait()
    others = [batcher.put(key, 2) for key in "bc"]
    work.go_on.set()
    assert await asyncio.gather(first, *others) == [10, 20, 20]
    assert work.calls == [{"a": 1}, {"b": 2, "c": 2}]


async def test_who_came_first_is_served_first(batcher: Batcher[str, int, int], work: Work) -> None:
    work.go_on.set()
    futures = [batcher.put(key, 1) for key in "abcdefg"]
    await asyncio.wait(futures)
    assert [list(call) for call in work.calls] == [["a", "b", "c"], ["d", "e", "f"], ["g"]]


async def test_the_later_of_two_with_one_key_goes_in_the_turn_of_the_earlier(
    batcher: Batcher[str, int, int], work: Work
) -> None:
    work.go_on.set()
    asked = [batcher.put("a", 1), batcher.put("b", 1), batcher.put("a", 2)]
    assert await asyncio.gather(*asked) == [20, 10, 20]
    assert work.calls == [{"a": 2, "b": 1}]


async def test_without_an_answer_for_a_key_it_is_none(batcher: Batcher[str, int, int], work: Work) -> None:
    work.go_on.set()
    assert await batcher.ask("a", 0) is None


async def test_a_failure_belongs_to_those_of_its_call_and_the_next_goes_on(
    batcher: Batcher[str, int, int], work: Work
) -> None:
    work.fail_with = OSError("away")
    failing = [asyncio.ensure_future(batcher.ask(key, 1)) for key in "ab"]
    await work.called.wait()
    later = batcher.put("c", 3)
    work.go_on.set()
    answers = await asyncio.gather(*failing, return_exceptions=True)
    work.fail_with = None
    assert [str(one) for one in answers] == ["away", "away"]
    with pytest.raises(OSError, match="away"):
        await later
    assert await batcher.ask("d", 4) == 40


async def test_who_gives_up_takes_nothing_from_the_others(
    batcher: Batcher[str, int, int], work: Work
) -> None:
    impatient = asyncio.ensure_future(batcher.ask("a", 1))
    patient = asyncio.ensure_future(batcher.ask("a", 1))
    await work.called.wait()
    impatient.cancel()
    work.go_on.set()
    assert await patient == 10


@pytest.mark.parametrize("begun", [False, True], ids=["before it began", "in the middle"])
async def test_when_it_is_stopped_those_who_wait_are_told_and_the_next_starts_afresh(
    batcher: Batcher[str, int, int], work: Work, begun: bool
) -> None:
    asking = [asyncio.ensure_future(batcher.ask(key, 1)) for key in "abcde"]
    await asyncio.sleep(0)
    if begun:
        await work.called.wait()
    assert batcher._task is not None
    batcher._task.cancel()
    answers = await asyncio.gather(*asking, return_exceptions=True)
    assert [str(one) for one in answers] == ["test was stopped before there was an answer"] * 5
    work.go_on.set()
    assert await batcher.ask("f", 6) == 60
    assert work.calls[begun:] == [{"f": 6}]


async def test_flushing_waits_for_what_was_put_before_and_not_for_what_comes_after(work: Work) -> None:
    batcher: Batcher[str, int, int] = Batcher(work, name="test", most=1)
    before = [batcher.put("a", 1), batcher.put("b", 1)]
    flushed = asyncio.ensure_future(batcher.flush())
    await work.called.wait()
    assert not flushed.done()
    work.go_on.set()
    after = batcher.put("c", 1)
    await flushed
    assert all(future.done() for future in before)
    await after
    await batcher.flush()  # nothing to wait for
