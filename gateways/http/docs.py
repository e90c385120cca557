"""Owns the schema documents: /v1/openapi.json and /v1/asyncapi.json, generated from what is served."""

from collections.abc import Callable
from typing import Any

from aiohttp import web
from pydantic import BaseModel

from gateways.http.asyncapi import asyncapi
from gateways.http.openapi import openapi
from gateways.http.route import AnyRoute, Call, Reply, Route, answer
from gateways.problems import bad_request


class Document(BaseModel):
    """A schema document."""


def routes(documented: Callable[[], tuple[AnyRoute, ...]]) -> tuple[AnyRoute, ...]:
    """The routes of the documents; `documented` are those the OpenAPI document shows."""
    kept: dict[str | None, dict[str, Any]] = {}

    async def openapi_document(call: Call[None, None]) -> web.Response:
        url = call.gateway.config.public_url
        if url not in kept:
            kept[url] = openapi(documented(), url)
        return answer(kept[url])

    async def asyncapi_document(call: Call[None, None]) -> web.Response:
        try:
            return answer(asyncapi(call.gateway.config.public_url, call.request.host))
        except ValueError:
            raise bad_request("the header Host does not name a host") from None

    return (
        Route(
            method="GET",
            path="/v1/openapi.json",
            handler=openapi_document,
            summary="This interface as OpenAPI 3.1",
            tag="documents",
            replies={200: Reply(description="The document", model=Document)},
        ),
        Route(
            method="GET",
            path="/v1/asyncapi.json",
            handler=asyncapi_document,
            summary="Events and sockets as AsyncAPI 3.0",
            tag="documents",
            replies={200: Reply(description="The document", model=Document)},
            problems=(400,),
        ),
    )
