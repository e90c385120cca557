"""`hub serve` with several workers: real processes, the stock client, kills, and a restart nobody misses."""

import asyncio
import os
import re
import signal
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path
from uuid import UUID

import aiohttp
import psutil
import pytest

from bus.tasks import cancel, spawn
from ops.run import bind
from ops.workers import Workers
from schemas.db import Pool
from schemas.ids import uuid7
from tests.hubprocess import HubProcess
from tests.jsclient import JsClient, JsSocket
from tests.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SECRET = "a-secret-of-tests-with-more-than-32-bytes"
WORKERS = 3
EVENTS_A_SECOND = 50
TRANSPORTS = {"upgrade": ["polling", "websocket"], "polling": ["polling"], "websocket": ["websocket"]}


@pytest.fixture
def hub(database: str, redis_url: str, tmp_path: Path) -> Iterator[HubProcess]:
    """A `hub serve` with three workers, and a `hub work` beside it."""
    environment = {"HUB_DATABASE_URL": database, "HUB_REDIS_URL": redis_url, "HUB_AUTH__SECRET": SECRET}
    serve, work = (HubProcess(tmp_path / name, **environment) for name in ("serve", "work"))
    work.begin("work")
    try:
        yield serve.run("serve", "--port", "0", "--workers", str(WORKERS))
    finally:
        serve.stop()
        work.stop()


def workers(hub: HubProcess) -> dict[int, psutil.Process]:
    """The workers by their numbers."""
    found = {}
    for process in psutil.Process(hub.pid).children():
        with suppress(psutil.NoSuchProcess):  # it ended while it was looked at
            command = process.cmdline()
            if "ops.worker" in command:
                found[int(command[command.index("ops.worker") + 1])] = process
    return found


async def connect(js: JsClient, hub: HubProcess, user: str, transports: list[str]) -> JsSocket:
    return await js.connect(
        hub.url,
        "/feed",
        hub.token(user),
        manager=user,
        recovery=True,
        transports=transports,
        reconnectionDelay=100,
        reconnectionDelayMax=500,
    )


async def crowd(js: JsClient, hub: HubProcess, of_each: int) -> list[JsSocket]:
    """Some clients over each way."""
    return [
        await connect(js, hub, f"{name}-{n}", transports)
        for name, transports in TRANSPORTS.items()
        for n in range(of_each)
    ]


class Publisher:
    """Publishes an event now and then, each until it is accepted."""

    def __init__(self, hub: HubProcess) -> None:
        self.sent: list[str] = []
        self.errors: list[str] = []
        self.enough = asyncio.Event()
        self._hub = hub

    async def publish(self, session: aiohttp.ClientSession) -> None:
        event_id = str(uuid7())
        event = {
            "type": "content.created",
            "id": event_id,
            "actor": "bob",
            "data": {"content_id": f"c{len(self.sent)}", "author": "bob", "kind": "post", "title": "Hi"},
        }
        self.sent.append(event_id)
        while not await self._accepted(session, event):  # noqa: ASYNC110  the hub is another process
            await asyncio.sleep(0.05)

    async def _accepted(self, session: aiohttp.ClientSession, event: Mapping[str, object]) -> bool:
        try:
            async with session.post(f"{self._hub.url}/v1/events", json=event) as response:
                assert response.status == 202, await response.text()
                return True
        except (aiohttp.ClientError, OSError) as error:
            self.errors.append(repr(error))
            return False

    async def keep_publishing(self) -> None:
        headers = self._hub.headers("platform", "publish")
        async with aiohttp.ClientSession(headers=headers) as session:
            while not self.enough.is_set():
                await self.publish(session)
                await asyncio.sleep(1 / EVENTS_A_SECOND)

    async def some_more(self, count: int) -> None:
        wanted = len(self.sent) + count

        async def sent() -> bool:
            return len(self.sent) >= wanted

        await until(sent)


@asynccontextmanager
async def publishing(hub: HubProcess) -> AsyncIterator[Publisher]:
    publisher = Publisher(hub)
    task = spawn(publisher.keep_publishing(), name="publisher")
    try:
        yield publisher
        publisher.enough.set()
        await task  # the last one is accepted, too
    finally:
        await cancel(task)


def logged(hub: HubProcess, words: str) -> bool:
    return words in hub.data_dir.with_name("serve.log").read_text()


def received(client: JsSocket) -> list[str]:
    return [str(UUID(args[0]["id"])) for name, args in client.events if name == "content.created"]


def connects(client: JsSocket) -> list[dict[str, object]]:
    return [one for one in client.client.happened if one["id"] == client.id and one["on"] == "connect"]


async def assert_all_got_all(clients: list[JsSocket], publisher: Publisher) -> None:
    for client in clients:

        async def complete(client: JsSocket = client) -> bool:
            return len(received(client)) >= len(publisher.sent)

        await until(complete, within_s=30)
        assert received(client) == publisher.sent
        assert all(one["recovered"] for one in connects(client)[1:])


@pytest.fixture
def silent(hub: HubProcess) -> Iterator[None]:
    """Connections that never say anything."""
    with ExitStack() as stack:
        for _ in range(50):
            stack.enter_context(socket.create_connection(("127.0.0.1", int(hub.url.rsplit(":", 1)[1]))))
        yield


@pytest.mark.usefixtures("silent")
async def test_every_way_of_connecting_works_and_the_workers_share(hub: HubProcess, js: JsClient) -> None:
    clients = await crowd(js, hub, 3)
    for number in range(3):
        await clients[number].upgraded()
    for client in clients:
        assert (await client.emit("subscribe", {"zones": ["z1"]}))["ok"] is True
    async with publishing(hub) as publisher:
        await publisher.some_more(20)
    await assert_all_got_all(clients, publisher)
    assert all(len(connects(client)) == 1 for client in clients)
    shares = [len(worker.net_connections("tcp")) for worker in workers(hub).values()]
    assert len(shares) == WORKERS
    assert min(shares) >= 2
    async with aiohttp.ClientSession() as session, session.get(hub.url + "/metrics") as answer:
        assert f'hub_socket_connections{{namespace="/feed"}} {len(clients)}.0' in await answer.text()
        assert answer.headers["Connection"] == "close"
        memory = re.search(r"^hub_process_resident_bytes (\S+)$", await answer.text(), re.MULTILINE)
        assert memory is not None
        assert float(memory[1]) > WORKERS * 10_000_000


async def test_a_session_is_found_over_whatever_connection_its_requests_come(hub: HubProcess) -> None:
    path = hub.url + "/socket.io/?EIO=4&transport=polling"
    async with aiohttp.ClientSession() as session:  # which keeps its connections, as a proxy does
        for _ in range(20):
            async with session.get(path) as answer:
                found = re.search(r'"sid":"([^"]+)"', await answer.text())
            assert found is not None
            async with session.post(f"{path}&sid={found[1]}", data="40") as answer:
                assert await answer.text() == "ok"
            async with session.get(f"{path}&sid={found[1]}") as answer:
                assert "Invalid namespace" in await answer.text()
        async with session.get(f"{path}&sid=99-gone") as answer:
            assert (answer.status, (await answer.json())["message"]) == (400, "Session ID unknown")


async def test_a_killed_worker_is_replaced_and_its_clients_miss_nothing(
    hub: HubProcess, js: JsClient
) -> None:
    clients = await crowd(js, hub, 2)
    before = workers(hub)
    async with publishing(hub) as publisher:
        await publisher.some_more(30)
        before[min(before)].kill()

        async def is_replaced() -> bool:
            return len(workers(hub)) == WORKERS and min(before) not in workers(hub)

        await until(is_replaced)
        await publisher.some_more(30)
    await assert_all_got_all(clients, publisher)
    assert any(len(connects(client)) > 1 for client in clients)
    assert logged(hub, "a worker ended, and is replaced")


async def test_a_worker_that_hangs_is_given_nobody_new_and_replaced(
    database: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The workers are real, and the process that watches them is this one."""
    for name, value in {"DATABASE_URL": database, "REDIS_URL": redis_url, "AUTH__SECRET": SECRET}.items():
        monkeypatch.setenv(f"HUB_{name}", value)
    monkeypatch.setattr("ops.workers.HUNG_S", 8.0)
    monkeypatch.setattr("ops.line.QUIET_S", 1.5)
    started, urls = Workers(2, tmp_path, tmp_path), list[str]()
    running = spawn(started.run(bind("127.0.0.1", 0), urls.append), name="workers")

    async def is_ready() -> bool:
        return bool(urls)

    async def is_quiet() -> bool:
        return hung.line.is_quiet

    async def is_replaced() -> bool:
        return [one.number for one in started._alive.values() if one.kept] == [2, 3]

    try:
        await until(is_ready, within_s=60)
        hung = started._alive[1]
        hung.process.send_signal(signal.SIGSTOP)
        await until(is_quiet)
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(5)) as session:
            for _ in range(10):
                async with session.get(urls[0] + "/health/live") as answer:
                    assert answer.status == 200
        assert hung.process.returncode is None
        await until(is_replaced, within_s=60)
        assert hung.process.returncode == -signal.SIGKILL
    finally:
        os.kill(os.getpid(), signal.SIGTERM)  # which `run` waits for
        await running
        for worker in started._alive.values():
            worker.line.close()


async def test_a_rolling_restart_is_missed_by_nobody(hub: HubProcess, js: JsClient) -> None:
    clients = await crowd(js, hub, 2)
    before = workers(hub)
    async with publishing(hub) as publisher:
        await publisher.some_more(30)
        hub.signal(signal.SIGHUP)

        async def is_restarted() -> bool:
            return logged(hub, "all workers were restarted")

        await until(is_restarted, within_s=90)
        await publisher.some_more(30)
    await assert_all_got_all(clients, publisher)
    assert publisher.errors == []
    assert not set(before) & set(workers(hub))
    assert len(workers(hub)) == WORKERS
    assert all(len(connects(client)) > 1 for client in clients)


async def test_a_restart_with_what_cannot_start_leaves_the_old_workers(
    hub: HubProcess, js: JsClient, pool: Pool
) -> None:
    client = await connect(js, hub, "ann", ["websocket"])
    before = workers(hub)
    await pool.execute("UPDATE migrations SET checksum = 'other' WHERE number = 1")
    hub.signal(signal.SIGHUP)

    async def is_given_up() -> bool:
        return logged(hub, "the restart was given up")

    await until(is_given_up, within_s=60)
    assert set(workers(hub)) == set(before)
    assert len(connects(client)) == 1


async def test_sigterm_ends_all_with_status_0(hub: HubProcess, js: JsClient) -> None:
    clients = await crowd(js, hub, 1)
    processes = list(workers(hub).values())
    hub.signal(signal.SIGTERM)
    assert await asyncio.to_thread(hub.wait, 20) == 0
    assert not any(process.is_running() for process in processes)
    for client in clients:
        assert (await client.next("disconnect"))["active"] is True
    assert not logged(hub, "were cut")


async def test_nothing_is_left_of_a_killed_parent(hub: HubProcess, js: JsClient) -> None:
    await crowd(js, hub, 1)
    processes = list(workers(hub).values())
    folder = Path(processes[0].environ()["PROMETHEUS_MULTIPROC_DIR"])
    assert folder.parent == hub.data_dir
    hub.kill()

    async def all_gone() -> bool:
        return not any(process.is_running() for process in processes)

    await until(all_gone, within_s=20)
    hub.run("serve", "--port", "0", "--workers", str(WORKERS))
    assert not folder.exists()  # noqa: ASYNC240  nothing else runs here


async def test_a_killed_hub_work_is_taken_over_by_the_others(
    database: str, redis_url: str, pool: Pool, tmp_path: Path
) -> None:
    environment = {"HUB_DATABASE_URL": database, "HUB_REDIS_URL": redis_url, "HUB_AUTH__SECRET": SECRET}
    works = [HubProcess(tmp_path / f"work-{n}", **environment).begin("work") for n in range(3)]

    async def owners() -> set[str]:
        rows = await pool.fetch(
            "SELECT CASE WHEN lease_until > now() THEN owner ELSE '' END AS owner FROM consumer_positions"
        )
        return {row["owner"] for row in rows}

    async def are_shared(among: int) -> bool:
        found = await owners()
        return len(found) == among and "" not in found

    try:
        await until(lambda: are_shared(3), within_s=90)
        killed = works[0]
        killed.kill()

        async def are_taken_over() -> bool:
            return await are_shared(2) and not any(f"-{killed.pid}-" in owner for owner in await owners())

        await until(are_taken_over, within_s=10)
    finally:
        for work in works:
            work.stop()
