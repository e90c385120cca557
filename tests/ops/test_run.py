"""The life of a hub process: its port, its signals, and the order in which it starts."""

import asyncio
import os
import signal
import socket
from pathlib import Path

import aiohttp
import pytest
from pydantic import SecretStr

from bus.push_log import PushTail
from bus.tasks import spawn
from gateways import app
from ops.embedded.data_dir import DataDir
from ops.run import bind, serve, url_of, work
from ops.settings import Auth, Settings, SettingsError
from schemas.db import Pool
from tests.hubprocess import HubProcess
from tests.waiting import until

SECRET = SecretStr("a-secret-of-tests-with-more-than-32-bytes")


@pytest.fixture
def settings(database: str, redis_url: str) -> Settings:
    return Settings(
        database_url=SecretStr(database),
        redis_url=SecretStr(redis_url),
        auth=Auth(secret=SECRET),
        database_pool=4,
    )


def test_a_port_is_taken_for_all_others_at_once() -> None:
    with bind("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(
            SettingsError, match=rf"^port {port} on 127\.0\.0\.1 is in use: .* another --port$"
        ):
            bind("127.0.0.1", port)


def test_an_address_of_another_machine_is_one_sentence() -> None:
    with pytest.raises(SettingsError, match=r"^cannot listen on 192\.0\.2\.1:0: "):
        bind("192.0.2.1", 0)


def test_an_ipv6_address_is_written_in_brackets() -> None:
    try:
        listening = bind("::1", 0)
    except SettingsError:
        pytest.skip("this machine has no IPv6")
    with listening:
        assert url_of(listening) == f"http://[::1]:{listening.getsockname()[1]}"


async def test_the_doors_say_where_they_are_once_they_answer_and_end_on_a_signal(settings: Settings) -> None:
    said: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    serving = spawn(serve(settings, bind("127.0.0.1", 0), said.set_result), name="serve")
    url = await asyncio.wait_for(said, 30)
    async with aiohttp.ClientSession() as session, session.get(f"{url}/health/ready") as answer:
        assert answer.status in (200, 503)  # there is no relay
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(serving, 30)
    with (
        pytest.raises(ConnectionRefusedError),
        socket.create_connection(("127.0.0.1", int(url.rsplit(":", 1)[1]))),
    ):
        pass


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Nobody ever comes to the end of what happened; set once somebody reads."""
    begun = asyncio.Event()

    async def read_for_ever(_tail: PushTail, _deliver: object, _begin: object) -> None:
        begun.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(PushTail, "run", read_for_ever)
    return begun


async def test_doors_that_get_no_further_with_what_happened_say_so_and_leave_nothing_behind(
    settings: Settings, reads: asyncio.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "STUCK_S", 0.05)
    before = asyncio.all_tasks()

    why = r"^no event could be read for 0\.05 s .*: see whether PostgreSQL"
    with bind("127.0.0.1", 0) as listening, pytest.raises(app.StuckError, match=why):
        await serve(settings, listening, lambda url: None)

    assert reads.is_set()
    assert asyncio.all_tasks() == before


async def test_doors_that_still_read_what_happened_end_on_a_signal(
    settings: Settings, reads: asyncio.Event
) -> None:
    said: list[str] = []
    with bind("127.0.0.1", 0) as listening:
        serving = spawn(serve(settings, listening, said.append), name="serve")
        await asyncio.wait_for(reads.wait(), 30)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(serving, 10)
    assert said == []


async def test_the_other_role_works_until_a_signal_and_gives_its_leases_back(
    settings: Settings, pool: Pool
) -> None:
    working = spawn(work(settings), name="work")

    async def owned() -> int:
        return int(await pool.fetchval("SELECT count(*) FROM consumer_positions WHERE lease_until > now()"))

    await until(owned)
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(working, 30)
    assert await owned() == 0


async def test_a_taken_port_is_noticed_before_any_database_is_asked(tmp_path: Path) -> None:
    """Nobody answers at the database's address, and that is not what is said."""
    away = {
        "HUB_DATABASE_URL": "postgresql://hub@127.0.0.1:9/hub",
        "HUB_REDIS_URL": "redis://127.0.0.1:9",
        "HUB_AUTH__SECRET": SECRET.get_secret_value(),
    }
    with bind("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        for workers in (1, 2):
            hub = HubProcess(tmp_path / f"hub-{workers}", **away)
            hub.begin("serve", "--port", str(port), "--workers", str(workers))
            try:
                assert await asyncio.to_thread(hub.wait) == 1
                assert f"port {port} on 127.0.0.1 is in use" in hub.log()
            finally:
                hub.stop()


async def test_doors_with_services_of_their_own_do_not_take_the_development_secret(
    database: str, redis_url: str, tmp_path: Path
) -> None:
    with DataDir(tmp_path / "hub"):
        pass  # a `hub up` was here once
    hub = HubProcess(tmp_path / "hub", HUB_DATABASE_URL=database, HUB_REDIS_URL=redis_url)
    hub.begin("serve", "--port", "0")
    try:
        assert await asyncio.to_thread(hub.wait) == 1
        assert "hub: set HUB_AUTH__SECRET, HUB_AUTH__PUBLIC_KEY or HUB_AUTH__JWKS_URL" in hub.log()
    finally:
        hub.stop()


async def test_the_other_role_shows_its_metrics_on_a_port_of_its_own(
    database: str, redis_url: str, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    hub = HubProcess(tmp_path / "hub", HUB_DATABASE_URL=database, HUB_REDIS_URL=redis_url)
    hub.begin("work", "--metrics-port", str(port))

    async def leads() -> bool:
        try:
            async with (
                aiohttp.ClientSession() as session,
                session.get(f"http://127.0.0.1:{port}/metrics") as told,
            ):
                return "\nhub_relay_leads 1.0\n" in await told.text()
        except aiohttp.ClientConnectorError:
            return False  # it starts

    try:
        await until(leads, within_s=60)
        assert await asyncio.to_thread(hub.stop) == 0
    finally:
        hub.stop()
