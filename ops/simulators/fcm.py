"""Owns the simulator of FCM: messages:send of its v1 API, beside the endpoint where its tokens come from."""

import asyncio
from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import uuid4

from aiohttp import web

from ops.simulators import fcm_checks as checks
from ops.simulators.base import MODES, SLOW_S, Message, Mode, Simulator, json_answer, silence
from ops.simulators.fcm_tokens import Tokens
from schemas.clock import Clock


class FcmSimulator(Simulator):
    """Takes messages as FCM does, also one that a device would show in place of another: both arrived."""

    name: ClassVar[str] = "fcm"
    modes: ClassVar[tuple[Mode, ...]] = (*MODES, "sender_mismatch")

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.tokens = Tokens(clock, self.behaviours)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v1/projects/{project}/messages:send", self._send),
            web.post("/token", self.tokens.handle),
        ]

    async def inbound(self, said: Mapping[str, Any]) -> web.Response:
        """FCM tells nobody anything."""
        return json_answer({"error": "nothing comes back from push"}, 422)

    async def _send(self, request: web.Request) -> web.StreamResponse:
        name = f"projects/{request.match_info['project']}/messages/{uuid4().hex}"
        try:
            if not self.tokens.count(request.headers.get("Authorization", "").removeprefix("Bearer ")):
                raise checks.unauthenticated()
            asked = checks.parsed(await request.read())
            address = checks.address_of(asked["message"])
            mode = await self._misbehave(address)
        except checks.RefusedError as refused:
            return json_answer(refused.body, refused.status, refused.headers)
        if mode != "timeout" and not asked.get("validate_only"):
            self._take(name, address, asked)
        if mode in {"timeout", "timeout_after"}:
            return await silence(request)
        return json_answer({"name": name})

    async def _misbehave(self, address: str) -> Mode:
        """Do what was asked for; raises RefusedError."""
        # What is too much for one address is the limit of that device, and not the project's.
        own = bool(self.behaviours.own({address}))
        mode = self.behaviours.take(address)
        match mode:
            case "gone":
                raise checks.unregistered()
            case "sender_mismatch":
                raise checks.of_another_sender()
            case "quota":
                raise checks.over_quota(address if own else None)
            case "reject":
                raise checks.invalid("message.data", "Invalid data payload key: from")
            case "flaky":
                raise checks.broken()
            case "down":
                raise checks.unavailable()
            case "slow":
                await asyncio.sleep(SLOW_S)
        return mode

    def _take(self, name: str, address: str, asked: Mapping[str, Any]) -> None:
        words = asked["message"].get("notification") or {}
        self.keep(
            Message(
                id=name,
                address=address,
                at=self.at(),
                text=str(words.get("body") or words.get("title") or ""),  # as a device shows a title alone
                subject=words.get("title"),
                raw=asked,
            )
        )
