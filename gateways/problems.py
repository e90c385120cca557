"""Owns error answers over HTTP: RFC 9457 problems."""

import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus

import orjson
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateways.tracing import trace_id
from schemas.events.wire import MAX_ERRORS
from schemas.events.words import in_words, path_of

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 2


class ProblemDetail(BaseModel):
    """One thing that is wrong with what was sent."""

    model_config = ConfigDict(frozen=True)

    path: str = Field(description="where, such as `data.amount` or `[3].id`; empty for the whole")
    message: str


class ProblemBody(BaseModel):
    """An error answer (RFC 9457)."""

    model_config = ConfigDict(frozen=True)

    type: str = Field(examples=["urn:hub:problem:invalid"])
    title: str
    status: int = Field(ge=400, le=599)
    detail: str
    errors: tuple[ProblemDetail, ...] = ()
    code: str = Field(description="the last part of `type`", examples=["invalid"])
    trace_id: str | None = Field(None, description="finds the request in the logs")


class ProblemError(Exception):
    """Ends a request with a problem."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = tuple(ProblemDetail(path=path, message=message) for path, message in errors)
        self.headers = dict(headers or {})


def bad_request(detail: str) -> ProblemError:
    return ProblemError(400, "malformed", detail)


def unauthorized(detail: str) -> ProblemError:
    challenge = f'Bearer realm="hub", error="invalid_token", error_description="{_quotable(detail)}"'
    return ProblemError(401, "unauthorized", detail, headers={"WWW-Authenticate": challenge})


def forbidden(detail: str) -> ProblemError:
    return ProblemError(403, "forbidden", detail)


def not_found(detail: str) -> ProblemError:
    return ProblemError(404, "not_found", detail)


def conflict(detail: str, errors: Sequence[tuple[str, str]] = ()) -> ProblemError:
    return ProblemError(409, "conflict", detail, errors=errors)


def invalid(errors: Sequence[tuple[str, str]]) -> ProblemError:
    """What was sent can be read but is not right; the first error is also the detail."""
    path, message = errors[0]
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    detail = f"{path}: {message}{more}" if path else message + more
    return ProblemError(422, "invalid", detail, errors=errors[:MAX_ERRORS])


def rate_limited(retry_after: float) -> ProblemError:
    seconds = str(max(1, math.ceil(retry_after)))
    return ProblemError(
        429, "rate_limited", f"too many requests; try again in {seconds} s", headers={"Retry-After": seconds}
    )


def timed_out(seconds: float) -> ProblemError:
    return ProblemError(408, "timeout", f"the body did not come within {seconds:g} s")


def too_large(limit: int) -> ProblemError:
    return ProblemError(413, "too_large", f"the body is larger than {limit:,} bytes; send less at a time")


def unavailable(detail: str, retry_after: float = RETRY_AFTER_S) -> ProblemError:
    seconds = str(max(1, math.ceil(retry_after)))
    return ProblemError(503, "unavailable", detail, headers={"Retry-After": seconds})


def render(problem: ProblemError) -> web.Response:
    """Write a problem as the answer."""
    body = ProblemBody(
        type=f"urn:hub:problem:{problem.code}",
        title=HTTPStatus(problem.status).phrase,
        status=problem.status,
        detail=problem.detail,
        errors=problem.errors,
        code=problem.code,
        trace_id=trace_id(),
    )
    return web.Response(
        status=problem.status,
        body=orjson.dumps(body.model_dump(exclude_none=True)),
        headers={"Cache-Control": "no-store", **problem.headers},
        content_type=MEDIA_TYPE,
    )


def from_validation(error: ValidationError, prefix: str = "") -> ProblemError:
    """A body or query that does not fit its model."""
    found = error.errors(include_url=False, include_input=False)
    return invalid([(path_of(one["loc"], prefix), in_words(one)) for one in found])


def _quotable(text: str) -> str:
    return "".join(char for char in text if char.isascii() and char.isprintable() and char not in '"\\')
