"""The schema documents say what is served, and hold together."""

from collections.abc import Iterator
from typing import Any

import pytest

from gateways.http.asyncapi import asyncapi, rooms
from gateways.http.routes import PUBLIC
from gateways.http.schemas import audiences
from schemas.events.base import Event
from schemas.events.registry import REGISTRY
from tests.gateways.http.served import Caller
from tests.schemas.test_event_samples import sample

DOCUMENTS = ["/v1/openapi.json", "/v1/asyncapi.json"]


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for child in node.values():
            yield from references(child)
    elif isinstance(node, list):
        for child in node:
            yield from references(child)


def resolve(document: Any, reference: str) -> Any:
    node = document
    for part in reference.removeprefix("#/").split("/"):
        node = node[part.replace("~1", "/").replace("~0", "~")]
    return node


async def test_every_reference_leads_somewhere(nobody: Caller) -> None:
    for path in DOCUMENTS:
        answered = await nobody.get(path)
        assert (answered.status, answered.headers["Content-Type"]) == (200, "application/json")
        found = set(references(answered.json))
        assert found
        for reference in found:
            assert resolve(answered.json, reference), reference


async def test_the_openapi_document_has_every_public_route(nobody: Caller) -> None:
    document = (await nobody.get("/v1/openapi.json")).json
    assert document["openapi"] == "3.1.0"
    served = {(path, method.upper()) for path, found in document["paths"].items() for method in found}
    assert served == {(route.path, route.method) for route in PUBLIC}
    names = [found[method]["operationId"] for found in document["paths"].values() for method in found]
    assert len(names) == len(set(names))
    assert not any(path.startswith("/dev/") for path in document["paths"])
    for path, found in document["paths"].items():
        for operation in found.values():
            assert operation["summary"], path
            if operation["security"]:
                assert operation["responses"].keys() >= {"401", "403", "429"}


async def test_the_openapi_document_has_every_type_that_can_be_published(nobody: Caller) -> None:
    schemas = (await nobody.get("/v1/openapi.json")).json["components"]["schemas"]
    for event in REGISTRY.types():
        assert (event.name in schemas) is not event.push_only
    tipped = schemas["hours.tipped"]["properties"]["data"]
    assert tipped["required"] == ["to", "amount"]
    assert tipped["properties"].keys() == {"to", "amount", "content_id", "conversation_id", "note"}


async def test_the_asyncapi_document_has_every_type_where_it_is_heard(nobody: Caller) -> None:
    document = (await nobody.get("/v1/asyncapi.json")).json
    assert document["asyncapi"] == "3.0.0"
    assert document["servers"]["sockets"]["pathname"] == "/socket.io"
    feed = document["channels"]["feed"]
    assert feed["address"] == "/feed"
    assert "`content.created` → `feed`, `zone:{zone}`" in feed["description"]
    assert "`hours.tipped` → `content:{content_id}` (without note)" in feed["description"]
    assert document["operations"]["feed.subscribe"]["action"] == "receive"
    assert document["operations"]["feed.subscribe"]["reply"]["messages"]
    assert document["operations"]["live.events"]["action"] == "send"
    assert "live.viewers" in document["channels"]["live"]["messages"]
    assert document["channels"]["publish"]["address"] == "/v1/events"
    payload = document["components"]["messages"]["hours.tipped"]["payload"]
    assert payload["required"] == ["id", "type", "time", "subject", "actor", "data"]


def test_the_servers_follow_the_public_address() -> None:
    document = asyncapi("https://hub.example.com", "127.0.0.1:8080")
    assert (
        document["servers"]["sockets"] | {"host": "hub.example.com", "protocol": "wss"}
        == (document["servers"]["sockets"])
    )


@pytest.mark.parametrize("event", REGISTRY.types(), ids=lambda event: event.name)
def test_the_rooms_in_the_document_are_those_an_event_goes_to(event: type[Event]) -> None:
    wire = sample(event.name)
    documented = {(one.namespace, one.room.partition("{")[0]) for one in audiences(event)}
    for variant in (wire, {**wire, "data": {name: wire["data"][name] for name in required(event)}}):
        for one in REGISTRY.decode(variant).audience():
            assert any(
                one.namespace == namespace and one.room.startswith(prefix) for namespace, prefix in documented
            )
    assert {name for found in rooms().values() for name in found} >= ({event.name} if documented else set())


def required(event: type[Event]) -> list[str]:
    return [wire for wire, name in event.data_members.items() if event.model_fields[name].is_required()]
