"""Owns `/notifications`: what concerns one person, and what concerns everyone; the inbox, live."""

from typing import Annotated, ClassVar, Final
from uuid import UUID

from pydantic import Field

from gateways.sockets.connection import Session
from gateways.sockets.namespace import Answer, Handler, Namespace, Payload, RefusedError
from routing.inbox import Changed, CursorError, Inbox, State
from schemas.events.members import Uuid

MOST: Final = 100

Ids = Annotated[tuple[Uuid, ...], Field(min_length=1, max_length=MOST)]


class Page(Payload):
    """Which notifications to list."""

    state: State = "inbox"
    cursor: Annotated[str, Field(max_length=200)] | None = None
    limit: Annotated[int, Field(strict=True, ge=1, le=200)] = 50


class Named(Payload):
    """Some notifications."""

    ids: Ids


class Nothing(Payload):
    """There is nothing to say."""


class Notifications(Namespace):
    """A person's own line."""

    name: ClassVar = "/notifications"

    def __init__(self, inbox: Inbox) -> None:
        super().__init__()
        self._inbox = inbox
        self.handlers = {
            "list": Handler(Page, self._list),
            "read": Handler(Named, self._read),
            "read_all": Handler(Nothing, self._read_all),
            "archive": Handler(Named, self._archive),
            "counts": Handler(Nothing, self._counts),
        }

    def rooms_of(self, user: str) -> tuple[str, ...]:
        return (f"user:{user}", "everyone")

    async def _list(self, session: Session, wanted: Page) -> Answer:
        try:
            page = await self._inbox.page(session.user, wanted.state, wanted.cursor, wanted.limit)
        except CursorError as error:
            raise RefusedError("invalid", str(error), "cursor") from None
        return {"items": [one.shown() for one in page.items], "next": page.next}

    async def _read(self, session: Session, named: Named) -> Answer:
        return _changed(named.ids, await self._inbox.read(session.user, named.ids))

    async def _archive(self, session: Session, named: Named) -> Answer:
        return _changed(named.ids, await self._inbox.archive(session.user, named.ids))

    async def _read_all(self, session: Session, _: Nothing) -> Answer:
        read = await self._inbox.read_all(session.user)
        return {"read": read, "unread": await self._inbox.counts(session.user)}

    async def _counts(self, session: Session, _: Nothing) -> Answer:
        return {"unread": await self._inbox.counts(session.user)}


def _changed(ids: tuple[UUID, ...], changed: Changed) -> Answer:
    """What there is of them, as it is now; ids that are not there are left out unless none is."""
    if not changed.found:
        raise RefusedError("not_found", "you have none of these notifications", "ids")
    found = {one.id: one for one in changed.found}
    return {
        "items": [found[one].shown() for one in dict.fromkeys(ids) if one in found],
        "unread": changed.unread,
    }
