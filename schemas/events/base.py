"""Owns what every event is: an immutable fact with an envelope, flat typed data and its audiences."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self, get_args, get_type_hints

import orjson
from pydantic import BaseModel, ConfigDict, Field, model_validator

from schemas.clock import SystemClock
from schemas.events.members import Label, Time, Uuid, rfc3339
from schemas.ids import UserId, uuid7


@dataclass(frozen=True, slots=True)
class Audience:
    """Who sees an event live: a room in a namespace; `hide` names the data members kept from it."""

    namespace: str
    room: str
    hide: frozenset[str] = frozenset()


class Envelope(BaseModel):
    """What every event carries, whatever its type."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    id: Uuid = Field(default_factory=uuid7)
    time: Time = Field(default_factory=SystemClock().now)
    source: Label = "hub"
    subject: Label = ""
    """The ordering key; left out, it is made of the member the type is about."""
    actor: UserId | None = None

    data_members: ClassVar[Mapping[str, str]] = {}
    """The field of each data member, by its name on the wire; found by itself."""


ENVELOPE: Final = frozenset(Envelope.model_fields)


class Event(Envelope):
    """A fact. Its data members are fields beside those of the envelope."""

    name: ClassVar[str]
    """CloudEvents `type` on the wire."""
    subject_kind: ClassVar[str]
    subject_member: ClassVar[str] = ""
    push_only: ClassVar[bool] = False
    """Made by the hub for sockets alone: not in the log, handled by no group."""

    user_members: ClassVar[tuple[str, ...]] = ()
    """The fields that hold user ids; found by itself."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        cls.data_members = {
            info.serialization_alias or field: field
            for field, info in cls.model_fields.items()
            if field not in ENVELOPE
        }
        hints = get_type_hints(cls, include_extras=True)
        cls.user_members = tuple(field for field in cls.model_fields if _holds_users(hints[field]))

    @model_validator(mode="after")
    def _fill_subject(self) -> Self:
        if not self.subject:
            object.__setattr__(self, "subject", self._default_subject())  # frozen: this is its making
        return self

    def _default_subject(self) -> str:
        if not self.subject_member:
            return self.subject_kind
        return f"{self.subject_kind}:{getattr(self, self.subject_member)}"

    def audience(self) -> Iterable[Audience]:
        """Who sees it live: nobody, unless the type says so."""
        return ()

    def users(self) -> frozenset[str]:
        """The users it names: they come to exist at first sight."""
        named: set[str] = set()
        for member in self.user_members:
            value: str | tuple[str, ...] | None = getattr(self, member)
            named.update((value,) if isinstance(value, str) else value or ())
        return frozenset(named)

    def data(self, hide: frozenset[str] = frozenset()) -> dict[str, Any]:
        """The data members, ready for JSON; those that were left out stay out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={*ENVELOPE, *hide})

    def to_wire(self) -> dict[str, Any]:
        """CloudEvents 1.0, JSON format."""
        return {
            "specversion": "1.0",
            "id": str(self.id),
            "type": self.name,
            "source": self.source,
            "subject": self.subject,
            "time": rfc3339(self.time),
            **({} if self.actor is None else {"actor": self.actor}),
            "datacontenttype": "application/json",
            "data": self.data(),
        }

    def to_packet(self, hide: frozenset[str] = frozenset()) -> bytes:
        """What a socket gets."""
        packet = {
            "id": str(self.id),
            "type": self.name,
            "time": rfc3339(self.time),
            "subject": self.subject,
            "actor": self.actor,
            "data": self.data(hide),
        }
        return orjson.dumps(packet)

    @classmethod
    def data_schema(cls) -> dict[str, Any]:
        """JSON Schema of the data members under their names on the wire, for the documents."""
        schema = cls.model_json_schema()
        fields = schema["properties"]
        schema["properties"] = {wire: fields[field] for wire, field in cls.data_members.items()}
        schema["required"] = [
            w for w, field in cls.data_members.items() if cls.model_fields[field].is_required()
        ]
        return schema


def _holds_users(hint: object) -> bool:
    return hint == UserId or any(_holds_users(part) for part in get_args(hint))
