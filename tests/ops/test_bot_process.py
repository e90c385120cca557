"""The process of the bot beside `hub up`: brought back, ended with its parent, and ending nothing else."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bus.tasks import cancel, spawn
from ops import bot_process
from ops.embedded.account import Account, ours
from tests.waiting import until

# Stands for the bot; its arguments end with the data directory.
ENDS = "import os, sys; open(sys.argv[-1] + '/lives', 'a').write(f'{os.getpid()}\\n')"
STAYS = f"{ENDS}; import signal; signal.pause()"
PARENT = """
import asyncio, sys
from pathlib import Path
from ops import bot_process

async def main():
    begin = asyncio.Event()
    begin.set()
    await bot_process.keep_bot(Path(sys.argv[1]), begin)

bot_process.COMMAND = (sys.executable, "-c", sys.argv[2])
asyncio.run(main())
"""


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bot_process, "PAUSE_S", 0.01)
    monkeypatch.setattr(bot_process, "LONGEST_PAUSE_S", 0.05)


def being(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    monkeypatch.setattr(bot_process, "COMMAND", (sys.executable, "-c", program))


def begun() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


def lives(folder: Path) -> list[int]:
    """The numbers of the processes that have begun."""
    noted = folder / "lives"
    return [int(line) for line in noted.read_text().split()] if noted.exists() else []


async def has_lived(folder: Path, times: int) -> None:
    async def enough() -> bool:
        return len(lives(folder)) >= times

    await until(enough)


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


async def test_a_bot_that_ends_is_brought_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    being(monkeypatch, ENDS)
    keeping = spawn(bot_process.keep_bot(tmp_path, begun()), name="bot")
    await has_lived(tmp_path, 3)
    await cancel(keeping)
    assert len(set(lives(tmp_path))) == len(lives(tmp_path))


async def test_it_waits_until_the_hub_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    being(monkeypatch, STAYS)
    begin = asyncio.Event()
    keeping = spawn(bot_process.keep_bot(tmp_path, begin), name="bot")
    await asyncio.sleep(0)
    assert lives(tmp_path) == []
    begin.set()
    await has_lived(tmp_path, 1)
    await cancel(keeping)


async def test_who_ends_keeping_it_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    being(monkeypatch, STAYS)
    keeping = spawn(bot_process.keep_bot(tmp_path, begun()), name="bot")
    await has_lived(tmp_path, 1)
    await cancel(keeping)
    assert not is_running(lives(tmp_path)[0])


@pytest.fixture
def parent(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", PARENT, str(tmp_path), STAYS]
    with subprocess.Popen(command, cwd=Path(__file__).parents[2]) as process:
        yield process
        process.kill()


async def test_a_parent_that_is_killed_takes_it_along(
    tmp_path: Path, parent: subprocess.Popen[bytes]
) -> None:
    await has_lived(tmp_path, 1)
    [pid] = lives(tmp_path)
    os.kill(parent.pid, signal.SIGKILL)

    async def gone() -> bool:
        return not is_running(pid)

    await until(gone)


async def test_where_no_process_can_be_started_it_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    being(monkeypatch, STAYS)
    accounts = iter([Account(os.geteuid(), os.getegid(), before=("/nowhere/to/be/found",))])
    monkeypatch.setattr(bot_process, "ours", lambda: next(accounts, ours()))
    keeping = spawn(bot_process.keep_bot(tmp_path, begun()), name="bot")
    await has_lived(tmp_path, 1)
    await cancel(keeping)
