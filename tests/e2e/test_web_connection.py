"""The live connection seen from the browser: lost, found again, refused, ended."""

import asyncio
import re

import pytest
from playwright.async_api import Browser, expect

from tests.e2e.browser import Api, CuttableLine, card, cut_off, live, opened, post, sign_in, unique
from tests.hubprocess import HUB, HubProcess

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def users_command(hub: HubProcess, *arguments: str) -> None:
    command = await asyncio.create_subprocess_exec(HUB, "users", *arguments, "--data-dir", hub.data_dir)
    assert await command.wait() == 0


async def test_the_indicator_tells_when_the_hub_goes_away_and_returns(
    browser: Browser, line: CuttableLine, api: Api
) -> None:
    content = unique("c")
    async with opened(browser) as page:
        await sign_in(page, line.url, unique("ann"))
        button = page.locator(".connection-button")
        await expect(button).to_have_attribute("title", "/feed: live, /notifications: live")
        await line.cut()
        await expect(button).to_contain_text(re.compile(r"Reconnecting in \d+ s"))
        await expect(button).to_have_attribute("title", "/feed: not connected, /notifications: not connected")
        await button.click()
        await expect(page.get_by_role("button", name="Reconnect now")).to_be_visible()
        # The next attempt of its own is seconds away: it is the click that brings the page back.
        await expect(button).to_contain_text(re.compile(r"in ([4-9]|\d\d) s"), timeout=30_000)
        await line.mend()
        await page.get_by_role("button", name="Reconnect now").click()
        await live(page)
        await api.publish(post(content))
        await expect(card(page, f"Post {content}")).to_have_count(1)


async def test_who_was_away_gets_what_was_missed_once(browser: Browser, line: CuttableLine, api: Api) -> None:
    before, meanwhile, after = unique("before"), unique("meanwhile"), unique("after")
    async with opened(browser) as page:
        await sign_in(page, line.url, unique("ann"))
        await api.publish(post(before))
        await expect(card(page, f"Post {before}")).to_be_visible()
        for _ in range(2):
            await cut_off(line, page)
            await api.publish(post(meanwhile))
            await line.mend()
            await live(page)
            await expect(card(page, f"Post {meanwhile}")).to_have_count(1)
            meanwhile = unique("again")
        await api.publish(post(after))
        await expect(page.get_by_role("article").first).to_contain_text(f"Post {after}")
        await expect(card(page, f"Post {before}")).to_have_count(1)
        await expect(page.get_by_role("note")).to_have_count(0)


async def test_a_device_without_a_network_is_said_to_be_offline(browser: Browser, line: CuttableLine) -> None:
    async with opened(browser) as page:
        await sign_in(page, line.url, unique("ann"))
        await page.context.set_offline(True)
        await line.cut()
        await expect(page.locator(".connection")).to_have_attribute("data-state", "offline")
        await line.mend()
        await page.context.set_offline(False)
        await live(page)


async def test_a_suspended_person_is_cut_and_told_so(
    browser: Browser, url: str, hub_process: HubProcess
) -> None:
    user = unique("mallory")
    async with opened(browser) as page:
        await sign_in(page, url, user)
        await expect(page.get_by_text("hub publish")).to_be_visible()
        await users_command(hub_process, "suspend", user)
        await expect(page.locator(".connection")).to_have_attribute("data-state", "stopped")
        said = "Live events are switched off: this account is suspended."
        await expect(page.get_by_role("alert")).to_have_text(said)
        await expect(page.get_by_role("form", name="Compose")).to_have_count(0)
        await expect(page.get_by_text("hub publish")).to_have_count(0)


async def test_an_expired_session_leads_back_to_the_sign_in(
    browser: Browser, url: str, hub_process: HubProcess
) -> None:
    async with opened(browser) as page:
        await page.clock.install()
        await page.goto(f"{url}/#token={hub_process.token(unique('ann'), 'user')}")
        await page.get_by_role("button", name="Continue as").click()
        await live(page)
        assert "token" not in page.url
        await page.clock.fast_forward("01:00:00")
        await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        await expect(page.get_by_text("Your session has expired")).to_be_visible()


async def test_a_token_the_hub_refuses_says_why(browser: Browser, url: str, hub_process: HubProcess) -> None:
    head, body, _ = hub_process.token("ann", "user").split(".")
    async with opened(browser) as page:
        await page.goto(f"{url}/#token={head}.{body}.{'A' * 43}")
        await page.get_by_role("button", name="Continue as").click()
        await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        await expect(page.get_by_text("The hub did not accept your session")).to_be_visible()


async def test_without_a_development_sign_in_the_page_explains_the_handover(
    browser: Browser, own_hub: HubProcess
) -> None:
    own_hub.environment["HUB_AUTH__SECRET"] = "a secret of the platform, 32 bytes or more"
    own_hub.up()
    refused: list[str] = []
    async with opened(browser) as page:
        page.on("response", lambda answer: refused.append(answer.url) if answer.status >= 400 else None)
        await page.goto(own_hub.url)
        await expect(page.get_by_text("This hub has no sign-in of its own")).to_be_visible()
        await page.goto(f"{own_hub.url}/#token={own_hub.token('ann', 'user', 'publish')}")
        await page.get_by_role("button", name="Continue as").click()
        await live(page)
        await expect(page.get_by_role("heading", name="Nothing has happened since you came")).to_be_visible()
        await expect(page.get_by_text("hub publish")).to_have_count(0)
        await page.get_by_label("Title").fill("The first")
        await page.get_by_role("button", name="Publish").click()
        await expect(card(page, "The first")).to_have_count(1)
        await expect(page.get_by_text("hub publish")).to_have_count(0)
    assert refused == []


async def test_who_may_only_read_gets_no_composer(
    browser: Browser, url: str, hub_process: HubProcess
) -> None:
    async with opened(browser) as page:
        await page.goto(f"{url}/#token={hub_process.token(unique('reader'), 'user')}")
        await page.get_by_role("button", name="Continue as").click()
        await live(page)
        await expect(page.get_by_role("form", name="Compose")).to_have_count(0)
