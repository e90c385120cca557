"""Owns the way in from CloudEvents JSON: its members, and what is wrong with them in plain words."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from pydantic import ValidationError

from schemas.events.base import ENVELOPE, Envelope
from schemas.events.words import in_words, path_of, printable

_PROTOCOL: Final = frozenset({"specversion", "type", "datacontenttype", "data"})
_KNOWN: Final = ENVELOPE | _PROTOCOL
# Extension attributes of CloudEvents, traceparent and dataschema among them: taken and not kept.
EXTENSION: Final = "^[a-z0-9]{1,20}$"
_EXTENSION: Final = re.compile(EXTENSION.strip("^$"))

# Enough for anyone who repairs an event by hand, and a bound on what a hostile one makes us do and answer.
MAX_ERRORS: Final = 100
MAX_MEMBERS: Final = 100


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong, and where: `data.amount`, `time`; an empty path means the event as a whole."""

    path: str
    message: str


def values(model: type[Envelope], wire: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an event; null is the same as absent."""
    envelope = {name: wire[name] for name in ENVELOPE if wire.get(name) is not None}
    members = {field: data[name] for name, field in model.data_members.items() if data.get(name) is not None}
    return envelope | members


def protocol_errors(wire: Mapping[str, Any]) -> Iterator[FieldError]:
    if wire.get("specversion") not in (None, "1.0"):  # no set: what a stranger sent may not be hashable
        yield FieldError("specversion", 'must be "1.0"')
    media_type = wire.get("datacontenttype")
    if media_type is not None and not _is_json(media_type):
        yield FieldError("datacontenttype", "must be application/json")


def _is_json(media_type: object) -> bool:
    return isinstance(media_type, str) and media_type.partition(";")[0].strip().lower() == "application/json"


def unknown_members(
    model: type[Envelope], wire: Mapping[str, Any], data: Mapping[str, Any]
) -> Iterator[FieldError]:
    """The first of them: who sends a hundred thousand learns nothing from the rest."""
    return islice(_unknown_members(model, wire, data), MAX_ERRORS)


def _unknown_members(
    model: type[Envelope], wire: Mapping[str, Any], data: Mapping[str, Any]
) -> Iterator[FieldError]:
    for name, value in wire.items():
        if name in _KNOWN:
            continue
        if not _EXTENSION.fullmatch(name):
            yield FieldError(printable(name), "is not a member of an event")
        elif not isinstance(value, str | int | None):
            yield FieldError(name, "must be a string, an integer or a boolean (an extension attribute)")
    for name in data:
        if name not in model.data_members:
            yield FieldError(f"data.{printable(name)}", "is not a member of this event type")


def value_errors(model: type[Envelope], invalid: ValidationError) -> Iterator[FieldError]:
    names = {field: name for name, field in model.data_members.items()}
    for error in invalid.errors(include_url=False, include_input=False):
        field, *deeper = error["loc"]
        path = f"data.{names[str(field)]}" if field in names else str(field)
        yield FieldError(path_of(deeper, path), in_words(error))
