"""Owns the events about conversations and the messages in them."""

from collections.abc import Iterable
from typing import ClassVar

from schemas.events.base import Audience, Event
from schemas.events.members import Ciphertext, Id, Position, Title, Users
from schemas.ids import UserId


class InConversation(Event):
    """Something about one conversation, shown live to its members."""

    subject_kind: ClassVar = "conversation"
    subject_member: ClassVar = "conversation_id"

    conversation_id: Id

    def audience(self) -> Iterable[Audience]:
        yield Audience("/messages", f"conversation:{self.conversation_id}")


class MessageEvent(InConversation):
    """Something about one message; the envelope is its ciphertext in base64."""

    message_id: Id
    seq: Position
    sender: UserId
    envelope: Ciphertext | None = None


class MessageSent(MessageEvent):
    """Someone wrote a message."""

    name: ClassVar = "message.sent"


class MessageEdited(MessageEvent):
    """A message was changed by its sender."""

    name: ClassVar = "message.edited"


class MessageDeleted(MessageEvent):
    """A message was taken back."""

    name: ClassVar = "message.deleted"


class MessageReacted(MessageEvent):
    """Someone reacted to a message, or took the reaction back."""

    name: ClassVar = "message.reacted"


class ReceiptEvent(InConversation):
    """How far a member has come in a conversation."""

    reader: UserId
    up_to_seq: Position


class MessageDelivered(ReceiptEvent):
    """Messages reached a member's device."""

    name: ClassVar = "message.delivered"


class MessageRead(ReceiptEvent):
    """A member read messages."""

    name: ClassVar = "message.read"


class ConversationEvent(InConversation):
    """A conversation changed: its members and the people concerned hear of it."""

    members: Users | None = None
    user: UserId | None = None
    title: Title | None = None

    def audience(self) -> Iterable[Audience]:
        yield from super().audience()
        concerned = {*(self.members or ()), *([] if self.user is None else [self.user])}
        for user in sorted(concerned):
            yield Audience("/messages", f"user:{user}")


class ConversationCreated(ConversationEvent):
    """A conversation began between its members."""

    name: ClassVar = "conversation.created"


class ConversationUpdated(ConversationEvent):
    """A conversation got another title or other settings."""

    name: ClassVar = "conversation.updated"


class ConversationMemberAdded(ConversationEvent):
    """A user became a member of a conversation."""

    name: ClassVar = "conversation.member_added"


class ConversationMemberRemoved(ConversationEvent):
    """A user left a conversation or was removed from it."""

    name: ClassVar = "conversation.member_removed"
