"""Owns what the two documents share: how one signs in, and events as they are published and pushed."""

from collections.abc import Iterable
from typing import Any

from schemas.events.base import Audience, Event
from schemas.events.registry import REGISTRY
from schemas.events.wire import EXTENSION, MAX_MEMBERS
from schemas.ids import USER_ID_PATTERN

BEARER = {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}
ID = {"type": "string", "format": "uuid"}
TIME = {"type": "string", "format": "date-time"}
LABEL = {"type": "string", "minLength": 1, "maxLength": 300}
ACTOR = {"type": "string", "pattern": USER_ID_PATTERN}


def data_schema(event: type[Event]) -> dict[str, Any]:
    """The data members of a type; optional members may be left out, so null is not mentioned."""
    schema = event.data_schema()
    definitions = schema.pop("$defs", {})
    properties = {name: _plain(member, definitions) for name, member in schema["properties"].items()}
    return {
        "type": "object",
        "properties": properties,
        "required": schema["required"],
        "additionalProperties": False,
    }


def published(event: type[Event]) -> dict[str, Any]:
    """A CloudEvent of one type as POST /v1/events takes it."""
    return {
        "title": event.name,
        "description": _words(event),
        "type": "object",
        "properties": {
            "specversion": {"const": "1.0"},
            "id": {**ID, "description": "made by the hub if left out; the same id is accepted once"},
            "type": {"const": event.name},
            "source": {**LABEL, "description": "the token's `sub` if left out"},
            "subject": {**LABEL, "description": f"`{_default_subject(event)}` if left out"},
            "time": {**TIME, "description": "now if left out"},
            "actor": ACTOR,
            "datacontenttype": {"const": "application/json"},
            "data": data_schema(event),
        },
        "required": ["type", "data"],
        "propertyNames": {"pattern": EXTENSION},
        "additionalProperties": {
            "type": ["string", "integer", "boolean", "null"],
            "description": "an extension attribute of CloudEvents: taken and not kept",
        },
        "maxProperties": MAX_MEMBERS,
    }


def pushed(event: type[Event]) -> dict[str, Any]:
    """The one argument a socket gets with an event of this type."""
    return {
        "type": "object",
        "properties": {
            "id": ID,
            "type": {"const": event.name},
            "time": TIME,
            "subject": LABEL,
            "actor": {"anyOf": [ACTOR, {"type": "null"}]},
            "data": data_schema(event),
        },
        "required": ["id", "type", "time", "subject", "actor", "data"],
    }


def publishable() -> tuple[type[Event], ...]:
    return tuple(event for event in REGISTRY.types() if not event.push_only)


def audiences(event: type[Event]) -> list[Audience]:
    """Who may see a type live, with `{member}` standing for the values of members.

    Asked of the type itself: an event is built with placeholders, in every variant in which optional
    members may matter (none, each alone, all).
    """
    optional = [name for name in event.data_members.values() if not event.model_fields[name].is_required()]
    variants = [[], *([name] for name in optional), optional]
    found = (audience for variant in variants for audience in _placeholders(event, variant).audience())
    return list(dict.fromkeys(found))


def _placeholders(event: type[Event], optional: Iterable[str]) -> Event:
    wanted = set(optional)
    values: dict[str, Any] = {}
    for wire, name in event.data_members.items():
        info = event.model_fields[name]
        if info.is_required() or name in wanted:
            text = f"{{{wire}}}"
            values[name] = (text,) if "tuple" in str(info.annotation) else text
    return event.model_construct(**values)


def _words(event: type[Event]) -> str:
    return (event.__doc__ or "").strip()


def _default_subject(event: type[Event]) -> str:
    return f"{event.subject_kind}:{{{event.subject_member}}}" if event.subject_member else event.subject_kind


def _plain(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """One member's schema by itself: references resolved, null and generated titles left out."""
    if "$ref" in schema:
        return _plain(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    options = [one for one in schema.get("anyOf", []) if one.get("type") != "null"]
    if len(options) == 1:
        return _plain(
            {**{k: v for k, v in schema.items() if k not in ("anyOf", "default")}, **options[0]}, definitions
        )
    return {key: value for key, value in schema.items() if key not in ("title", "default")}
