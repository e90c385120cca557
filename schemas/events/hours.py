"""Owns the events about HOURS, the platform's currency; amounts are hundredths (500 is 5.00 HRS)."""

from collections.abc import Iterable
from typing import ClassVar

from schemas.events.base import Audience, Event
from schemas.events.members import Amount, Id, Text, Title
from schemas.ids import UserId


class HoursTipped(Event):
    """Someone gave HOURS to a person, perhaps for a piece of content or in a conversation."""

    name: ClassVar = "hours.tipped"
    subject_kind: ClassVar = "user"
    subject_member: ClassVar = "to"

    to: UserId
    amount: Amount
    content_id: Id | None = None
    conversation_id: Id | None = None
    note: Text | None = None

    def audience(self) -> Iterable[Audience]:
        yield Audience("/notifications", f"user:{self.to}")
        # What was tipped in a conversation stays there; the note is for the one who was tipped.
        if self.content_id is not None and self.conversation_id is None:
            yield Audience("/feed", f"content:{self.content_id}", hide=frozenset({"note"}))


class BalanceEvent(Event):
    """A user's HOURS changed."""

    subject_kind: ClassVar = "user"
    subject_member: ClassVar = "user"

    user: UserId
    amount: Amount
    reason: Title | None = None

    def audience(self) -> Iterable[Audience]:
        return (Audience("/notifications", f"user:{self.user}"),)


class HoursEarned(BalanceEvent):
    """A user earned HOURS."""

    name: ClassVar = "hours.earned"


class HoursSpent(BalanceEvent):
    """A user spent HOURS."""

    name: ClassVar = "hours.spent"
