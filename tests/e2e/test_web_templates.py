"""The page of templates: what people are told, on each channel and in each language, for admins."""

import re

import pytest
from playwright.async_api import Browser, Page, expect

from tests.e2e.browser import PHONE, Api, opened, sign_in, stumbling_blocks, unique

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def shown(page: Page) -> None:
    await expect(page.get_by_role("status")).to_contain_text("previews")


async def with_token(page: Page, url: str, token: str) -> None:
    await page.goto(f"{url}/docs/templates")
    await page.get_by_label("Token of an admin").fill(token)
    await page.keyboard.press("Enter")


async def test_an_admin_who_is_signed_in_finds_the_templates_from_the_documents(
    browser: Browser, url: str
) -> None:
    async with opened(browser) as page:
        await sign_in(page, url, "admin")
        await page.goto(f"{url}/docs")
        await page.get_by_role("link", name="Templates").click()
        await shown(page)
        mail = page.frame_locator("iframe[title='Mail: Bob tipped you 12.50 HRS']")
        await expect(mail.get_by_role("heading", name="Bob tipped you 12.50 HRS")).to_be_visible()


async def test_channel_language_and_topic_are_chosen_by_keyboard_and_kept_in_the_address(
    browser: Browser, url: str, api: Api
) -> None:
    async with opened(browser) as page:
        await with_token(page, url, await api.token("admin"))
        await shown(page)
        await expect(page.get_by_label("Token of an admin")).to_be_hidden()
        await expect(page.get_by_label("Channel")).to_be_focused()
        await page.keyboard.type("SMS")
        await expect(page.get_by_role("status")).to_contain_text("SMS, English")
        await page.get_by_label("Language").focus()
        await page.keyboard.type("G")
        await expect(page.get_by_role("status")).to_contain_text("SMS, German")
        await expect(page.get_by_text("Bob hat dir 12,50 HRS Trinkgeld gegeben")).to_be_visible()
        await expect(page.get_by_text("Not on this channel").first).to_be_visible()
        await page.get_by_label("Topic").select_option("tips")
        await expect(page.get_by_role("status")).to_contain_text("1 preview:")
        await expect(page).to_have_url(re.compile(r"\?channel=sms&locale=de&topic=tips$"))


async def test_who_is_no_admin_is_asked_for_another_token(browser: Browser, url: str, api: Api) -> None:
    async with opened(browser) as page:
        await with_token(page, url, await api.token(unique("ann")))
        await expect(page.get_by_role("status")).to_contain_text("Only admins")
        await expect(page.get_by_label("Token of an admin")).to_be_visible()
        assert await page.get_by_role("article").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_preview_suits_the_screen_and_everybody(
    browser: Browser, url: str, api: Api, scheme: str
) -> None:
    async with opened(browser, PHONE, color_scheme=scheme) as page:
        await with_token(page, url, await api.token("admin"))
        await shown(page)
        assert await stumbling_blocks(page) == []
        wider = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert await page.evaluate(wider) == 0
        card = page.frame_locator("iframe >> nth=0").locator(".card")
        light = await card.evaluate("one => getComputedStyle(one).backgroundColor") == "rgb(255, 255, 255)"
        assert light is (scheme == "light")
