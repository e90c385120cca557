"""Owns who is in which audience: the group `audiences` keeps what events say of followers and members."""

from collections.abc import Iterator, Sequence
from typing import Final

from schemas.db import Connection
from schemas.events.base import Event
from schemas.events.messages import (
    ConversationCreated,
    ConversationEvent,
    ConversationMemberAdded,
    ConversationMemberRemoved,
)
from schemas.events.users import (
    TargetEvent,
    UserFollowed,
    UserSubscribed,
    UserUnfollowed,
    UserUnsubscribed,
    ZoneEvent,
    ZoneJoined,
    ZoneLeft,
)
from schemas.store.audiences import Audiences, Membership

GROUP: Final = "audiences"
JOINS: Final[tuple[type[Event], ...]] = (
    UserFollowed,
    UserSubscribed,
    ZoneJoined,
    ConversationCreated,
    ConversationMemberAdded,
)
LEAVES: Final[tuple[type[Event], ...]] = (
    UserUnfollowed,
    UserUnsubscribed,
    ZoneLeft,
    ConversationMemberRemoved,
)
KEPT_BY: Final = (*JOINS, *LEAVES)
_STORE: Final = Audiences()


async def keep(tx: Connection, events: Sequence[Event]) -> None:
    """Write what memberships are after these events; of one that changed several times, the last counts."""
    last: dict[Membership, bool] = {}
    for event in events:
        for membership in memberships(event):
            last[membership] = isinstance(event, JOINS)
    await _STORE.join(tx, [one for one, is_in in last.items() if is_in])
    await _STORE.leave(tx, [one for one, is_in in last.items() if not is_in])


def memberships(event: Event) -> Iterator[Membership]:
    """What an event says of who belongs where; nothing where it does not say who."""
    match event:
        case TargetEvent(target=target, actor=str(actor)):
            is_follow = isinstance(event, UserFollowed | UserUnfollowed)
            yield Membership("followers" if is_follow else "subscribers", target, actor)
        case ZoneEvent(zone=zone, user=user):
            yield Membership("zone", zone, user)
        case ConversationEvent(conversation_id=conversation, members=members, user=user):
            for member in (*(members or ()), *(() if user is None else (user,))):
                yield Membership("conversation", conversation, member)
