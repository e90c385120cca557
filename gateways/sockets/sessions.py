"""Owns signing in to a namespace and all the ways out: leaving, expiry, suspension, a lost transport."""

import asyncio
import secrets
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Final

import structlog

from bus.telemetry import CONNECTIONS, CONNECTS_REFUSED
from gateways.auth import IdentityUnavailableError, Principal, UnauthorizedError
from gateways.gateway import Gateway
from gateways.sockets import frames
from gateways.sockets.closing import Closing
from gateways.sockets.connection import Connection, ConnectRefusal, ConnectRefusedError, Session
from gateways.sockets.membership import Membership
from gateways.sockets.namespace import Namespace
from gateways.sockets.timings import Timings
from schemas.db import RETRYABLE

log = structlog.get_logger(__name__)

UNAVAILABLE: Final = ConnectRefusal("overloaded", "the hub cannot let anyone in just now: try again")
EXPIRED: Final = (
    b'["session_expired",{"message":"Your session has expired: connect again with a fresh token."}]'
)


class Sessions:
    """Who is signed in where."""

    def __init__(
        self,
        gateway: Gateway,
        namespaces: Mapping[str, Namespace],
        membership: Membership,
        timings: Timings,
    ) -> None:
        self._gateway = gateway
        self._namespaces = namespaces
        self._membership = membership
        self._timings = timings
        self._suspended: dict[str, float] = {}

    async def connect(self, connection: Connection, namespace: str, auth: object) -> None:
        """Sign in, or answer why not; there is always an answer."""
        if namespace in connection.sessions:
            connection.socket.close(Closing.MALFORMED)  # the stock client never does, Node closes, too
            return
        try:
            async with asyncio.timeout(self._timings.handler_timeout):
                principal = await self._admit(connection, auth)
        except ConnectRefusedError as error:
            refusal = error.refusal
        except RETRYABLE as error:
            log.warning("nobody can sign in", error=f"{type(error).__name__}: {error}")
            refusal = UNAVAILABLE
        except Exception:
            log.exception("signing in failed", namespace=namespace)
            refusal = UNAVAILABLE
        else:
            self._begin(Session(secrets.token_urlsafe(15), namespace, connection, principal))
            return
        CONNECTS_REFUSED.labels(refusal.code).inc()
        connection.socket.send(frames.refused(namespace, refusal.message, refusal.code))

    async def _admit(self, connection: Connection, auth: object) -> Principal:
        if connection.refusal is not None:
            raise ConnectRefusedError(connection.refusal)
        principal = await self._authenticate(auth)
        if not principal.may("user"):
            raise ConnectRefusedError(ConnectRefusal("forbidden", "the token has no scope `user`"))
        since = time.monotonic()
        async with self._gateway.pool.acquire() as conn:
            user = await self._gateway.users.greet(conn, principal.id, name=principal.name, tz=principal.tz)
        if user.suspended_at is not None or self._suspended.get(user.id, 0.0) >= since:
            raise ConnectRefusedError(ConnectRefusal("forbidden", "this user is suspended"))
        return principal

    async def _authenticate(self, auth: object) -> Principal:
        token = auth.get("token") if isinstance(auth, dict) else None
        if not isinstance(token, str):
            raise ConnectRefusedError(ConnectRefusal("unauthorized", "give a token: `auth: {token}`"))
        try:
            return await self._gateway.auth.authenticate(token)
        except IdentityUnavailableError as error:
            raise ConnectRefusedError(ConnectRefusal("overloaded", str(error))) from None
        except UnauthorizedError as error:
            raise ConnectRefusedError(ConnectRefusal("unauthorized", str(error))) from None

    def _begin(self, session: Session) -> None:
        """Answer, and from this moment on deliver; nothing may come between."""
        connection = session.connection
        if not connection.socket.send(frames.connected(session.namespace, session.sid)):
            return  # gone while it signed in
        connection.sessions[session.namespace] = session
        connection.stop_deadline()
        self._membership.add(session, self._namespaces[session.namespace].rooms_of(session.user))
        CONNECTIONS.labels(session.namespace).inc()
        self._watch(session, session.principal.stays_until(self._gateway.clock.now()))

    def _watch(self, session: Session, until: datetime) -> None:
        left = (until - self._gateway.clock.now()).total_seconds()
        delay = max(0.0, min(left, self._timings.clock_check))
        session.expiry = asyncio.get_running_loop().call_later(delay, self._expire, session, until)

    def _expire(self, session: Session, until: datetime) -> None:
        if self._gateway.clock.now() < until:
            self._watch(session, until)
            return
        connection = session.connection
        for other in connection.sessions.values():
            if other.principal.expires_at <= session.principal.expires_at:
                connection.socket.send(frames.event(other.namespace, EXPIRED))
        connection.socket.close(Closing.EXPIRED)

    def suspend(self, user: str) -> None:
        """Cut a user off; who is just signing in with a token of theirs is refused."""
        now = time.monotonic()
        self._suspended = {
            one: at for one, at in self._suspended.items() if at > now - 2 * self._timings.handler_timeout
        }
        self._suspended[user] = now
        sessions = self._membership.of_user(user)
        for session in sessions:
            session.connection.socket.send(frames.disconnected(session.namespace))
        for session in sessions:
            session.connection.socket.close(Closing.SUSPENDED)

    def end(self, session: Session) -> None:
        """Forget a session whose client left the namespace, or is gone."""
        del session.connection.sessions[session.namespace]
        if session.expiry is not None:
            session.expiry.cancel()
        self._namespaces[session.namespace].left(session)
        self._membership.remove(session)
        CONNECTIONS.labels(session.namespace).dec()
