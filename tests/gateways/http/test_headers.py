"""What every answer and log line carries: trace, CORS, security; and what none of them does."""

import re
from dataclasses import replace
from typing import Any

import pytest
import structlog
from structlog.contextvars import merge_contextvars
from structlog.testing import LogCapture

from gateways.gateway import Gateway
from gateways.tracing import continued
from schemas.db import Pool
from tests.gateways.http.served import Caller, liked, serving, token_of

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


@pytest.fixture
def lines() -> Any:
    capture = LogCapture()
    structlog.configure(processors=[merge_contextvars, capture])
    yield capture.entries
    structlog.reset_defaults()


def test_a_trace_is_continued_only_if_it_holds() -> None:
    assert continued(PARENT) == (TRACE, "01")
    assert continued(f"00-{TRACE}-00f067aa0ba902b7-00") == (TRACE, "00")
    assert continued(f"cc-{TRACE}-00f067aa0ba902b7-01-what-the-future-brings") == (TRACE, "01")
    for broken in (None, "", "x", f"ff-{TRACE}-00f067aa0ba902b7-01", PARENT.upper(), PARENT[:-1],
                   f"00-{'0' * 32}-00f067aa0ba902b7-01", f"00-{TRACE}-{'0' * 16}-01"):  # fmt: skip
        fresh, flags = continued(broken)
        assert fresh != TRACE
        assert re.fullmatch("[0-9a-f]{32}", fresh)
        assert flags == "01"


async def test_an_answer_names_its_trace(nobody: Caller) -> None:
    answered = await nobody.get("/health/live", headers={"traceparent": PARENT})
    assert answered.headers["X-Trace-Id"] == TRACE
    assert re.fullmatch(f"00-{TRACE}-[0-9a-f]{{16}}-01", answered.headers["traceparent"])
    assert answered.headers["traceparent"] != PARENT
    first, second = [(await nobody.get("/health/live")).headers["X-Trace-Id"] for _ in range(2)]
    assert first != second


async def test_an_event_remembers_the_trace_that_brought_it(service: Caller, pool: Pool) -> None:
    await service.publish(liked(), headers={"traceparent": PARENT})
    assert await pool.fetchval("SELECT trace_id FROM events") == TRACE


async def test_a_log_line_has_the_pattern_and_no_secret(nobody: Caller, lines: list[dict[str, Any]]) -> None:
    token = token_of("ann", "user", "publish")
    await nobody.using(token).get("/v1/users/someone?key=hunter2", headers={"traceparent": PARENT})
    await nobody.get("/u/one-time-link")
    await nobody.get("/health/live")
    first, second, third = [line for line in lines if line["event"] == "request"]
    assert (first["method"], first["route"], first["trace_id"]) == ("GET", "/v1/users/{id}", TRACE)
    assert first["status"] == 404
    assert first["ms"] >= 0
    assert (second["route"], second["status"]) == ("/u/{token}", 404)
    assert (third["route"], third["log_level"]) == ("/health/live", "debug")
    told = repr(lines)
    assert all(secret not in told for secret in (token, "hunter2", "one-time-link", "someone"))


async def test_by_default_only_our_own_pages_may_read_answers(nobody: Caller) -> None:
    foreign = await nobody.get("/health/live", headers={"Origin": "https://evil.example.com"})
    assert foreign.status == 200
    assert "Access-Control-Allow-Origin" not in foreign.headers
    assert foreign.headers["Vary"] == "Origin"
    own = await nobody.get("/health/live", headers={"Origin": nobody.url})
    assert own.headers["Access-Control-Allow-Origin"] == nobody.url


async def test_a_listed_origin_may_use_the_interface(gateway: Gateway) -> None:
    config = replace(gateway.config, allowed_origins=("https://app.example.com",))
    async with serving(replace(gateway, config=config)) as nobody:
        origin = {"Origin": "https://app.example.com"}
        asks = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "authorization"}
        preflight = await nobody.call("OPTIONS", "/v1/users/ann", headers=origin | asks)
        assert preflight.status == 204
        assert preflight.headers["Access-Control-Allow-Origin"] == "https://app.example.com"
        assert "PUT" in preflight.headers["Access-Control-Allow-Methods"]
        assert "Authorization" in preflight.headers["Access-Control-Allow-Headers"]
        refused = await nobody.get("/v1/me", headers=origin)
        assert refused.status == 401
        assert refused.headers["Access-Control-Allow-Origin"] == "https://app.example.com"
        assert "X-Trace-Id" in refused.headers["Access-Control-Expose-Headers"]
        foreign = await nobody.call(
            "OPTIONS", "/v1/users/ann", headers={"Origin": "https://evil.example.com"} | asks
        )
        assert (foreign.status, foreign.json["code"]) == (403, "forbidden")
        assert foreign.headers["Content-Type"].startswith("application/problem+json")
        assert "Access-Control-Allow-Origin" not in foreign.headers


@pytest.mark.parametrize(
    ("path", "choice"), [("/u/one-time-link", "stop"), ("/verify/one-time-link", "confirm")]
)
async def test_the_forms_of_our_own_pages_are_posted_without_a_warning(
    nobody: Caller, lines: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, path: str, choice: str
) -> None:
    monkeypatch.setattr("gateways.address.say._quiet_until", 0.0)
    answered = await nobody.post(path, data={"choice": choice}, headers={"Origin": "null"})
    assert answered.status == 404
    assert "Access-Control-Allow-Origin" not in answered.headers
    assert [line["event"] for line in lines] == ["request"]
