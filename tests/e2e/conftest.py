"""Owns the fixtures of the browser tests: one browser for a module, a hub, and what speaks to it."""

import os
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Error, async_playwright, expect

from tests.e2e.browser import Api, CuttableLine
from tests.hubprocess import HubProcess

# The system's browser where there is one, otherwise the one `playwright install chromium` brought.
# The first has no windows, which cost a third of the CPU and are not seen here.
SYSTEM_BROWSERS = tuple(
    f"/usr/bin/{name}"
    for name in ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
)
# Two cores may be busy with a hub, a browser and somebody else's work.
expect.set_options(timeout=15_000)
QUIET = (
    "--no-sandbox",  # Chromium refuses to run as root otherwise
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    installed = next(filter(os.path.exists, SYSTEM_BROWSERS), None)
    async with async_playwright() as playwright:
        try:
            found = await playwright.chromium.launch(executable_path=installed, args=list(QUIET))
        except Error as error:
            if os.getenv("CI") == "true":
                raise
            pytest.skip(
                f"no browser to test with (playwright install chromium): {error.message.splitlines()[0]}"
            )
        yield found
        await found.close()


@pytest.fixture
def url(hub_process: HubProcess) -> str:
    return hub_process.url


@pytest_asyncio.fixture(loop_scope="module")
async def api(url: str) -> AsyncIterator[Api]:
    async with aiohttp.ClientSession() as http:
        yield Api(url, http)


@pytest_asyncio.fixture(loop_scope="module")
async def line(url: str) -> AsyncIterator[CuttableLine]:
    """A way to the hub that the test can cut."""
    port = urlsplit(url).port
    assert port is not None
    made = CuttableLine(port)
    await made.mend()
    yield made
    await made.cut()
