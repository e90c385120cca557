"""Owns how a request body becomes a checked value: content type, size, JSON, model."""

import asyncio
from collections.abc import Collection, Mapping
from typing import Any, Generic, TypeVar

import orjson
from aiohttp import web
from pydantic import BaseModel, ValidationError

from gateways.config import BODY_S
from gateways.problems import ProblemError, bad_request, from_validation, invalid, timed_out, too_large
from schemas.events.wire import MAX_MEMBERS

Model = TypeVar("Model", bound=BaseModel)

ANY = "*/*"
JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"


async def read_bytes(request: web.Request, media_types: Collection[str]) -> bytes:
    """The body, if it is of an accepted type and no larger than allowed."""
    _check_type(request, media_types)
    return await read_any(request)


def _check_type(request: web.Request, media_types: Collection[str]) -> None:
    charset = (request.charset or "utf-8").lower()
    if request.content_type not in media_types or charset not in ("utf-8", "utf8", "us-ascii"):
        accepted = ", ".join(media_types)
        raise ProblemError(
            415, "unsupported_media_type", f"send {accepted} in UTF-8", headers={"Accept": accepted}
        )


async def read_any(request: web.Request) -> bytes:
    """The body, whatever it calls itself, if it is no larger than allowed."""
    if (request.content_length or 0) > request.client_max_size:
        raise too_large(request.client_max_size)
    try:
        async with asyncio.timeout(BODY_S):
            return await request.read()
    except TimeoutError:
        raise timed_out(BODY_S) from None
    except web.HTTPRequestEntityTooLarge:
        raise too_large(request.client_max_size) from None
    except web.RequestPayloadError:
        raise bad_request("the body ends early or is not encoded as its headers say") from None


def parse_json(body: bytes) -> Any:
    """The value a body means; NaN, unpaired surrogates and nesting deeper than 1024 are not JSON here."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise bad_request(f"the body is not JSON: {error}") from None


class JsonBody(Generic[Model]):
    """A JSON object that fits a model."""

    def __init__(self, model: type[Model], *media_types: str) -> None:
        self.model: type[BaseModel] | None = model
        self._model = model
        self._media_types = media_types or (JSON,)

    async def read(self, request: web.Request) -> Model:
        value = parse_json(await read_bytes(request, self._media_types))
        if not isinstance(value, dict):
            raise invalid([("", "must be a JSON object")])
        if len(value) > MAX_MEMBERS:  # each unknown one would cost an error
            raise invalid([("", f"must have at most {MAX_MEMBERS} members")])
        try:
            return self._model.model_validate(value)
        except ValidationError as error:
            raise from_validation(error) from None

    def document(self, reference: Mapping[str, Any]) -> dict[str, Any]:
        return {"required": True, "content": {one: {"schema": reference} for one in self._media_types}}
