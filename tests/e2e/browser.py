"""Owns what the browser tests share: a page that fails its test on any error, and a line that can be cut."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
from playwright.async_api import Browser, ConsoleMessage, Error, Locator, Page, expect

from bus.tasks import spawn

ACCESSIBILITY = Path(__file__).with_name("accessibility.js").read_text()
WIDE = (1280, 800)
PHONE = (375, 760)
# What the network does is what a test is about; everything else on the console is a mistake of ours.
# The frame of a mail lets no script run, not even those by which a test looks into it.
SANDBOX = "Blocked script execution in 'http://127.0.0.1:"
EXPECTED_ON_CONSOLE = ("Failed to load resource", "WebSocket connection to", "net::ERR_", SANDBOX)


def unique(word: str) -> str:
    """A name that no other test on the same hub uses."""
    return f"{word}-{uuid4().hex[:8]}"


@dataclass(frozen=True, slots=True)
class Api:
    """Speaks to a hub over HTTP, as the platform behind it would."""

    url: str
    http: aiohttp.ClientSession

    async def token(self, user: str) -> str:
        async with self.http.post(f"{self.url}/dev/sign-in", json={"user": user}) as answer:
            answer.raise_for_status()
            return str((await answer.json())["token"])

    async def publish(self, *events: Mapping[str, Any]) -> list[str]:
        """Publish as the platform; answers the ids in order."""
        headers = {"Authorization": f"Bearer {await self.token('admin')}"}
        async with self.http.post(f"{self.url}/v1/events", json=events, headers=headers) as answer:
            body = await answer.json()
            assert answer.status == 202, body
            return [one["id"] for one in body["accepted"]]

    async def done_by(self, actor: str) -> list[str]:
        """The types of what somebody did, from the last 500 events of the log."""
        headers = {"Authorization": f"Bearer {await self.token('admin')}"}
        query = {"limit": "500", "order": "desc"}
        async with self.http.get(f"{self.url}/v1/events", params=query, headers=headers) as answer:
            answer.raise_for_status()
            return [one["type"] for one in (await answer.json())["items"] if one.get("actor") == actor]


def post(content_id: str, author: str = "bob", **more: object) -> dict[str, object]:
    data = {"content_id": content_id, "author": author, "kind": "post", "title": f"Post {content_id}"}
    return {"type": "content.created", "actor": author, "data": data | more}


def about(kind: str, content_id: str, actor: str, **more: object) -> dict[str, object]:
    data = {"content_id": content_id, "author": "bob", **more}
    return {"type": f"content.{kind}", "actor": actor, "data": data}


@asynccontextmanager
async def opened(browser: Browser, size: tuple[int, int] = WIDE, **context: Any) -> AsyncIterator[Page]:
    """A page of its own; an error in its scripts or a blocked resource fails the test."""
    width, height = size
    troubles: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        if message.type == "error" and not any(word in message.text for word in EXPECTED_ON_CONSOLE):
            troubles.append(message.text)

    surroundings = await browser.new_context(viewport={"width": width, "height": height}, **context)
    surroundings.set_default_timeout(30_000)
    page = await surroundings.new_page()
    page.on("console", listen)
    page.on("pageerror", lambda error: troubles.append(str(error)))
    try:
        yield page
    finally:
        await surroundings.close()
    assert not troubles


async def sign_in(page: Page, url: str, user: str) -> None:
    """Come in as the development sign-in lets one in, and wait until the page is live."""
    await page.goto(url)
    await page.get_by_label("Or as someone new").fill(user)
    await page.get_by_role("button", name="Sign in").click()
    await live(page)


async def live(page: Page) -> None:
    await expect(page.locator(".connection")).to_have_attribute("data-state", "live", timeout=30_000)


def card(page: Page, title: str) -> Locator:
    """The cards of posts with this title."""
    return page.get_by_role("article").filter(has=page.get_by_role("heading", name=title, exact=True))


async def follow(page: Page, zone: str) -> None:
    """Follow a zone and wait until the hub has confirmed it."""
    await page.get_by_label("Follow a zone").fill(zone)
    await page.keyboard.press("Enter")
    chip = page.get_by_role("button", name=zone, exact=True)
    await expect(chip).to_have_attribute("aria-pressed", "true")
    await expect(chip).to_have_attribute("aria-busy", "false")


async def until_seen(publish: Callable[[], Awaitable[object]], shown: Locator) -> None:
    """Publish until it shows: a card begins to listen a moment after it is there."""
    for _ in range(60):
        await publish()
        try:
            return await shown.first.wait_for(timeout=500)
        except Error:
            continue
    raise AssertionError(f"{shown} was never seen")


class CuttableLine:
    """A line to the hub that can be cut and mended, like the network between a browser and a server."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def mend(self) -> None:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        if self._server is None:
            return
        self._server.close()
        for writer in tuple(self._open):
            writer.transport.abort()
        await self._server.wait_closed()
        self._server = None

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            to_hub = await asyncio.open_connection("127.0.0.1", self._target)
        except ConnectionError:  # the hub itself is away
            return writer.close()
        ends = (writer, to_hub[1])
        self._open.update(ends)
        back = spawn(_pump(to_hub[0], writer), name="line back")
        await _pump(reader, to_hub[1])
        await asyncio.wait([back])
        return self._open.difference_update(ends)


async def cut_off(line: CuttableLine, page: Page) -> None:
    """Cut the line and wait until the page has noticed."""
    await line.cut()
    await expect(page.locator(".connection")).to_have_attribute("data-state", "reconnecting")


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(65_536):
            writer.write(chunk)
            await writer.drain()
    except ConnectionError:  # one end broke, or the line was cut: so does the other end
        return writer.transport.abort()
    return writer.close()


async def stumbling_blocks(page: Page) -> list[str]:
    """What somebody would stumble over who cannot see the page well, or at all."""
    return list(await page.evaluate(ACCESSIBILITY))
