"""What operators look at: health and metrics."""

import asyncio
from dataclasses import replace

from structlog.testing import capture_logs

from gateways.gateway import Gateway
from tests.gateways.http.served import Caller, serving


async def fine() -> None:
    return None


async def broken() -> None:
    raise ConnectionRefusedError("postgres://hub:hunter2@127.0.0.1 refused")


async def never() -> None:
    await asyncio.Event().wait()


async def test_a_process_that_runs_is_alive(nobody: Caller) -> None:
    answered = await nobody.get("/health/live")
    assert (answered.status, answered.json) == (200, {"status": "ok"})
    assert (await nobody.call("HEAD", "/health/live")).status == 200


async def test_ready_when_everything_answers(gateway: Gateway) -> None:
    async with serving(replace(gateway, readiness={"database": fine, "redis": fine})) as nobody:
        answered = await nobody.get("/health/ready")
        assert answered.status == 200
        assert answered.json == {"status": "ok", "checks": {"database": "ok", "redis": "ok"}}


async def test_not_ready_names_what_fails_and_nothing_secret(gateway: Gateway) -> None:
    async with serving(replace(gateway, readiness={"database": fine, "redis": broken})) as nobody:
        answered = await nobody.get("/health/ready")
        assert (answered.status, answered.json["status"]) == (503, "unavailable")
        assert answered.json["checks"]["database"] == "ok"
        assert answered.json["checks"]["redis"] == "fails (ConnectionRefusedError)"
        assert b"hunter2" not in answered.body


async def test_a_dependency_that_is_away_is_not_a_line_for_each_question(gateway: Gateway) -> None:
    checks = {"this one": broken, "that one": broken}
    with capture_logs() as logs:
        async with serving(replace(gateway, readiness=checks)) as nobody:
            for _ in range(3):
                assert (await nobody.get("/health/ready")).status == 503
    said = [line["dependency"] for line in logs if line["event"] == "a dependency is not ready"]
    assert sorted(said) == ["that one", "this one"]


async def test_a_dependency_that_hangs_is_not_waited_for(gateway: Gateway) -> None:
    async with serving(replace(gateway, readiness={"a": never, "b": never, "c": fine})) as nobody:
        async with asyncio.timeout(4):  # both at once, two seconds each
            answered = await nobody.get("/health/ready")
        assert answered.status == 503
        assert answered.json["checks"] == {
            "a": "no answer within 2 s",
            "b": "no answer within 2 s",
            "c": "ok",
        }


async def test_metrics_are_in_the_prometheus_format(nobody: Caller) -> None:
    answered = await nobody.get("/metrics")
    assert answered.headers["Content-Type"].startswith("text/plain; version=")
    assert b"# TYPE hub_events_accepted_total counter" in answered.body
    assert b"hub_http_request_seconds" in (await nobody.get("/metrics")).body
