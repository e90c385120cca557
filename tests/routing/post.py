"""People with addresses, and dispatchers that send them mails through a simulator."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import count
from typing import cast

from bus.tasks import cancel, forever, spawn
from routing.batch_ways import BatchWay
from routing.breaker import Breaker
from routing.channels.base import Channel, Writer
from routing.channels.email import EmailChannel, ResendConfig
from routing.consent import Links
from routing.digest_contents import DigestContents
from routing.dispatcher import Dispatcher, Sender, way
from routing.lanes import Lane
from routing.members import ChannelKind
from routing.people import People
from routing.preparing import Preparing
from routing.retelling import Codes, Digests, Retelling
from routing.ways import LaneParts
from routing.writers.mail import MailConfig, Mails
from schemas.clock import Clock
from schemas.db import Pool
from schemas.events.base import Event
from schemas.events.hours import HoursTipped
from schemas.listen import RECONNECT_S, Listener
from schemas.profile import Profile
from schemas.store.deliveries import WAKE
from schemas.store.users import Users
from tests.routing.house import House

LINKS = Links("a secret of thirty-two bytes, or more")
MAILS = Mails(MailConfig(public_url="https://hub.example.com"), LINKS)
LEASE = timedelta(seconds=1)
EMAIL: tuple[ChannelKind, ...] = ("email",)
_NAMES = count(1)


def email_at(url: str, clock: Clock, *, call_s: float = 5, api_key: str = "re_test") -> EmailChannel:
    config = ResendConfig(api_key=api_key, sender="Hub <hub@example.com>", base_url=url, call_s=call_s)
    return EmailChannel(config, clock)


async def with_address(pool: Pool, *users: str) -> None:
    """People whose e-mail address the platform has told."""
    for user in users:
        await Users().put(pool, user, Profile(email=f"{user}@example.com"))


def tips(users: Sequence[str], actor: str = "fan") -> list[Event]:
    return [HoursTipped(to=user, amount=500, actor=actor) for user in users]


class Post:
    """One dispatcher's lane, moved by the test; several channels are in order of preference."""

    def __init__(
        self,
        house: House,
        *channels: Channel,
        writer: Writer = MAILS,
        digests: Digests | None = None,
        codes: Codes | None = None,
    ) -> None:
        self.house = house
        self.clock = house.clock
        self.pool = house.pool
        self.breakers = [Breaker(one.provider, failures=3, rest=timedelta(seconds=15)) for one in channels]
        self.breaker = self.breakers[0]
        people = People(house.clock)
        digests = digests or DigestContents(people, house.clock)
        self.parts = LaneParts(
            owner=f"d{next(_NAMES)}",
            pool=house.pool,
            clock=house.clock,
            preparing=Preparing(Retelling(people, digests=digests, codes=codes), writer),
            lease=LEASE,
        )
        ways = [way(one, breaker, self.parts) for one, breaker in zip(channels, self.breakers, strict=True)]
        self.first = ways[0]
        self.lane = Lane(ways, self.parts)

    @property
    def batches(self) -> BatchWay:
        return cast("BatchWay", self.first)

    async def turn(self) -> None:
        await self.lane.turn()

    async def empty(self) -> None:
        """Send until nothing is due."""
        while await self.lane.due():
            await self.lane.turn()


async def tipped(post: Post, *users: str) -> None:
    await with_address(post.pool, *users)
    await post.house.told(*tips(users))


async def statuses(pool: Pool) -> dict[str, tuple[str, str | None]]:
    """Status and reason of each delivery, by user; there is one for each."""
    rows = await pool.fetch("SELECT user_id, status, reason FROM deliveries ORDER BY user_id")
    return {row["user_id"]: (row["status"], row["reason"]) for row in rows}


async def attempts(pool: Pool, user: str) -> list[str]:
    rows = await pool.fetch(
        "SELECT a.outcome FROM delivery_attempts a JOIN deliveries d ON d.id = a.delivery_id"
        " WHERE d.user_id = $1 ORDER BY a.n",
        user,
    )
    return [row["outcome"] for row in rows]


@asynccontextmanager
async def dispatching(
    dsn: str, pool: Pool, url: str, clock: Clock, *, several: int = 1, sender: Sender | None = None
) -> AsyncIterator[None]:
    """Run whole dispatchers, each with lanes and leases of its own."""
    listener = Listener(dsn, WAKE)
    running = [spawn(forever(listener.listen, name="listener", pause_s=RECONNECT_S), name="listener")]
    for _ in range(several):
        dispatcher = Dispatcher(
            [sender or Sender(channels=(email_at(url, clock),), writer=MAILS)],
            worker=f"d{next(_NAMES)}",
            pool=pool,
            listener=listener,
            tellings=Retelling(People()),
            clock=clock,
            lease=LEASE,
        )
        running.append(spawn(dispatcher.run(), name="dispatcher"))
    try:
        yield
    finally:
        await cancel(*running)
