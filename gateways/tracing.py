"""Owns the trace of a request: its id in logs, events and answers (W3C Trace Context)."""

import re
import secrets
import time

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler
from structlog.contextvars import bound_contextvars, get_contextvars

from bus.telemetry import HTTP_SECONDS

TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
# Asked many times a minute by machines, or many times for one page.
QUIET = ("/health/", "/metrics", "/socket.io", "/web/", "/vendor/")
ZEROES = re.compile(r"0+")

TRACE = web.RequestKey("traceparent", str)

log = structlog.get_logger(__name__)


def trace_id() -> str | None:
    """The id of the request being answered."""
    found = get_contextvars().get("trace_id")
    return found if isinstance(found, str) else None


def continued(traceparent: str | None) -> tuple[str, str]:
    """The trace id and flags of a `traceparent`; a new trace if there is none that holds."""
    match = TRACEPARENT.fullmatch(traceparent or "")
    if match and not match[0].startswith("ff") and not any(map(ZEROES.fullmatch, match.group(1, 2))):
        return match[1], "01" if int(match[3], 16) & 1 else "00"
    return secrets.token_hex(16), "01"


@web.middleware
async def tracing(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Bind the trace id for everything the request causes, answer with it, and write the access log."""
    trace, flags = continued(request.headers.get("traceparent"))
    started = time.perf_counter()
    status = 499  # the caller left before there was an answer
    request[TRACE] = f"00-{trace}-{secrets.token_hex(8)}-{flags}"
    with bound_contextvars(trace_id=trace):
        try:
            response = await handler(request)
            status = response.status
        except web.HTTPException as error:
            status = error.status
            raise
        finally:
            seconds = time.perf_counter() - started
            route = route_pattern(request)
            HTTP_SECONDS.labels(request.method, route, status).observe(seconds)
            # The pattern, not the path: paths hold user ids and one-time links, queries hold tokens.
            write = log.debug if route.startswith(QUIET) else log.info
            write("request", method=request.method, route=route, status=status, ms=round(seconds * 1000, 1))
    return response


async def add_trace_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Name the trace in every answer, streamed ones included (a signal of the application)."""
    traceparent = request.get(TRACE)
    if traceparent is not None and response.status != 101:
        response.headers["traceparent"] = traceparent
        response.headers["X-Trace-Id"] = traceparent.split("-")[1]


def route_pattern(request: web.Request) -> str:
    """The route as declared, such as /v1/users/{id}; `-` for what is no route."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "-"
