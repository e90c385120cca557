"""Owns the table of event types, and turns CloudEvents JSON into events."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from pydantic import ValidationError

from schemas.events import (
    content,
    governance,
    hours,
    live,
    messages,
    notifications,
    storefront,
    system,
    users,
)
from schemas.events.base import Envelope, Event
from schemas.events.wire import (
    MAX_ERRORS,
    MAX_MEMBERS,
    FieldError,
    protocol_errors,
    unknown_members,
    value_errors,
    values,
)

_WRITTEN: Final = ("id", "source", "subject", "time")


class DuplicateEventTypeError(ValueError):
    """Two classes claim one event type."""


class UnknownEventTypeError(LookupError):
    """No class has this event type."""

    def __init__(self, name: str) -> None:
        super().__init__(f"unknown event type {name[:100]!r}; GET /v1/asyncapi.json lists them all")


class InvalidEventError(ValueError):
    """An event that cannot be read, with everything that is wrong with it."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        self.errors = list(errors[:MAX_ERRORS])
        super().__init__("; ".join(f"{error.path or 'event'}: {error.message}" for error in self.errors))


class Registry:
    """The event types, by name, in the order they were given."""

    def __init__(self, classes: Iterable[type[Event]]) -> None:
        self._classes: dict[str, type[Event]] = {}
        for cls in classes:
            if (known := self._classes.get(cls.name)) is not None:
                raise DuplicateEventTypeError(f"{known.__name__} and {cls.__name__} are both {cls.name}")
            self._classes[cls.name] = cls

    def types(self) -> tuple[type[Event], ...]:
        return tuple(self._classes.values())

    def by_name(self, name: str) -> type[Event]:
        try:
            return self._classes[name]
        except KeyError:
            raise UnknownEventTypeError(name) from None

    def parse(self, wire: object, *, source_default: str) -> Event:
        """Read what someone publishes: strictly, and reporting everything that is wrong at once."""
        mapping = _mapping(wire)
        if len(mapping) > MAX_MEMBERS:
            raise InvalidEventError([FieldError("", f"must have at most {MAX_MEMBERS} members")])
        model, type_errors = self._model(mapping)
        data, data_errors = _data(mapping)
        if type_errors or data_errors:  # the data cannot be judged; the envelope still can
            model, data = Envelope, {}
        errors = [
            *type_errors,
            *protocol_errors(mapping),
            *unknown_members(model, mapping, data),
            *data_errors,
        ]
        return _build(model, {"source": source_default} | values(model, mapping, data), errors)

    def decode(self, wire: object) -> Event:
        """Read what the hub wrote, perhaps a newer hub: members it does not know are ignored."""
        mapping = _mapping(wire)
        model = self.by_name(str(mapping.get("type")))
        data, errors = _data(mapping)
        errors += protocol_errors(mapping)
        # A new id or time in the place of a lost one would make it another event.
        errors += [FieldError(name, "is required") for name in _WRITTEN if mapping.get(name) is None]
        return _build(model, values(model, mapping, data), errors)

    def _model(self, wire: Mapping[str, Any]) -> tuple[type[Envelope], list[FieldError]]:
        name = wire.get("type")
        if name is None:
            return Envelope, [FieldError("type", "is required")]
        if not isinstance(name, str):
            return Envelope, [FieldError("type", "must be a string")]
        try:
            return self.by_name(name), []
        except UnknownEventTypeError as unknown:
            return Envelope, [FieldError("type", str(unknown))]


def _mapping(wire: object) -> Mapping[str, Any]:
    if not isinstance(wire, Mapping):
        raise InvalidEventError([FieldError("", "must be a JSON object")])
    return wire


def _data(wire: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[FieldError]]:
    data = wire.get("data")
    if data is None:
        return {}, []
    if not isinstance(data, Mapping):
        return {}, [FieldError("data", "must be a JSON object")]
    return data, []


def _build(model: type[Envelope], fields: dict[str, Any], errors: list[FieldError]) -> Event:
    event: Envelope | None = None
    try:
        event = model.model_validate(fields)
    except ValidationError as invalid:
        errors += value_errors(model, invalid)
    if errors or not isinstance(event, Event):
        raise InvalidEventError(errors)
    return event


ALL: Final[tuple[type[Event], ...]] = (
    content.ContentCreated,
    content.ContentLiked,
    content.ContentUnliked,
    content.ContentCommented,
    content.ContentShared,
    content.ContentSaved,
    content.ContentViewed,
    content.ContentDeleted,
    hours.HoursTipped,
    hours.HoursEarned,
    hours.HoursSpent,
    users.UserRegistered,
    users.UserFollowed,
    users.UserUnfollowed,
    users.UserSubscribed,
    users.UserUnsubscribed,
    users.ZoneJoined,
    users.ZoneLeft,
    live.LiveStarted,
    live.LiveEnded,
    live.LiveViewerJoined,
    messages.MessageSent,
    messages.MessageEdited,
    messages.MessageDeleted,
    messages.MessageReacted,
    messages.MessageDelivered,
    messages.MessageRead,
    messages.ConversationCreated,
    messages.ConversationUpdated,
    messages.ConversationMemberAdded,
    messages.ConversationMemberRemoved,
    storefront.StorefrontPurchased,
    storefront.StorefrontMembershipNew,
    governance.GovernanceProposalCreated,
    governance.GovernanceVoteCast,
    system.SystemAnnounced,
    system.MilestoneReached,
    notifications.NotificationCreated,
    notifications.NotificationUpdated,
)

REGISTRY: Final = Registry(ALL)
