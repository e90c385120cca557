"""Owns signing in to a namespace and all the ways out: leaving, expiry, suspension, a lost transport."""

import asyncio
import secrets
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Final, get_args

import structlog

from bus.tasks import spawn
from bus.telemetry import CONNECTIONS, CONNECTS_REFUSED
from gateways.auth import IdentityUnavailableError, Principal, UnauthorizedError
from gateways.gateway import Gateway
from gateways.sockets import frames
from gateways.sockets.closing import Closing
from gateways.sockets.connection import Connection, ConnectRefusal, ConnectRefusedError, RefusalCode, Session
from gateways.sockets.greeting import Greeter
from gateways.sockets.membership import Membership
from gateways.sockets.namespace import Namespace
from gateways.sockets.recovery import Claim, Owed, Recovery
from gateways.sockets.timings import Timings
from schemas.db import RETRYABLE

log = structlog.get_logger(__name__)

UNAVAILABLE: Final = ConnectRefusal("overloaded", "the hub cannot let anyone in just now: try again")
SUSPENDED: Final = ConnectRefusal("forbidden", "this user is suspended")
EXPIRED: Final = (
    b'["session_expired",{"message":"Your session has expired: connect again with a fresh token."}]'
)

# All there from the start: Prometheus cannot see an increase in what it never saw before.
REFUSALS: Final = {code: CONNECTS_REFUSED.labels(code) for code in get_args(RefusalCode)}


class Sessions:
    """Who is signed in where."""

    def __init__(
        self,
        gateway: Gateway,
        namespaces: Mapping[str, Namespace],
        membership: Membership,
        recovery: Recovery,
        timings: Timings,
    ) -> None:
        self._gateway = gateway
        self._namespaces = namespaces
        self._membership = membership
        self._recovery = recovery
        self._timings = timings
        self._greeter = Greeter(gateway.pool, gateway.users)
        self._suspended: dict[str, float] = {}

    async def connect(self, connection: Connection, namespace: str, auth: object) -> None:
        """Sign in, afresh or as one who comes back, or answer why not; there is always an answer."""
        if namespace in connection.sessions:
            connection.socket.close(Closing.MALFORMED)  # the stock client never does, Node closes, too
            return
        try:
            async with asyncio.timeout(self._timings.handler_timeout):
                since = time.monotonic()
                principal = await self._admit(connection, self._namespaces[namespace], auth)
                claim = await self._claimed(auth, namespace, principal)
                self._refuse_suspended(principal.id, since)
        except ConnectRefusedError as error:
            refusal = error.refusal
        except RETRYABLE as error:
            log.warning("nobody can sign in", error=f"{type(error).__name__}: {error}")
            refusal = UNAVAILABLE
        except Exception:
            log.exception("signing in failed", namespace=namespace)
            refusal = UNAVAILABLE
        else:
            if connection.socket.closing is not None:
                return  # gone while it signed in: what it claimed is still there when it comes again
            space, given = self._namespaces[namespace], connection.given_back
            if claim and (owed := self._recovery.owed(claim, space, given)):
                self._return(connection, principal, owed)
            else:
                self._begin(connection, namespace, principal, recovers=_asks_for_recovery(auth))
            return
        REFUSALS[refusal.code].inc()
        connection.socket.send(frames.refused(namespace, refusal.message, refusal.code))

    def _refuse_suspended(self, user: str, since: float) -> None:
        """Refuse who was suspended while signing in."""
        if self._suspended.get(user, 0.0) >= since:
            raise ConnectRefusedError(SUSPENDED)

    async def _admit(self, connection: Connection, space: Namespace, auth: object) -> Principal:
        if connection.refusal is not None:
            raise ConnectRefusedError(connection.refusal)
        principal = await self._authenticate(space, auth)
        if not principal.may(space.scope):
            raise ConnectRefusedError(ConnectRefusal("forbidden", f"the token has no scope `{space.scope}`"))
        if not await self._greeter.welcomes(principal):
            raise ConnectRefusedError(SUSPENDED)
        return principal

    async def _authenticate(self, space: Namespace, auth: object) -> Principal:
        token = space.token_in(auth) if isinstance(auth, dict) else None
        if not isinstance(token, str):
            raise ConnectRefusedError(ConnectRefusal("unauthorized", "give a token: `auth: {token}`"))
        try:
            return await self._gateway.auth.authenticate(token)
        except IdentityUnavailableError as error:
            raise ConnectRefusedError(ConnectRefusal("overloaded", str(error))) from None
        except UnauthorizedError as error:
            raise ConnectRefusedError(ConnectRefusal("unauthorized", str(error))) from None

    async def _claimed(self, auth: object, namespace: str, principal: Principal) -> Claim | None:
        claim = Claim.of(auth) if _asks_for_recovery(auth) else None
        if claim is None or not await self._recovery.find(claim, namespace, principal.id):
            return None
        return claim

    def _begin(self, connection: Connection, namespace: str, principal: Principal, *, recovers: bool) -> None:
        pid = secrets.token_urlsafe(18) if recovers else ""
        session = Session(secrets.token_urlsafe(15), namespace, connection, principal, pid)
        own = self._namespaces[namespace].rooms_of(principal.id)
        self._let_in(session, dict.fromkeys(own, self._recovery.history.head))

    def _return(self, connection: Connection, principal: Principal, owed: Owed) -> None:
        stored = owed.stored
        before = self._recovery.records.take_over(stored.pid)
        if before is not None:  # its transport is dead, and nobody has noticed yet
            self.end(before, for_good=False)
            if not before.connection.sessions:
                before.connection.socket.close(Closing.REPLACED)
        session = Session(stored.sid, stored.namespace, connection, principal, stored.pid)
        self._let_in(session, owed.rooms, owed.frames)
        if session.rooms:
            spawn(self._namespaces[stored.namespace].returned(session), name="return")

    def _let_in(self, session: Session, rooms: Mapping[str, int], missed: bytes = b"") -> None:
        """Answer, and from this moment on deliver; nothing may come between."""
        connection = session.connection
        answer = frames.connected(session.namespace, session.sid, session.pid or None)
        said = connection.socket.give_back(answer + missed) if missed else connection.socket.send(answer)
        if not said:
            return  # gone while it signed in
        connection.given_back += len(missed)
        connection.sessions[session.namespace] = session
        connection.stop_deadline()
        self._membership.add(session, rooms)
        self._recovery.records.began(session)
        CONNECTIONS.labels(session.namespace).inc()
        self._watch(session, session.principal.stays_until(self._gateway.clock.now()))
        self._namespaces[session.namespace].came(session)

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

    def suspend(self, _: int, user: str) -> None:
        """Cut a user off; who is just signing in with a token of theirs is refused."""
        now = time.monotonic()
        self._suspended = {
            one: at for one, at in self._suspended.items() if at > now - 2 * self._timings.handler_timeout
        }
        self._suspended[user] = now
        self._greeter.suspended(user)
        sessions = self._membership.of_user(user)
        for session in sessions:
            session.connection.socket.send(frames.disconnected(session.namespace))
        for session in sessions:
            session.connection.socket.close(Closing.SUSPENDED)

    def forget_welcomes(self) -> None:
        """Ask the database about everyone who comes from now on."""
        self._greeter.forget()

    def end(self, session: Session, *, for_good: bool) -> None:
        """End a session whose client left the namespace (for good), or is gone."""
        del session.connection.sessions[session.namespace]
        if session.expiry is not None:
            session.expiry.cancel()
        self._namespaces[session.namespace].left(session)
        if session.recovers:
            self._recovery.records.ended(session, for_good=for_good)
        self._membership.remove(session)
        CONNECTIONS.labels(session.namespace).dec()


def _asks_for_recovery(auth: object) -> bool:
    return isinstance(auth, dict) and auth.get("recovery") is True
