"""What the clients tell, by a program that speaks as theirs does; nothing is judged before it is read."""

import json
import stat
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import cast

import pytest

from bus.tasks import cancel, spawn
from ops.chaos import clients as clients_module
from ops.chaos.clients import Clients, Person, clients
from ops.chaos.course import Course, Options, Settled, verdict
from ops.chaos.havoc import Havoc
from ops.chaos.histories import OWN_ROOMS, Connected, History, Received
from ops.chaos.house import House
from ops.chaos.mixture import announced
from ops.chaos.publisher import Publisher
from ops.chaos.report import Passed
from ops.chaos.reports import Reports
from ops.chaos.truth import Entry, Sent, Truth
from tests.waiting import until

NAMES = ("ann", "bob")
SPACES = tuple(OWN_ROOMS)

# Told are: an event for each, once the file "go" is there; a word of everyone that is not in "silent".
PROGRAM = """
import json, pathlib, sys, time

given = json.loads(sys.stdin.readline())
path = pathlib.Path(given["reports"])
go, event, silent = (path.with_name(name) for name in ("go", "event", "silent"))
places = [(one["name"], space) for one in given["people"] for space in SPACES]
lines, waiting = dict.fromkeys(places, 0), True

def status(more=0):
    print(json.dumps({"told": path.read_text().count("\\n") + more, "busy": 0}), flush=True)

def tell(place, kind, *more, lines_more=1):
    lines[place] += lines_more
    with path.open("a") as file:
        file.write(json.dumps([*place, kind, 1000, *more]) + "\\n")

for place in places:
    tell(place, "connect", False, "sid")
status()
for line in sys.stdin:
    word, _, number = line.strip().partition(" ")
    if word == "end":
        break
    if word != "word":
        continue
    status(7)
    while not go.exists():
        time.sleep(0.01)
    for place in places if waiting else ():
        tell(place, "event", "1", event.read_text())
    waiting = False
    for place in places:
        if place[0] not in silent.read_text().split():
            tell(place, "word", int(number), lines[place] + MORE, place[0] != "bob", lines_more=0)
    status(7)
"""

Begin = Callable[..., Awaitable[Clients]]


@pytest.fixture
async def begin(tmp_path: Path) -> AsyncIterator[Begin]:
    """Start the program; the number is what each word says beyond the lines that there are."""
    async with AsyncExitStack() as stack:

        async def start(more: int = 0, silent: str = "", event: str = "e1", *, go: bool = True) -> Clients:
            program = tmp_path / "node"
            program.write_text(f"#!{sys.executable}\nSPACES, MORE = {SPACES}, {more}\n{PROGRAM}")
            program.chmod(program.stat().st_mode | stat.S_IXUSR)
            (tmp_path / "silent").write_text(silent)
            (tmp_path / "event").write_text(event)
            if go:
                (tmp_path / "go").touch()
            people = [Person(name, "", "", ["websocket"], 1) for name in NAMES]
            crowd = await stack.enter_async_context(clients(str(program), people, tmp_path))
            await crowd.all_in(20)
            return crowd

        yield start


def events(crowd: Clients) -> int:
    return sum(isinstance(one, Received) for history in crowd.histories.values() for one in history.moments)


async def test_reports_that_come_late_are_waited_for(begin: Begin, tmp_path: Path) -> None:
    crowd = await begin(go=False)
    waiting = spawn(crowd.last_word(), name="word")

    async def asked() -> bool:
        return crowd.told > len(crowd.histories)

    await until(asked)
    assert not waiting.done()
    assert events(crowd) == 0
    (tmp_path / "go").touch()
    assert await waiting == len(SPACES)  # bob's are not at rest
    assert events(crowd) == len(crowd.histories)


async def test_an_event_whose_report_comes_after_the_time_for_it_was_heard(begin: Begin) -> None:
    word = announced()
    crowd = await begin(event=word.id)
    assert await crowd.heard([word], within_s=0.1)  # the program tells of it when it is asked for its word


@pytest.mark.parametrize(
    ("more", "silent", "who"),
    [(0, "bob", 1), (0, "ann bob", 2), (1, "", 2)],
    ids=["one says no word", "nobody does", "each has told more than came"],
)
async def test_where_a_word_is_missing_nothing_is_proved(
    begin: Begin, monkeypatch: pytest.MonkeyPatch, more: int, silent: str, who: int
) -> None:
    monkeypatch.setattr(clients_module, "READ_S", 3.0)
    crowd = await begin(more, silent)
    publisher = Publisher([], "", announced)
    publisher.start(0.001)
    try:
        options = Options(seed=1, seconds=1, clients=2, rate=1)
        settled = await Course(options, cast(House, None), publisher, crowd, cast(Havoc, None)).settle()
    finally:
        await publisher.stop()
    assert not settled.known
    assert settled.problems == [
        "nothing can be proved: the clients' reports were not read in time"
        f" ({who} of 2 clients, 7 lines behind)"
    ]


async def test_the_word_of_an_earlier_question_is_not_taken_for_the_last(tmp_path: Path) -> None:
    path, ann = tmp_path / "reports", ("ann", "/feed")
    path.touch()
    with path.open("rb", buffering=0) as file, path.open("ab", buffering=0) as told:
        reports = Reports([ann], file, lambda *_: None)
        numbers = [reports.ask(), reports.ask()]
        following = spawn(reports.follow(), name="reports")
        owing = []
        for read, number in enumerate(numbers, 1):
            told.write(json.dumps([*ann, "word", 1000, number, 0, True]).encode() + b"\n")

            async def taken(lines: int = read) -> bool:
                return reports.read == lines

            await until(taken)
            owing.append(set(reports.owing))
        await cancel(following)
    assert owing == [{ann}, set()]


def test_what_was_not_read_is_not_called_lost() -> None:
    sent = [Sent(f"e{seq}", {"/feed": ("feed",)}, 1000.0 * seq) for seq in (1, 2)]
    truth = Truth([Entry(seq, f"e{seq}", 1000.0 * seq) for seq in (1, 2)], sent)
    history = History("ann", "/feed", [Connected(0, recovered=False), Received(1001, 1, "e1")])
    passed = Passed.of([history])

    assert verdict(Settled(["unread"], known=False), [history], truth, passed) == ["unread"]
    found = verdict(Settled([]), [history], truth, passed)
    assert "ann /feed feed: missed 1 events at the end (entry 2)" in found
