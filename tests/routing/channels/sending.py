"""People who can be reached on one channel alone, and a lane that sends to them through its simulator."""

from ops.simulators.base import Behaviour, Mode
from schemas.ids import uuid7
from schemas.profile import Profile
from schemas.store.endpoints import Endpoints, NewEndpoint
from schemas.store.users import Users
from tests.routing.channels.case import Case
from tests.routing.house import House
from tests.routing.post import Post, statuses, tips

WANTED = {"channels": {"sms": {"enabled": True}}}


class Sending:
    """People with addresses of the channel, and a lane that sends to them."""

    def __init__(self, house: House, case: Case) -> None:
        self.house, self.case = house, case
        self.post = Post(house, case.channel, writer=case.writer)

    def behave(self, mode: Mode, *, to: int | None = None, times: int | None = None) -> None:
        address = None if to is None else self.case.address(to)
        self.case.behaviours.put(Behaviour(mode=mode, address=address, all=to is None, times=times))

    async def tell(self, *numbers: int) -> None:
        """Everybody is tipped, and can be reached on this channel alone."""
        house, case = self.house, self.case
        for number in numbers:
            user = f"u{number:04}"
            await Users().put(house.pool, user, Profile())
            endpoint = NewEndpoint(
                id=uuid7(), user_id=user, channel=case.channel.kind, address=case.address(number),
                state="active", kind=case.kind,
            )  # fmt: skip
            await Endpoints().put(house.pool, endpoint, house.clock.now())
            await house.pool.execute(
                "INSERT INTO preferences (user_id, document) VALUES ($1, $2) ON CONFLICT DO NOTHING",
                user,
                WANTED,
            )
        await house.told(*tips([f"u{number:04}" for number in numbers]))

    async def go_on(self, hours: float = 5) -> None:
        """Let everything that was put off come to its time, again and again."""
        for _ in range(8):
            self.house.clock.goes_on(hours=hours / 8)
            await self.post.empty()

    async def statuses(self) -> list[tuple[str, str | None]]:
        return list((await statuses(self.house.pool)).values())
