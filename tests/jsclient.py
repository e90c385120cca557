"""Owns the official JavaScript client in tests: a Node process, told what to do, telling what happens."""

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from bus.tasks import cancel, spawn

WEB = Path(__file__).parents[1] / "gateways" / "web"
DRIVER = Path(__file__).parent / "js" / "client.mjs"
DEADLINE = 10.0

Happening = dict[str, Any]


@pytest.fixture(scope="session")
def js_library() -> Path:
    """The folder with the web client's libraries, by its lock file; installed if nobody did so yet."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("Node.js is not installed: the official client cannot be driven")
    if not (WEB / "node_modules" / "socket.io-client").is_dir():
        subprocess.run(["npm", "ci", "--prefix", str(WEB), "--no-audit", "--no-fund"], check=True)
    return WEB


@pytest.fixture
async def js(js_library: Path) -> AsyncIterator["JsClient"]:
    """One Node process."""
    client = await JsClient.start(js_library)
    yield client
    await client.stop()


class JsClient:
    """A Node process with any number of sockets."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._numbers = count(1)
        self._changed = asyncio.Condition()
        self._reader = spawn(self._read(), name="js client")
        self.happened: list[Happening] = []

    @classmethod
    async def start(cls, library: Path) -> "JsClient":
        pipe = asyncio.subprocess.PIPE
        return cls(
            await asyncio.create_subprocess_exec("node", str(DRIVER), str(library), stdin=pipe, stdout=pipe)
        )

    async def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()
        await cancel(self._reader)

    async def connect(
        self,
        url: str,
        namespace: str,
        token: str | None = None,
        *,
        manager: str = "main",
        recovery: bool = False,
        wait: bool = True,
        **options: Any,
    ) -> "JsSocket":
        """Connect a namespace; those with the same manager share a connection. Options are the Manager's."""
        socket = JsSocket(self, f"{manager}{namespace}#{next(self._numbers)}", manager)
        await self.tell(
            "connect",
            id=socket.id,
            manager=manager,
            url=url,
            namespace=namespace,
            auth=_auth(token, recovery=recovery),
            options=options,
        )
        if wait:
            await socket.next("connect")
        return socket

    async def tell(self, do: str, **command: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **command}).encode() + b"\n")
        await self._process.stdin.drain()

    async def wait(self, wanted: Callable[[Happening], bool], *, after: int = 0) -> tuple[int, Happening]:
        """The first happening that is wanted, and where to look on."""

        def found() -> list[tuple[int, Happening]]:
            later = enumerate(self.happened[after:], after + 1)
            return [(place, one) for place, one in later if wanted(one)]

        async with self._changed:
            try:
                async with asyncio.timeout(DEADLINE):
                    await self._changed.wait_for(found)
            except TimeoutError:
                raise AssertionError(f"it did not happen; this did: {self.happened[-20:]}") from None
            return found()[0]

    def next_number(self) -> int:
        return next(self._numbers)

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            async with self._changed:
                self.happened.append(json.loads(line))
                self._changed.notify_all()


def _auth(token: str | None, *, recovery: bool) -> Happening:
    return ({} if token is None else {"token": token}) | ({"recovery": True} if recovery else {})


class JsSocket:
    """One namespace of one stock client."""

    def __init__(self, client: JsClient, socket_id: str, manager: str) -> None:
        self.client = client
        self.id = socket_id
        self.manager = manager
        self._seen = 0

    @property
    def events(self) -> list[tuple[str, list[Any]]]:
        """All events so far: name and arguments."""
        return [(one["name"], one["args"]) for one in self.client.happened if self._is(one, "event")]

    async def next(self, on: str) -> Happening:
        """The next happening of a kind: connect, disconnect, connect_error, event."""
        self._seen, found = await self.client.wait(lambda one: self._is(one, on), after=self._seen)
        return found

    async def upgraded(self) -> None:
        await self.client.wait(lambda one: one["id"] == self.manager and one["on"] == "upgrade")

    async def emit(self, name: str, *args: Any) -> Any:
        """Emit and wait for the acknowledgement."""
        return await self._answer("emit", name=name, args=args)

    async def emit_binary(self, name: str) -> Any:
        return await self._answer("binary", name=name)

    async def emit_only(self, name: str, *args: Any) -> None:
        await self.client.tell("emit", id=self.id, name=name, args=args, ack=None)

    async def set_token(self, token: str, *, recovery: bool = False) -> None:
        """Sign in with another token from the next connect on."""
        await self.client.tell("auth", id=self.id, auth=_auth(token, recovery=recovery))

    async def claim(self, pid: str | None, offset: str | None) -> None:
        """Show something else when connecting again."""
        await self.client.tell("claim", id=self.id, pid=pid, offset=offset)

    async def cut(self) -> None:
        """Close the transport, without a word to the namespace."""
        await self.client.tell("cut", id=self.id)

    async def again(self) -> None:
        await self.client.tell("again", id=self.id)

    async def disconnect(self) -> None:
        await self.client.tell("disconnect", id=self.id)

    async def _answer(self, do: str, **command: Any) -> Any:
        ack = self.client.next_number()
        await self.client.tell(do, id=self.id, ack=ack, **command)
        _, answer = await self.client.wait(lambda one: one.get("ack") == ack)
        assert len(answer["args"]) == 1
        return answer["args"][0]

    def _is(self, one: Happening, on: str) -> bool:
        return bool(one["id"] == self.id and one["on"] == on)
