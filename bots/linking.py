"""Owns what follows from what people tell the bot: chats are linked, given up, and taken up again."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from routing.consent import Consents, Scope
from routing.model import ChannelKind
from routing.rescheduling import reschedule
from routing.text import plain
from routing.texts import Texts
from schemas.clock import Clock
from schemas.db import Connection
from schemas.ids import uuid7
from schemas.store.endpoints import Endpoints, NewEndpoint
from schemas.store.notifications import Notifications
from schemas.store.telegram_links import LONGEST, Shown, TelegramLinks
from schemas.store.users import Users

CHANNEL: Final[ChannelKind] = "telegram"
STOPPED: Final = "stopped"
BLOCKED: Final = "blocked"
MAX_NAME: Final = 64
MOST_CHATS: Final = 5
"""Of one person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What an update asks for."""

    kind: Literal["link", "expose", "stop", "explain", "block", "unblock"]
    """`expose`: a token was shown where others read it."""
    chat: int
    name: str = ""
    """How its owner recognizes the chat."""
    locale: str | None = None
    token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What was done, and what is said."""

    did: str
    reply: str | None = None
    changed: bool = True
    """Else the reply is one that need not be given twice."""


class Linking:
    """Fulfils wishes, inside the transaction that notes it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._links = TelegramLinks()
        self._endpoints = Endpoints()
        self._consents = Consents(clock)
        self._users = Users()

    async def fulfil(self, tx: Connection, wish: Wish) -> Answer:
        texts = Texts.of(wish.locale)
        match wish.kind:
            case "link":
                return await self._link(tx, wish, texts, self._clock.now())
            case "expose":
                return await self._burn(tx, wish, texts, self._clock.now())
            case "stop":
                return await self._stop(tx, wish, texts)
            case "explain":
                return await self._explain(tx, wish, texts)
            case "block":
                return await self._block(tx, wish)
            case "unblock":
                return await self._unblock(tx, wish)

    async def _link(self, tx: Connection, wish: Wish, texts: Texts, now: datetime) -> Answer:
        shown = await self._shown(tx, wish, now)
        user = shown.user_id
        if user is not None and shown.state == "fresh":
            await self._endpoints.lock(tx, user)
            if refused := await self._refused(tx, user, wish, texts):
                return refused
            shown = await self._links.use(tx, wish.token, now)  # another chat may have been quicker
        if user is None or shown.state != "fresh":
            return await self._worthless(tx, wish, shown, texts)
        await self._own(tx, user, wish, now)
        said = texts.say(
            "This chat is linked to the account of {who}: notifications come here now. /stop ends that.",
            who=await self._who(tx, user),
        )
        return Answer("linked", said)

    async def _shown(self, tx: Connection, wish: Wish, now: datetime) -> Shown:
        if len(wish.token) > LONGEST:
            return Shown("unknown")
        return await self._links.look(tx, wish.token, now)

    async def _worthless(self, tx: Connection, wish: Wish, shown: Shown, texts: Texts) -> Answer:
        if shown.state == "expired":
            said = texts.say("This link was good for ten minutes. Make a new one in your settings.")
            return Answer("expired", said, changed=False)
        if shown.state == "unknown":
            said = texts.say("I do not know this link. Make a new one in your settings.")
            return Answer("unknown", said, changed=False)
        if shown.user_id in await self._owners(tx, wish.chat):
            return Answer("linked", texts.say("This chat is linked already."), changed=False)
        said = texts.say("This link has been used. Make a new one in your settings.")
        return Answer("used", said, changed=False)

    async def _refused(self, tx: Connection, user: str, wish: Wish, texts: Texts) -> Answer | None:
        """Why the chat is not linked, though the token is good; it stays so.

        A chat is its owner's until they say /stop: one tap on somebody's link must not take it away.
        """
        owners = await self._owners(tx, wish.chat)
        if others := [one for one in owners if one != user]:
            said = texts.say(
                "This chat is linked to the account of {who}. To link it to another, send /stop first, and"
                " then follow the link again.",
                who=await self._who(tx, others[0]),
            )
            return Answer("occupied", said, changed=False)
        mine = [one for one in await self._endpoints.active(tx, [user]) if one.channel == CHANNEL]
        if not owners and len(mine) >= MOST_CHATS:
            said = texts.say(
                "The account of {who} has {most} chats already. Remove one in its settings, and then follow"
                " the link again.",
                who=await self._who(tx, user),
                most=texts.number(MOST_CHATS),
            )
            return Answer("full", said, changed=False)
        return None

    async def _who(self, tx: Connection, user: str) -> str:
        """The id beside the name: a name may be anybody's."""
        name = (await self._users.names(tx, [user])).get(user)
        return f"{name} ({user})" if name else user

    async def _own(self, tx: Connection, user: str, wish: Wish, now: datetime) -> None:
        address = str(wish.chat)
        endpoint = NewEndpoint(
            id=uuid7(),
            user_id=user,
            channel=CHANNEL,
            address=address,
            state="active",
            name=plain(wish.name, MAX_NAME) or None,
        )
        await self._endpoints.put(tx, endpoint, now)
        if await self._consents.refused(tx, CHANNEL, address):
            await self._consents.start(tx, Scope(CHANNEL, address), source="keyword", user=user)
        await reschedule(tx, user, self._clock)

    async def _burn(self, tx: Connection, wish: Wish, texts: Texts, now: datetime) -> Answer:
        """Whoever has read it could link their own chat."""
        await self._links.use(tx, wish.token, now)
        said = texts.say(
            "Others can read this, so the link is worth nothing any more. Make a new one in your settings,"
            " and open it in a private chat with me."
        )
        return Answer("exposed", said)

    async def _stop(self, tx: Connection, wish: Wish, texts: Texts) -> Answer:
        address = str(wish.chat)
        users = await self._endpoints.retire_address(tx, CHANNEL, address, STOPPED)
        if not users:  # noted all the same: a /start from before may come later
            said = texts.say("This chat is not linked to any account: nothing is sent here.")
            return Answer(STOPPED, said, changed=False)
        scope = Scope(CHANNEL, address)
        await self._consents.stop(tx, scope, source="keyword", detail="/stop", user=users[0])
        await self._reschedule(tx, users)
        said = texts.say(
            "Nothing more is sent here. To get notifications again, link this chat in your settings."
        )
        return Answer(STOPPED, said)

    async def _explain(self, tx: Connection, wish: Wish, texts: Texts) -> Answer:
        if await self._owners(tx, wish.chat):
            said = texts.say("Your notifications come to this chat. /stop ends that.")
        else:
            said = texts.say(
                "I bring you your notifications. Open Addresses and devices in your menu on the hub, "
                "press Connect Telegram, and follow the link."
            )
        return Answer("explained", said, changed=False)

    async def _block(self, tx: Connection, wish: Wish) -> Answer:
        address = str(wish.chat)
        users = await self._endpoints.retire_address(tx, CHANNEL, address, BLOCKED)
        for user in users:
            await self._consents.stop(tx, Scope(CHANNEL, address), source=BLOCKED, user=user)
        await self._reschedule(tx, users)
        return Answer("blocked")

    async def _unblock(self, tx: Connection, wish: Wish) -> Answer:
        """Takes back a block and nothing else: after /stop nothing comes again by itself."""
        address = str(wish.chat)
        user = await self._endpoints.take_up_again(tx, CHANNEL, address, BLOCKED, self._clock.now())
        if user is not None:
            await self._consents.start(tx, Scope(CHANNEL, address), source="unblocked", user=user)
            await reschedule(tx, user, self._clock)
        return Answer("unblocked")

    async def _owners(self, tx: Connection, chat: int) -> list[str]:
        return await self._endpoints.owners(tx, CHANNEL, str(chat))

    async def _reschedule(self, tx: Connection, users: Sequence[str]) -> None:
        await Notifications().seize(tx, *users)  # all at once: `reschedule` would take them in another order
        for user in sorted(users):
            await reschedule(tx, user, self._clock)
