"""Owns what an HTTP route is: one declaration that is served, checked and documented."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, Protocol, TypeVar

import orjson
from aiohttp import web
from pydantic import BaseModel, TypeAdapter

from gateways.auth import Principal
from gateways.gateway import Gateway

Query = TypeVar("Query")
Body = TypeVar("Body")
Body_co = TypeVar("Body_co", covariant=True)

Json = Mapping[str, Any]


class BodyReader(Protocol[Body_co]):
    """Reads the body of a request; raises ProblemError."""

    model: type[BaseModel] | None
    """Goes into the documents' components, if the body is one model."""

    async def read(self, request: web.Request) -> Body_co: ...

    def document(self, reference: Json) -> dict[str, Any]:
        """The OpenAPI request body object; `reference` points to the model."""
        ...


@dataclass(frozen=True, slots=True)
class Call(Generic[Query, Body]):
    """One checked call: everything a handler may use."""

    request: web.Request
    gateway: Gateway
    who: Principal | None
    path: Mapping[str, Any]
    query: Query
    body: Body

    @property
    def principal(self) -> Principal:
        """The caller of a route that asks for a token."""
        if self.who is None:
            raise LookupError("the route asks for no token")
        return self.who


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One successful answer, for the documents."""

    description: str
    model: type[BaseModel] | None = None
    media_type: str | None = "application/json"
    """None: the answer has no body."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """One request header, for the documents; the handler itself checks it."""

    description: str
    schema: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Route(Generic[Query, Body]):
    """A route of the public interface."""

    method: Literal["GET", "PUT", "POST", "PATCH", "DELETE"]
    path: str
    handler: Callable[[Call[Query, Body]], Awaitable[web.StreamResponse]]
    summary: str
    tag: str
    description: str = ""
    scopes: tuple[str, ...] = ()
    """Any of them will do, `admin` always does; none: no token is asked for."""
    publishes: bool = False
    """Counted with the rate of publishing, by token, instead of that of other calls, by user."""
    path_types: Mapping[str, TypeAdapter[Any]] = field(default_factory=dict)
    query: type[Query] | None = None
    body: BodyReader[Body] | None = None
    headers: Mapping[str, Header] = field(default_factory=dict)
    """Request headers worth documenting."""
    replies: Mapping[int, Reply] = field(default_factory=dict)
    problems: tuple[int, ...] = ()
    """Error answers beyond those that follow from the rest of the declaration."""
    streams: bool = False
    """The answer has no end or no known length, so HEAD is not served."""


AnyRoute = Route[Any, Any]


def answer(
    content: BaseModel | Json, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """A JSON answer; what belongs to one caller must not be kept by a cache on the way."""
    plain = content.model_dump(mode="json") if isinstance(content, BaseModel) else content
    return web.Response(
        status=status,
        body=orjson.dumps(plain),
        content_type="application/json",
        headers={"Cache-Control": "no-store", **(headers or {})},
    )
