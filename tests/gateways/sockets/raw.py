"""Owns a websocket that speaks Engine.IO by hand, also wrongly."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from aiohttp import ClientSession, ClientWebSocketResponse, ClientWSTimeout, WSMsgType

DEADLINE = 10.0


async def connect(
    session: ClientSession, address: str, headers: Mapping[str, str] | None = None
) -> ClientWebSocketResponse:
    return await session.ws_connect(address, headers=headers, timeout=ClientWSTimeout(ws_close=0.2))


class RawSocket:
    """One websocket after its Engine.IO handshake."""

    def __init__(self, ws: ClientWebSocketResponse) -> None:
        self.ws = ws
        self.handshake: dict[str, Any] = {}

    @classmethod
    async def open(
        cls, session: ClientSession, url: str, headers: Mapping[str, str] | None = None
    ) -> "RawSocket":
        address = f"{url}/socket.io/?EIO=4&transport=websocket"
        raw = cls(await connect(session, address, headers))
        raw.handshake = json.loads((await raw.next())[1:])
        return raw

    async def send(self, *packets: str) -> None:
        for packet in packets:
            await self.ws.send_str(packet)

    async def next(self) -> str:
        """The next packet; pings are answered on the way."""
        async with asyncio.timeout(DEADLINE):
            while True:
                message = await self.ws.receive()
                assert message.type is WSMsgType.TEXT, f"{message.type!r} {message.data!r}"
                if message.data != "2":
                    return str(message.data)
                await self.ws.send_str("3")

    async def closed(self) -> int | None:
        """Read on until the server closes; answers its code."""
        async with asyncio.timeout(DEADLINE):
            while True:
                message = await self.ws.receive()
                if message.type in {WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR}:
                    return self.ws.close_code

    async def connect(self, namespace: str, token: str | None) -> str:
        """Sign in to a namespace; answers what the server said."""
        auth = {} if token is None else {"token": token}
        await self.send(f"40{namespace},{json.dumps(auth)}")
        return await self.next()

    async def ask(self, namespace: str, name: str, *args: Any, ack: int = 1) -> Any:
        """Emit, and wait for the acknowledgement."""
        await self.send(f"42{namespace},{ack}{json.dumps([name, *args])}")
        answer = await self.next()
        prefix = f"43{namespace},{ack}"
        assert answer.startswith(prefix), answer
        return json.loads(answer.removeprefix(prefix))[0]
