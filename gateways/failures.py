"""Owns which exception becomes which answer."""

from http import HTTPStatus
from typing import Final

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from gateways.auth import IdentityUnavailableError, UnauthorizedError
from gateways.problems import ProblemError, invalid, render, unauthorized, unavailable
from schemas.db import RETRYABLE
from schemas.events.registry import InvalidEventError

log = structlog.get_logger(__name__)

CALLER_GONE: Final = 499
"""Not sent to anybody: what nginx counts such a request as."""
BEGUN = web.RequestKey("begun", bool)


async def note_begun(request: web.Request, _response: web.StreamResponse) -> None:
    """Remember that an answer is on its way (a signal): a second one would be written into the first."""
    request[BEGUN] = True


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever a handler raises into a problem."""
    try:
        return await handler(request)
    except Exception as error:  # noqa: BLE001  what is unexpected is logged there
        return answered(request, error)


def answered(request: web.Request, error: Exception) -> web.Response:
    """The answer to a request that failed just now; raises the error again where there can be none."""
    if isinstance(error, web.HTTPException) and error.status < 400:
        raise error  # a redirect
    if _hung_up(request, error):
        return web.Response(status=CALLER_GONE)  # raised, aiohttp would log it as a fault of ours
    problem = explain(error)
    if problem is None:
        log.error("request failed", method=request.method, exc_info=error)
        problem = ProblemError(
            500, "internal", "something went wrong here; the trace id finds it in the logs"
        )
    if BEGUN in request:
        raise error  # cuts the connection, so that half an answer is not taken for a whole one
    return render(problem)


def explain(error: Exception) -> ProblemError | None:
    """The problem an exception means to the caller; None if nobody expected it."""
    problem: ProblemError | None = None
    match error:
        case ProblemError():
            problem = error
        case IdentityUnavailableError():
            problem = unavailable(str(error), 10)
        case UnauthorizedError():
            problem = unauthorized(str(error))
        case InvalidEventError():
            problem = invalid([(one.path, one.message) for one in error.errors])
        case web.HTTPException():
            problem = _from_aiohttp(error)
        case ValueError():  # asyncpg's DataError among them: our own mistake, whatever else it derives from
            pass
        case _ if isinstance(error, RETRYABLE):
            log.warning("the database is away", error=str(error) or type(error).__name__)
            problem = unavailable("the database does not answer; the same request may be sent again")
    return problem


def _from_aiohttp(error: web.HTTPException) -> ProblemError:
    code, detail = _KNOWN.get(error.status, ("error", HTTPStatus(error.status).description or error.reason))
    kept = {name: value for name, value in error.headers.items() if name in ("Allow", "Retry-After")}
    return ProblemError(error.status, code, detail, headers=kept)


_KNOWN = {
    400: ("malformed", "the request cannot be read"),
    404: ("not_found", "there is nothing here; /docs shows what is"),
    405: ("method_not_allowed", "this method is not served here; `Allow` names those that are"),
    413: ("too_large", "the body is too large"),
}


def _hung_up(request: web.Request, error: Exception) -> bool:
    """The caller is gone: nobody to answer, nothing to report."""
    transport = request.transport
    return isinstance(error, ConnectionResetError) and (transport is None or transport.is_closing())
