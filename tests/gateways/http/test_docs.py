"""The schema documents say what is served, and hold together."""

import re
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
    required = [one for one, name in event.data_members.items() if event.model_fields[name].is_required()]
    optional = wire["data"].keys() - required
    variants = [required, [*required, *optional], *([*required, one] for one in optional)]
    reached = {
        (one.namespace, one.room, one.hide)
        for members in variants
        for one in REGISTRY.decode(
            {**wire, "data": {name: wire["data"][name] for name in members}}
        ).audience()
    }
    documented = {
        (one.namespace, room, one.hide) for one in audiences(event) for room in filled(one.room, wire["data"])
    }
    assert documented == reached
    shown = {
        (namespace, room, hide)
        for namespace, events in rooms().items()
        for room, hide in events.get(event.name, {}).items()
    }
    assert shown == {(one.namespace, one.room, one.hide) for one in audiences(event)}


def filled(room: str, data: dict[str, Any]) -> list[str]:
    """A room as documented, `user:{members}`, with the values of the member put in."""
    kind, _, member = room.rstrip("}").partition("{")
    values = data[member] if member else [""]
    return [f"{kind}{value}" for value in (values if isinstance(values, list) else [values])]


def test_what_is_the_same_for_everyone_is_written_once() -> None:
    first, second = asyncapi(None, "a.example.com"), asyncapi(None, "b.example.com:8080")
    assert first["components"] is second["components"]
    assert first["servers"]["http"]["host"] == "a.example.com"
    assert second["servers"]["http"]["host"] == "b.example.com:8080"


async def test_a_host_that_is_none_is_400(nobody: Caller) -> None:
    answered = await nobody.get("/v1/asyncapi.json", headers={"Host": "["})
    assert (answered.status, answered.json["code"]) == (400, "malformed")


async def test_the_openapi_document_allows_extension_attributes(nobody: Caller) -> None:
    liked = (await nobody.get("/v1/openapi.json")).json["components"]["schemas"]["content.liked"]
    assert liked["propertyNames"] == {"pattern": "^[a-z0-9]{1,20}$"}
    assert "string" in liked["additionalProperties"]["type"]
    assert all(re.fullmatch(liked["propertyNames"]["pattern"], name) for name in liked["properties"])
