"""Owns the signs of life: /health/live, /health/ready, /metrics."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Literal

import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, ConfigDict

from bus.seldom import Seldom
from bus.telemetry import exposed
from gateways.http.route import Call, Reply, Route, answer

CHECK_S = 2.0

log = structlog.get_logger(__name__)
_say: defaultdict[str, Seldom] = defaultdict(partial(Seldom, log))  # by dependency


class Alive(BaseModel):
    """The process runs."""

    model_config = ConfigDict(frozen=True)

    status: Literal["ok"]


class Readiness(BaseModel):
    """Whether everything the hub needs answers: `ok`, or what is wrong with it."""

    model_config = ConfigDict(frozen=True)

    status: Literal["ok", "unavailable"]
    checks: dict[str, str]


async def live(_call: Call[None, None]) -> web.Response:
    return answer({"status": "ok"})


async def ready(call: Call[None, None]) -> web.Response:
    checks = call.gateway.readiness
    found = await asyncio.gather(*(_state(name, check) for name, check in checks.items()))
    states = dict(zip(checks, found, strict=True))
    fine = all(state == "ok" for state in found)
    return answer({"status": "ok" if fine else "unavailable", "checks": states}, 200 if fine else 503)


async def _state(name: str, check: Callable[[], Awaitable[None]]) -> str:
    try:
        async with asyncio.timeout(CHECK_S):
            await check()
    except TimeoutError:
        return f"no answer within {CHECK_S:g} s"
    except Exception as error:  # noqa: BLE001  whatever a check raises means: not ready
        # Anyone may ask, and messages of drivers name hosts and users: those stay in the log.
        _say[name]("a dependency is not ready", dependency=name, error=str(error) or type(error).__name__)
        return f"fails ({type(error).__name__})"
    return "ok"


async def metrics(call: Call[None, None]) -> web.Response:
    return web.Response(
        body=exposed(call.gateway.config.shared_metrics),
        headers={"Content-Type": CONTENT_TYPE_LATEST, "Cache-Control": "no-store"},
    )


ROUTES = (
    Route(
        method="GET",
        path="/health/live",
        handler=live,
        summary="Whether the process runs",
        tag="health",
        replies={200: Reply(description="It runs", model=Alive)},
    ),
    Route(
        method="GET",
        path="/health/ready",
        handler=ready,
        summary="Whether everything it needs answers",
        tag="health",
        replies={
            200: Reply(description="Ready", model=Readiness),
            503: Reply(description="Not ready; the checks say why", model=Readiness),
        },
    ),
    Route(
        method="GET",
        path="/metrics",
        handler=metrics,
        summary="Metrics in the Prometheus text format",
        tag="health",
        replies={200: Reply(description="Metrics", media_type="text/plain")},
    ),
)
