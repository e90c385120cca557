"""Owns a run and its surroundings: Node.js, services, the house, the people in it, and what is kept."""

import asyncio
import shutil
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Final

from gateways.auth import issue
from ops.bench.errors import BenchError
from ops.bench.node import find_node
from ops.bench.prepare import Say, allow_files
from ops.bench.services import Services, services
from ops.chaos.clients import FOLDER, Person, clients
from ops.chaos.course import PATIENCE_S, Course, Options
from ops.chaos.havoc import Havoc
from ops.chaos.house import House, house
from ops.chaos.publisher import Publisher, mixing
from ops.chaos.report import Report
from schemas.clock import SystemClock

TOKEN_LIFE: Final = timedelta(hours=48)
FILES_OF_A_CLIENT: Final = 6
"""In this process both ends of up to three connections."""
FILES_BESIDE: Final = 1_000
TRANSPORTS: Final = (["polling"], ["polling", "websocket"])
"""Of those who are not on websockets alone."""


def run_sockets(options: Options, say: Say, keep: Path | None = None) -> Report:
    """Do it all with services of its own; what was logged and seen can be kept in a folder.

    Raises BenchError when it cannot be done here.
    """
    node = _node_with_client()
    allow_files(FILES_OF_A_CLIENT * options.clients + FILES_BESIDE)
    say("starting PostgreSQL and Valkey")
    with services() as around:
        try:
            return asyncio.run(_run(options, node, around, say))
        finally:
            if keep is not None:
                _keep(around.folder, keep)


def _keep(folder: Path, keep: Path) -> None:
    keep.mkdir(parents=True, exist_ok=True)
    for path in (*folder.glob("*.log"), *folder.glob("*.jsonl"), *(folder / "data" / "logs").glob("*.log")):
        shutil.copy(path, keep)


def _node_with_client() -> str:
    """Node.js, with the stock client beside it. Raises BenchError where there is none."""
    node = find_node()
    if node is None:
        raise BenchError(
            "Node.js and npm are not on this machine, and the stock clients need them: install both"
        )
    node.install(FOLDER)
    return node.node


async def _run(options: Options, node: str, around: Services, say: Say) -> Report:
    names = [f"chaos-{number}" for number in range(1, options.clients + 1)]
    async with AsyncExitStack() as stack:
        say("starting three gateways and two workers")
        made = await stack.enter_async_context(house(around))
        publisher = Publisher(
            [gateway.url for gateway in made.gateways],
            _token(around, "chaos-publisher", "publish"),
            mixing(options.seed, names),
        )
        people = _people(options, names, made)
        say(f"connecting {options.clients} clients")
        crowd = await stack.enter_async_context(clients(node, people, around.folder))
        await crowd.all_in(PATIENCE_S)
        stack.push_async_callback(publisher.stop)
        publisher.start(options.rate)
        havoc = Havoc(made, say)
        stack.push_async_callback(havoc.stop)
        say(f"{options.seconds:.0f} s of faults, seed {options.seed}")
        course = Course(options, made, publisher, crowd, havoc)
        await course.wreak()
        say("all is well again; waiting for the last events")
        return await course.judge(await course.settle())


def _people(options: Options, names: list[str], made: House) -> list[Person]:
    """Most are on websockets, to any gateway; every fourth polls at first, and so stays with one gateway."""
    random = Random(options.seed)  # noqa: S311  it must come out the same again
    people = []
    for number, name in enumerate(names):
        polls = number % 4 == 3
        transports = TRANSPORTS[number // 4 % 2] if polls else ["websocket"]
        url = made.steady[number // 8 % len(made.steady)].url if polls else made.line.url
        token = _token(made.services, name, "user")
        people.append(Person(name, token, url, transports, random.getrandbits(32)))
    return people


def _token(around: Services, user: str, scope: str) -> str:
    return issue(around.auth_secret, user, [scope], TOKEN_LIFE, SystemClock())
