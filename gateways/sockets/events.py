"""Owns the answer to an event of a client: the acknowledgement, whatever happens."""

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from structlog.contextvars import bound_contextvars

from gateways.sockets import frames
from gateways.sockets.connection import Session
from gateways.sockets.namespace import Answer, Namespace, RefusedError

log = structlog.get_logger(__name__)


class Events:
    """Finds the handler in the namespace's table: a method that is not in a table cannot be called."""

    def __init__(self, namespaces: Mapping[str, Namespace], *, timeout: float) -> None:
        self._namespaces = namespaces
        self._timeout = timeout

    async def handle(self, session: Session, name: str, arguments: Sequence[Any], ack_id: int | None) -> None:
        """Handle one event, also when nobody waits for the answer."""
        trace = secrets.token_hex(16)
        with bound_contextvars(trace_id=trace):
            try:
                async with asyncio.timeout(self._timeout):
                    answer = await self._answer(session, name, arguments)
            except RefusedError as error:
                answer = error.answer()
            except Exception:
                log.exception("an event failed", namespace=session.namespace, user=session.user)
                answer = RefusedError("internal", f"this is our fault; the trace is {trace}").answer()
        if ack_id is not None:
            session.connection.socket.send(frames.ack(session.namespace, ack_id, answer))

    async def _answer(self, session: Session, name: str, arguments: Sequence[Any]) -> Answer:
        handler = self._namespaces[session.namespace].handlers.get(name)
        if handler is None:
            raise RefusedError("not_found", f"{session.namespace} has no such event")
        return await handler.answer(session, arguments)
