"""What the page does when its connection comes back without what was missed: it reads the log, or says so."""

import asyncio
from collections.abc import Iterator

import pytest
from playwright.async_api import Browser, Page, Route, WebSocket, expect

from tests.e2e.browser import Api, CuttableLine, card, cut_off, live, opened, post, sign_in, unique
from tests.hubprocess import HubProcess
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def forgetful(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    """A hub that keeps nothing for those who come back: whoever missed anything begins afresh."""
    folder = tmp_path_factory.mktemp("forgetful") / "data"
    hub = HubProcess(folder, HUB_LIMITS__RECOVERY_BYTES="1").up()
    yield hub
    hub.stop()


@pytest.fixture
def url(forgetful: HubProcess) -> str:
    return forgetful.url


class HeldLog:
    """Keeps back one answer to a page that reads the log, and notes what comes in live meanwhile."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.release = asyncio.Event()
        self._abandoned = False
        self._upgraded = False
        self._came = ""

    async def on(self, page: Page) -> None:
        page.on("websocket", self._listen)
        await page.route("**/v1/events?*", self._hold, times=1)

    def abandon(self) -> None:
        """The page that asked has gone."""
        self._abandoned = True
        self.release.set()

    async def came(self, word: str) -> bool:
        """Whether the page has been sent something with this word by its websocket."""
        return word in self._came

    async def upgraded(self) -> bool:
        """Whether everything comes by a websocket from now on."""
        return self._upgraded

    async def _hold(self, route: Route) -> None:
        answer = await route.fetch()
        self.asked.set()
        await self.release.wait()
        if not self._abandoned:
            await route.fulfill(response=answer)

    def _listen(self, socket: WebSocket) -> None:
        socket.on("framesent", self._sent)
        socket.on("framereceived", self._received)

    def _sent(self, frame: str | bytes) -> None:
        self._upgraded = self._upgraded or frame == "5"  # Engine.IO: the upgrade is done

    def _received(self, frame: str | bytes) -> None:
        self._came += str(frame)


async def test_an_admin_misses_nothing_while_the_connection_is_away(
    browser: Browser, line: CuttableLine, api: Api
) -> None:
    before, meanwhile, after = unique("before"), unique("meanwhile"), unique("after")
    async with opened(browser) as page:
        await sign_in(page, line.url, "admin")
        await api.publish(post(before))
        await expect(card(page, f"Post {before}")).to_be_visible()
        await cut_off(line, page)
        await api.publish(post(meanwhile))
        await line.mend()
        await live(page)
        await api.publish(post(after))
        for content in (before, meanwhile, after):
            await expect(card(page, f"Post {content}")).to_have_count(1)


async def test_what_comes_in_while_the_log_is_read_stands_above_what_is_read(
    browser: Browser, line: CuttableLine, api: Api
) -> None:
    before, new, held = unique("before"), unique("new"), HeldLog()
    missed = [unique("missed") for _ in range(250)]
    async with opened(browser) as page:
        await sign_in(page, line.url, "admin")
        await api.publish(post(before))
        await expect(card(page, f"Post {before}")).to_be_visible()
        await cut_off(line, page)
        await api.publish(*(post(content) for content in missed))
        await held.on(page)
        await line.mend()
        await held.asked.wait()
        await until(held.upgraded)
        await api.publish(post(new))
        await until(lambda: held.came(new))
        held.release.set()
        cards = page.get_by_role("article")
        await expect(cards.first).to_contain_text(f"Post {new}")
        await expect(cards.nth(1)).to_contain_text(f"Post {missed[-1]}")
        await expect(cards).to_have_count(200)
        await expect(card(page, f"Post {new}")).to_have_count(1)
        await expect(page.get_by_role("note")).to_have_count(0)


async def test_what_is_written_while_the_log_is_read_appears_once_it_is(
    browser: Browser, url: str, api: Api
) -> None:
    title, earlier, held = unique("Written meanwhile"), unique("earlier"), HeldLog()
    await api.publish(post(earlier))
    async with opened(browser) as page:
        await held.on(page)
        await sign_in(page, url, "admin")
        await held.asked.wait()
        await page.get_by_label("Title").fill(title)
        await page.get_by_role("button", name="Publish").click()
        await expect(page.get_by_text("It appears here when the live connection catches up")).to_be_visible()
        await expect(page.get_by_label("Title")).to_have_value("")
        held.release.set()
        await expect(page.get_by_role("article").first).to_contain_text(title)
        await expect(card(page, title)).to_have_count(1)
        await expect(card(page, f"Post {earlier}")).to_have_count(1)


async def test_a_reload_in_the_middle_of_catching_up_misses_nothing(
    browser: Browser, line: CuttableLine, api: Api
) -> None:
    before, meanwhile, held = unique("before"), unique("meanwhile"), HeldLog()
    async with opened(browser) as page:
        await page.clock.install()
        await sign_in(page, line.url, "admin")
        await api.publish(post(before))
        await expect(card(page, f"Post {before}")).to_be_visible()
        await cut_off(line, page)
        await api.publish(post(meanwhile))
        await page.clock.fast_forward(60_000)  # longer than what is read again because clocks differ
        await held.on(page)
        await line.mend()
        await held.asked.wait()
        await page.reload()
        held.abandon()
        await live(page)
        for content in (before, meanwhile):
            await expect(card(page, f"Post {content}")).to_have_count(1)


async def miss(line: CuttableLine, page: Page, api: Api, oldest: str, others: int) -> None:
    """Let the line be cut while a post and then many events that nobody is shown are published."""
    await cut_off(line, page)
    await api.publish(post(oldest))
    for first in range(0, others, 300):
        await api.publish(*(follows() for _ in range(min(300, others - first))))
    await line.mend()


def follows() -> dict[str, object]:
    return {"type": "user.followed", "actor": "cleo", "data": {"target": "dora"}}


async def test_an_admin_who_missed_more_than_a_page_of_the_log_gets_all_of_it(
    browser: Browser, line: CuttableLine, api: Api
) -> None:
    oldest = unique("oldest")
    async with opened(browser) as page:
        await sign_in(page, line.url, "admin")
        await miss(line, page, api, oldest, others=300)
        await api.publish({"type": "user.followed", "actor": "cleo", "data": {"target": "admin"}})
        await live(page)
        await expect(card(page, f"Post {oldest}")).to_have_count(1)
        await expect(page.get_by_text("cleo follows you").first).to_be_visible()
        await expect(page.get_by_role("note")).to_have_count(0)


async def test_an_admin_who_missed_more_than_is_read_is_told_so(
    browser: Browser, line: CuttableLine, api: Api
) -> None:
    oldest = unique("oldest")
    async with opened(browser) as page:
        await sign_in(page, line.url, "admin")
        await miss(line, page, api, oldest, others=1_200)
        await live(page)
        await expect(page.get_by_role("note")).to_contain_text("may be missing")
        await expect(card(page, f"Post {oldest}")).to_have_count(0)


async def test_an_admin_whose_log_cannot_be_read_is_told_so(
    browser: Browser, line: CuttableLine, api: Api
) -> None:
    async with opened(browser) as page:
        await sign_in(page, line.url, "admin")
        await page.route("**/v1/events?*", lambda route: route.fulfill(status=503, json={"detail": "no"}))
        await cut_off(line, page)
        await api.publish(post(unique("missed")))
        await line.mend()
        await live(page)
        await expect(page.get_by_role("note")).to_contain_text("may be missing")


async def test_even_a_short_absence_is_owned_up_to_once(
    browser: Browser, line: CuttableLine, api: Api
) -> None:
    content = unique("c")
    async with opened(browser) as page:
        await sign_in(page, line.url, unique("ann"))
        await api.publish(post(content))
        await expect(card(page, f"Post {content}")).to_have_count(1)
        for _ in range(2):
            await cut_off(line, page)
            await api.publish(post(unique("missed")))
            await line.mend()
            await live(page)
            await expect(page.get_by_role("note")).to_have_count(1)
        await page.reload()
        await live(page)
        await expect(card(page, f"Post {content}")).to_have_count(1)
        await expect(page.get_by_role("note")).to_have_count(1)
