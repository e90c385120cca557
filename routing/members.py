"""Owns what preferences are made of: channels, priorities, times of day, lists."""

import re
from collections.abc import Hashable, Mapping
from typing import Annotated, Final, Literal, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from schemas.events.notifications import Priority, Topic

Item = TypeVar("Item", bound=Hashable)

ChannelKind = Literal["in_app", "push", "sms", "email", "telegram"]
CHANNELS: Final[tuple[ChannelKind, ...]] = get_args(ChannelKind)
TOPICS: Final[tuple[Topic, ...]] = get_args(Topic)

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: Final[tuple[Day, ...]] = get_args(Day)  # in the order of datetime.weekday()

PRIORITIES: Final[Mapping[Topic, Priority]] = {
    "tips": "immediate",
    "sales": "immediate",
    "memberships": "immediate",
    "live": "immediate",
    "likes": "standard",
    "comments": "standard",
    "shares": "standard",
    "follows": "standard",
    "subscribers": "standard",
    "mentions": "standard",
    "messages": "standard",
    "governance": "standard",
    "milestones": "batch",
    "announcements": "batch",
}

_TIME_OF_DAY: Final = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"


class Part(BaseModel):
    """A part of what a person prefers: strict, and nothing in it that is not known."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def at_most(most: int) -> BeforeValidator:
    """Refuses a longer list before its items are looked at: each wrong one would cost an error."""

    def check(value: object) -> object:
        if isinstance(value, list | tuple) and len(value) > most:
            raise PydanticCustomError("too_many", "must have at most {most} items", {"most": most})
        return value

    return BeforeValidator(check)


def each_once(values: tuple[Item, ...]) -> tuple[Item, ...]:
    if len(set(values)) != len(values):
        raise PydanticCustomError("repeated", "must not name anything twice")
    return values


def _time_of_day(text: str) -> str:
    if not re.fullmatch(_TIME_OF_DAY, text, re.ASCII):
        raise PydanticCustomError("time_of_day", "must be a time of day from 00:00 to 23:59, such as 22:00")
    return text


TimeOfDay = Annotated[
    str,
    AfterValidator(_time_of_day),
    Field(examples=["22:00"], json_schema_extra={"pattern": _TIME_OF_DAY}),
]
Topics = Annotated[
    tuple[Topic, ...], Field(strict=False, max_length=len(TOPICS)), at_most(100), AfterValidator(each_once)
]
