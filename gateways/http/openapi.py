"""Owns the OpenAPI 3.1 document, generated from the routes that are served."""

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from gateways.http.body import ANY
from gateways.http.route import AnyRoute, Reply
from gateways.http.schemas import BEARER, publishable, published
from gateways.problems import MEDIA_TYPE, ProblemBody

TEMPLATE = "#/components/schemas/{model}"

Key = tuple[type[BaseModel], JsonSchemaMode]
References = Mapping[Any, dict[str, Any]]

PROBLEMS = {
    400: ("malformed", "The body or a header cannot be read"),
    401: ("unauthorized", "No token, or one that does not hold"),
    403: ("forbidden", "The token lacks the scope, or the user is suspended"),
    404: ("not_found", "There is no such thing"),
    408: ("timeout", "The body did not come in time"),
    409: ("conflict", "It contradicts what is there"),
    413: ("too_large", "The body is too large"),
    415: ("unsupported_media_type", "The content type is not one of those named"),
    422: ("invalid", "It can be read but is not right; `errors` names what"),
    429: ("rate_limited", "Too many requests; `Retry-After` says when to come back"),
    503: ("unavailable", "Something the hub needs does not answer; come back after `Retry-After` seconds"),
}
SECONDS = {"schema": {"type": "integer", "minimum": 1}, "description": "seconds to wait"}
CHALLENGE = {"schema": {"type": "string"}, "description": "RFC 6750"}
HEADERS = {401: {"WWW-Authenticate": CHALLENGE}, 429: {"Retry-After": SECONDS}, 503: {"Retry-After": SECONDS}}


def openapi(routes: Sequence[AnyRoute], public_url: str | None = None) -> dict[str, Any]:
    """Write the document."""
    references, definitions = models_json_schema(_models(routes), ref_template=TEMPLATE)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, references)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "hub",
            "version": version("hub"),
            "summary": "Typed events in, the right people told",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": public_url or "/"}],
        "tags": [{"name": tag} for tag in dict.fromkeys(route.tag for route in routes)],
        "paths": paths,
        "components": {
            "schemas": {**definitions.get("$defs", {}), **_events()},
            "responses": {f"Problem{status}": _problem(status) for status in PROBLEMS},
            "securitySchemes": BEARER,
        },
    }


def _models(routes: Iterable[AnyRoute]) -> list[Key]:
    found: dict[Key, None] = {(ProblemBody, "serialization"): None}
    for route in routes:
        if route.body is not None and route.body.model is not None:
            found[route.body.model, "validation"] = None
        for reply in route.replies.values():
            if reply.model is not None:
                found[reply.model, "serialization"] = None
    return list(found)


def _events() -> dict[str, Any]:
    """One schema for each event type, and the choice between them."""
    schemas = {event.name: published(event) for event in publishable()}
    references = {name: TEMPLATE.format(model=name) for name in schemas}
    event = {
        "oneOf": [{"$ref": reference} for reference in references.values()],
        "discriminator": {"propertyName": "type", "mapping": references},
    }
    batch = {
        "type": "array",
        "items": {"$ref": TEMPLATE.format(model="Event")},
        "minItems": 1,
        "maxItems": 1000,
    }
    return {"Event": event, "Events": batch, **schemas}


def _operation(route: AnyRoute, references: References) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.handler.__name__,
        "tags": [route.tag],
        "summary": route.summary,
        "parameters": _parameters(route),
        "responses": {
            **{str(status): _reply(reply, references) for status, reply in route.replies.items()},
            **{
                str(status): {"$ref": f"#/components/responses/Problem{status}"}
                for status in _problems(route)
                if status not in route.replies
            },
        },
        # The scopes of a token that is no OAuth token may be named since OpenAPI 3.1.
        "security": [{"bearer": list(route.scopes)}] if route.scopes else [],
    }
    if route.description:
        operation["description"] = route.description
    if route.body is not None:
        model = route.body.model
        operation["requestBody"] = route.body.document(references[model, "validation"] if model else {})
    return operation


def _problems(route: AnyRoute) -> list[int]:
    """The error answers that follow from a declaration, and those it names."""
    found = set(route.problems)
    if route.scopes:
        found |= {401, 403, 429, 503}
    if route.query is not None or route.path_types or route.headers:
        found |= {422}
    if route.body is not None:
        found |= {400, 408, 413, 422}
        if ANY not in route.body.document({})["content"]:
            found |= {415}
    return sorted(found)


def _parameters(route: AnyRoute) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": type_.json_schema()}
        for name, type_ in route.path_types.items()
    ]
    if route.query is not None:
        schema = route.query.model_json_schema()
        for name, member in schema.get("properties", {}).items():
            found.append(_query_parameter(name, member))
    for name, header in route.headers.items():
        described = {"description": header.description, "schema": header.schema}
        found.append({"name": name, "in": "header", **described})
    return found


def _query_parameter(name: str, member: dict[str, Any]) -> dict[str, Any]:
    options = [one for one in member.get("anyOf", []) if one.get("type") != "null"]
    schema = {key: value for key, value in member.items() if key not in ("anyOf", "title", "description")}
    if len(options) == 1:
        schema |= options[0]
    elif options:
        schema["anyOf"] = options
    if schema.get("default", 0) is None:
        del schema["default"]
    return {"name": name, "in": "query", "description": member.get("description", ""), "schema": schema}


def _reply(reply: Reply, references: References) -> dict[str, Any]:
    if reply.media_type is None:
        return {"description": reply.description}
    schema = references[reply.model, "serialization"] if reply.model else {"type": "string"}
    return {"description": reply.description, "content": {reply.media_type: {"schema": schema}}}


def _problem(status: int) -> dict[str, Any]:
    code, words = PROBLEMS[status]
    example = {
        "type": f"urn:hub:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": words,
        "errors": [{"path": "data.amount", "message": "is required"}] if status == 422 else [],
        "code": code,
    }
    return {
        "description": words,
        "headers": HEADERS.get(status, {}),
        "content": {
            MEDIA_TYPE: {"schema": {"$ref": TEMPLATE.format(model="ProblemBody")}, "example": example}
        },
    }
