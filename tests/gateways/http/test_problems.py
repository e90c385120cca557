"""Error answers: always a problem, never what is inside."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from urllib.parse import urlsplit

import asyncpg
import pytest
import structlog
from structlog.testing import CapturingLogger

from bus.telemetry import REGISTRY
from gateways.gateway import Gateway
from gateways.http import export
from schemas.db import Pool
from schemas.store.users import Users
from tests.gateways.http.conftest import WithLimits
from tests.gateways.http.served import JSON, Answered, Caller, liked, serving
from tests.waiting import until


def assert_problem(answered: Answered, status: int, code: str) -> None:
    assert answered.status == status
    assert answered.headers["Content-Type"].startswith("application/problem+json")
    problem = answered.json
    assert problem.keys() >= {"type", "title", "status", "detail", "errors"}
    assert (problem["status"], problem["code"], problem["type"]) == (status, code, f"urn:hub:problem:{code}")
    assert problem["trace_id"] == answered.headers["X-Trace-Id"]


class FailingUsers(Users):
    """Fails in a way a test chooses."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def get(self, *_: object) -> None:
        raise self._error


async def test_an_unknown_path_is_404(admin: Caller) -> None:
    assert_problem(await admin.get("/v1/nope"), 404, "not_found")
    assert_problem(await admin.post("/nope"), 404, "not_found")
    assert_problem(await admin.get("/v1/conversations"), 404, "not_found")


@pytest.mark.parametrize("path", ["/v1/me", "/nope", "/"])
async def test_an_unknown_expectation_is_a_problem_too(nobody: Caller, path: str) -> None:
    answered = await nobody.get(path, headers={"Expect": "a-miracle"})
    assert answered.status == 417
    assert answered.headers["Content-Type"].startswith("application/problem+json")
    assert answered.headers["X-Content-Type-Options"] == "nosniff"
    assert (answered.json["code"], answered.json["status"]) == ("expectation_failed", 417)


async def test_who_hangs_up_in_the_middle_of_a_body_is_not_reported_as_a_fault(
    service: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    def counted() -> float | None:
        labels = {"method": "POST", "route": "/v1/events", "status": "499"}
        return REGISTRY.get_sample_value("hub_http_request_seconds_count", labels)

    before = counted() or 0
    address = urlsplit(service.url)
    _, writer = await asyncio.open_connection(address.hostname, address.port)
    head = f"POST /v1/events HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {service.token}\r\n"
    writer.write(f"{head}Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{{".encode())
    await writer.drain()
    writer.transport.abort()

    async def gone() -> bool:
        return (counted() or 0) > before

    await until(gone)
    assert not [record for record in caplog.records if record.name.startswith("aiohttp")]


async def test_a_wrong_method_is_405_and_told_which_would_do(admin: Caller) -> None:
    answered = await admin.call("DELETE", "/v1/events")
    assert_problem(answered, 405, "method_not_allowed")
    assert set(answered.headers["Allow"].split(",")) == {"GET", "HEAD", "POST"}


async def test_whatever_is_refused_is_told_as_a_problem(limited: WithLimits, pool: Pool) -> None:
    await Users().suspend(pool, "eve")
    event = liked(id="0199c1de-7c00-7000-8000-000000000001")
    async with serving(limited(body_bytes=2000, publish_rate=0.001, publish_burst=7, batch=1)) as nobody:
        service = nobody.being("shop", "publish")
        assert (await service.publish(event)).status == 202
        assert_problem(await nobody.publish(event), 401, "unauthorized")
        assert_problem(await nobody.being("ann").publish(event), 403, "forbidden")
        assert_problem(await nobody.being("eve", "publish").publish(event), 403, "forbidden")
        assert_problem(await service.post("/v1/events", data=b"{", headers=JSON), 400, "malformed")
        assert_problem(await service.publish({**event, "actor": "eve"}), 409, "conflict")
        assert_problem(await service.publish(liked("c" * 2000)), 413, "too_large")
        assert_problem(await service.post("/v1/events", data=b"{}"), 415, "unsupported_media_type")
        assert_problem(await service.publish({}), 422, "invalid")
        assert_problem(await service.publish([liked(), liked()]), 422, "invalid")
        late = await service.publish(event)
        assert_problem(late, 429, "rate_limited")
        assert int(late.headers["Retry-After"]) >= 1


async def test_an_unexpected_error_is_500_and_says_nothing_of_itself(gateway: Gateway) -> None:
    failing = replace(gateway, users=FailingUsers(RuntimeError("the password is hunter2")))
    logger = CapturingLogger()
    structlog.configure(wrapper_class=structlog.BoundLogger, logger_factory=lambda *_: logger)
    try:
        async with serving(failing) as nobody:
            answered = await nobody.being("ann").get("/v1/me")
    finally:
        structlog.reset_defaults()
    assert_problem(answered, 500, "internal")
    assert b"hunter2" not in answered.body
    assert any(call.method_name == "error" and "RuntimeError" in repr(call) for call in logger.calls)


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError("127.0.0.1:5432"),
        TimeoutError(),
        asyncpg.AdminShutdownError("terminating connection"),
        asyncpg.ConnectionDoesNotExistError("connection was closed"),
        asyncpg.TooManyConnectionsError("sorry, too many clients already"),
        asyncpg.DeadlockDetectedError("deadlock detected"),
    ],
)
async def test_a_database_that_is_away_is_503_and_later(gateway: Gateway, error: Exception) -> None:
    async with serving(replace(gateway, users=FailingUsers(error))) as nobody:
        answered = await nobody.being("ann").get("/v1/me")
        assert_problem(answered, 503, "unavailable")
        assert int(answered.headers["Retry-After"]) >= 1
        assert (str(error) or "TimeoutError") not in answered.body.decode()


async def test_a_mistake_in_a_query_is_ours_and_not_the_databases_absence(gateway: Gateway) -> None:
    error = asyncpg.exceptions._base.DataError("invalid input for query argument $1")
    async with serving(replace(gateway, users=FailingUsers(error))) as nobody:
        assert_problem(await nobody.being("ann").get("/v1/me"), 500, "internal")


async def test_a_cut_database_connection_does_not_outlive_its_request(
    nobody: Caller, pool: Pool, database: str
) -> None:
    ann = nobody.being("ann")
    assert (await ann.get("/v1/me")).status == 200
    killer = await asyncpg.connect(database)
    await killer.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    )
    await killer.close()
    statuses = [(await ann.get("/v1/me")).status for _ in range(10)]
    assert set(statuses) <= {200, 503}
    assert statuses[-1] == 200


async def test_half_an_answer_is_cut_and_not_ended(nobody: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    async def breaking(*_: object) -> AsyncIterator[list[dict[str, str]]]:
        yield [{}]
        raise RuntimeError("in the middle")

    monkeypatch.setattr(export, "_events", breaking)
    from aiohttp import ClientPayloadError

    with pytest.raises(ClientPayloadError):
        await nobody.being("ann").get("/v1/me/export")


async def test_errors_carry_the_same_security_headers(limited: WithLimits) -> None:
    async with serving(limited(body_bytes=10)) as nobody:
        for answered in (
            await nobody.get("/v1/nope"),
            await nobody.get("/v1/me"),
            await nobody.being("shop", "publish").publish(liked()),
        ):
            assert answered.headers["X-Content-Type-Options"] == "nosniff"
            assert answered.headers["Server"] == "hub"
            assert "frame-ancestors 'none'" in answered.headers["Content-Security-Policy"]
            assert answered.headers["Cache-Control"] == "no-store"
