"""Owns the sockets of one gateway: what they are made of, and their life beside the application's."""

from collections.abc import AsyncIterator, Sequence

import structlog
from aiohttp import web

from bus.base import PushEntry, Target
from bus.tasks import cancel, spawn
from bus.telemetry import HISTORY_BYTES, HISTORY_MAX_BYTES
from gateways.gateway import Gateway
from gateways.sockets.admin import Admin
from gateways.sockets.events import Events
from gateways.sockets.fanout import Fanout
from gateways.sockets.feed import Feed
from gateways.sockets.history import History
from gateways.sockets.live import Live
from gateways.sockets.membership import Membership
from gateways.sockets.messages import Messages
from gateways.sockets.namespace import Namespace
from gateways.sockets.notifications import Notifications
from gateways.sockets.presence import Presence
from gateways.sockets.protocol import HubServer
from gateways.sockets.reception import Reception
from gateways.sockets.records import Records
from gateways.sockets.recovery import Recovery
from gateways.sockets.rooms import Rooms
from gateways.sockets.selftest import direct_works
from gateways.sockets.sessions import Sessions
from gateways.sockets.timings import Timings
from gateways.sockets.viewers import Viewers
from routing.inbox import Inbox
from schemas.store.socket_sessions import SocketSessions

log = structlog.get_logger(__name__)


class HubSockets:
    """All sockets of one gateway."""

    def __init__(self, gateway: Gateway, timings: Timings) -> None:
        config = gateway.config
        self.membership = Membership()
        window_s = config.recovery_window
        history = History(window_s, config.limits.recovery_bytes)
        HISTORY_MAX_BYTES.set(config.limits.recovery_bytes)
        store = SocketSessions(gateway.pool, gateway.name, window_s)
        self.records = Records(store, history, window_s=window_s)
        self.recovery = Recovery(self.records, history, max_bytes=config.limits.socket_unsent_bytes)
        rooms = Rooms(self.membership, self.records, history, config.limits)
        viewers = Viewers(gateway.viewers, gateway.signals, interval=timings.viewers_interval)
        spaces = namespaces(rooms, viewers, gateway.notifying.inbox)
        spaces[Admin.name] = Admin(
            gateway.name,
            lambda: self.server.connections,
            gateway.clock,
            interval=timings.admin_interval,
        )
        self._sessions = sessions = Sessions(gateway, spaces, self.membership, self.recovery, timings)
        self._fanout = Fanout(
            self.membership,
            {
                ("suspend", 1): sessions.suspend,
                ("join", 3): rooms.obey_join,
                ("leave", 3): rooms.obey_leave,
            },
        )
        self.server = HubServer(
            config,
            timings,
            namespaces=spaces,
            reception=Reception(config.limits, config.trusted_proxies),
            sessions=sessions,
            events=Events(spaces, timeout=timings.handler_timeout),
        )

    def deliver(self, entries: Sequence[PushEntry]) -> None:
        """Give entries of the push stream to those who are meant."""
        try:
            self._fanout.deliver(entries)
        except Exception:
            # Who has got what is not known now. They come back, and get what they miss.
            log.exception("delivering failed: all connections are closed")
            self._sessions.forget_welcomes()  # a suspension may be among what was not obeyed
            self.server.close_all()
        finally:
            self._keep(entries)

    def _keep(self, entries: Sequence[PushEntry]) -> None:
        """Keep what was delivered for those who come back. An error here must not have it delivered again."""
        try:
            self.recovery.history.add(entries)
        except Exception:
            log.exception("the recovery history failed: it begins anew, and all connections are closed")
            self.begin(entries[-1].seq)
        HISTORY_BYTES.set(self.recovery.history.size)
        self.recovery.moved()

    def begin(self, position: int) -> None:
        """Begin with the entry after a number; who is connected already comes back afresh."""
        self.recovery.begin(position)
        self._sessions.forget_welcomes()
        self.server.close_all()

    def signal(self, target: Target) -> None:
        """Give a signal to those who are meant and keep up."""
        self._fanout.signal(target)

    async def run(self, _: web.Application) -> AsyncIterator[None]:
        """Choose how to write, and keep the records of recovery as long as the application runs."""
        if not await direct_works():
            self.server.http.write_through_aiohttp()
        beating = spawn(self.records.run(), name="recovery")
        yield
        await cancel(beating)

    async def drain(self, _: web.Application) -> None:
        """Let all clients go, so that they come back to another gateway."""
        await self.server.drain()
        await self.records.settled()


def namespaces(rooms: Rooms, viewers: Viewers, inbox: Inbox) -> dict[str, Namespace]:
    """The namespaces that one may sign in to."""
    spaces = (Feed(rooms), Live(rooms, viewers), Notifications(inbox), Messages(), Presence())
    return {space.name: space for space in spaces}


def attach(app: web.Application, gateway: Gateway, timings: Timings | None = None) -> HubSockets:
    """Serve sockets at /socket.io; whoever runs the application feeds `deliver` and `signal`."""
    sockets = HubSockets(gateway, timings or Timings())
    sockets.server.attach(app)
    app.cleanup_ctx.append(sockets.run)
    app.on_shutdown.append(sockets.drain)
    return sockets
