"""Who is in which room: whatever happens in whatever order, the index agrees with the sessions."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from bus.base import Target
from gateways.auth import Principal
from gateways.sockets.connection import Connection, Session
from gateways.sockets.membership import Membership

NAMESPACES = ["/feed", "/live"]
ROOMS = ["a", "b", "c"]
USERS = ["ann", "bob"]

EXPIRY = datetime(2100, 1, 1, tzinfo=UTC)


class Comings(RuleBasedStateMachine):
    """People who come, enter and leave rooms, and go."""

    def __init__(self) -> None:
        super().__init__()
        self.membership = Membership()
        self.here: list[Session] = []
        self.gone: list[Session] = []
        self.expected: dict[Session, set[str]] = {}

    @rule(
        namespace=st.sampled_from(NAMESPACES),
        user=st.sampled_from(USERS),
        rooms=st.sets(st.sampled_from(ROOMS)),
        pid=st.sampled_from(["", "a pid"]),
    )
    def come(self, namespace: str, user: str, rooms: set[str], pid: str) -> None:
        principal = Principal(user, frozenset({"user"}), None, None, EXPIRY, "")
        connection = cast("Connection", SimpleNamespace(socket=object()))
        session = Session(f"{len(self.expected)}", namespace, connection, principal, pid)
        self.here.append(session)
        self.expected[session] = set(rooms)
        self.membership.add(session, dict.fromkeys(rooms, 0))

    @rule(data=st.data(), rooms=st.lists(st.sampled_from(ROOMS)), enter=st.booleans())
    def move(self, data: Any, rooms: list[str], enter: bool) -> None:
        if not self.here:
            return
        session = data.draw(st.sampled_from(self.here))
        if enter:
            self.membership.join(session, rooms, 0)
            self.expected[session].update(rooms)
        else:
            self.membership.leave(session, rooms)
            self.expected[session].difference_update(rooms)

    @rule(data=st.data())
    def go(self, data: Any) -> None:
        if not self.here:
            return
        session = data.draw(st.sampled_from(self.here))
        self.here.remove(session)
        self.gone.append(session)
        self.membership.remove(session)

    @rule(data=st.data())
    def enter_too_late(self, data: Any) -> None:
        if self.gone:
            self.membership.join(data.draw(st.sampled_from(self.gone)), ROOMS, 0)

    @invariant()
    def everyone_is_found_once(self) -> None:
        for namespace in NAMESPACES:
            for rooms in (["a"], ["a", "b"], ROOMS, ["unknown"], []):
                found = [
                    (numbered, socket)
                    for numbered, sockets in self.membership.members(Target.of(namespace, rooms, b""))
                    for socket in sockets
                ]
                wanted = {
                    (session.recovers, session.connection.socket)
                    for session in self.here
                    if session.namespace == namespace and self.expected[session].intersection(rooms)
                }
                assert len(found) == len(wanted)
                assert set(found) == wanted

    @invariant()
    def users_have_their_sessions(self) -> None:
        for user in USERS:
            wanted = {session for session in self.here if session.user == user}
            assert set(self.membership.of_user(user)) == wanted

    @invariant()
    def sessions_know_their_rooms(self) -> None:
        assert all(session.rooms.keys() == self.expected[session] for session in self.here)
        assert not any(session.rooms for session in self.gone)

    def teardown(self) -> None:
        for session in self.here:
            self.membership.remove(session)
        assert not any(self.membership._places.values())
        assert not self.membership._users


TestComings = Comings.TestCase
TestComings.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)
