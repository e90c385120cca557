"""Owns the sockets of one gateway: what they are made of, and their life beside the application's."""

from aiohttp import web

from bus.base import PushEntry, Target
from gateways.gateway import Gateway
from gateways.sockets.events import Events
from gateways.sockets.fanout import Fanout
from gateways.sockets.feed import Feed
from gateways.sockets.live import Live
from gateways.sockets.membership import Membership
from gateways.sockets.messages import Messages
from gateways.sockets.namespace import Namespace
from gateways.sockets.notifications import Notifications
from gateways.sockets.presence import Presence
from gateways.sockets.protocol import HubServer
from gateways.sockets.reception import Reception
from gateways.sockets.sessions import Sessions
from gateways.sockets.timings import Timings
from gateways.sockets.viewers import Viewers


class HubSockets:
    """All sockets of one gateway."""

    def __init__(self, gateway: Gateway, timings: Timings) -> None:
        config = gateway.config
        self.membership = Membership()
        viewers = Viewers(gateway.viewers, gateway.signals, interval=timings.viewers_interval)
        spaces = namespaces(self.membership, viewers, config.limits.socket_rooms)
        sessions = Sessions(gateway, spaces, self.membership, timings)
        self._fanout = Fanout(self.membership, {"suspend": sessions.suspend})
        self.server = HubServer(
            config,
            timings,
            namespaces=spaces,
            reception=Reception(config.limits, config.trusted_proxies),
            sessions=sessions,
            events=Events(spaces, timeout=timings.handler_timeout),
        )

    def deliver(self, entry: PushEntry) -> None:
        """Give an entry of the push stream to those who are meant."""
        self._fanout.deliver(entry)

    def signal(self, target: Target) -> None:
        """Give a signal to those who are meant and keep up."""
        self._fanout.signal(target)

    async def drain(self, _: web.Application) -> None:
        """Let all clients go, so that they come back to another gateway."""
        await self.server.drain()


def namespaces(membership: Membership, viewers: Viewers, most_rooms: int) -> dict[str, Namespace]:
    """The namespaces that one may sign in to."""
    spaces = (
        Feed(membership, most_rooms=most_rooms),
        Live(membership, viewers, most_rooms=most_rooms),
        Notifications(),
        Messages(),
        Presence(),
    )
    return {space.name: space for space in spaces}


def attach(app: web.Application, gateway: Gateway, timings: Timings | None = None) -> HubSockets:
    """Serve sockets at /socket.io; whoever runs the application feeds `deliver` and `signal`."""
    sockets = HubSockets(gateway, timings or Timings())
    sockets.server.attach(app)
    app.on_shutdown.append(sockets.drain)
    return sockets
