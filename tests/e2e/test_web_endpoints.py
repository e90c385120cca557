"""Addresses and devices in a real browser: added, proved, renamed, connected and removed."""

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from tests.e2e.browser import PHONE, Api, live, opened, sign_in, stumbling_blocks, unique
from tests.hubprocess import HubProcess
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")


def number() -> str:
    """A phone number that no other test on the same hub uses."""
    return f"+1555{uuid4().int % 10**7:07}"


class Provider:
    """One simulator of the hub."""

    def __init__(self, api: Api, hub: HubProcess, name: str) -> None:
        self._api = api
        self._url = hub.json()["simulators"][name]

    async def messages(self, address: str) -> list[dict[str, Any]]:
        query = {"address": address}
        async with self._api.http.get(f"{self._url}/_sim/messages", params=query) as answer:
            answer.raise_for_status()
            return list(await answer.json())

    async def said(self, address: str, pattern: str, count: int = 1) -> str:
        """What the latest of so many messages to an address says there, once it has come."""

        async def came() -> bool:
            return len(await self.messages(address)) >= count

        await until(came)
        found = re.search(pattern, (await self.messages(address))[-1]["text"])
        assert found
        return found[1]

    async def happens(self, **said: Any) -> None:
        async with self._api.http.post(f"{self._url}/_sim/inbound", json=said) as answer:
            answer.raise_for_status()


async def addresses(page: Page, url: str, user: str) -> None:
    await sign_in(page, url, user)
    await page.goto(f"{url}/endpoints")
    await expect(page.get_by_role("heading", name="Where you can be reached", level=1)).to_be_visible()
    await live(page)


def part(page: Page, name: str) -> Locator:
    return page.get_by_role("region", name=name, exact=True)


async def add(of: Locator, label: str, address: str) -> None:
    await of.get_by_role("textbox", name=label).fill(address)
    await of.get_by_role("button", name="Add", exact=True).click()


async def test_a_phone_is_proved_by_its_code(
    browser: Browser, url: str, api: Api, hub_process: HubProcess
) -> None:
    phone, twilio = number(), Provider(api, hub_process, "twilio")
    async with opened(browser) as page:
        await addresses(page, url, unique("ann"))
        of = part(page, "Phone")
        await expect(of.get_by_text("No phone number yet.")).to_be_visible()
        await add(of, "Phone number", f"{phone[:2]} ({phone[2:5]}) {phone[5:]}")
        code = of.get_by_role("textbox", name="Code from the SMS")
        await expect(code).to_be_focused()
        await expect(of.get_by_text("Not verified yet")).to_be_visible()
        again = of.get_by_role("button", name="Send a new code")
        await expect(again).to_be_disabled()
        await expect(again).to_have_text(re.compile("in 0:[0-3][0-9]"))
        right = await twilio.said(phone, r"\b([0-9]{6})\b")
        await code.fill(f"{(int(right) + 1) % 10**6:06}")
        await page.keyboard.press("Enter")
        await expect(of.get_by_text("This code is not the right one; 4 tries are left.")).to_be_visible()
        await expect(code).to_be_focused()
        await expect(code).to_have_value("")
        await page.reload()
        await code.fill(right)
        await page.keyboard.press("Enter")
        await expect(of.get_by_text("Switched off", exact=True)).to_be_visible()
        await expect(page.get_by_text(f"{phone} is verified.").first).to_be_visible()
        await expect(code).to_have_count(0)
        await expect(of.get_by_text("not used yet")).to_be_visible()


async def test_too_many_wrong_codes_and_a_new_one(
    browser: Browser, url: str, api: Api, hub_process: HubProcess
) -> None:
    phone, twilio = number(), Provider(api, hub_process, "twilio")
    async with opened(browser, PHONE) as page:
        await addresses(page, url, unique("ann"))
        of = part(page, "Phone")
        await add(of, "Phone number", phone)
        right = await twilio.said(phone, r"\b([0-9]{6})\b")
        code = of.get_by_role("textbox", name="Code from the SMS")
        for left in ("4 tries are", "3 tries are", "2 tries are", "1 try is"):
            await code.fill(f"{(int(right) + 1) % 10**6:06}")
            await page.keyboard.press("Enter")
            await expect(of.get_by_text(f"{left} left.")).to_be_visible()
        await code.fill(f"{(int(right) + 1) % 10**6:06}")
        await page.keyboard.press("Enter")
        await expect(of.get_by_text("There were too many wrong tries. Ask for a new one.")).to_be_visible()
        await expect(code).to_have_count(0)
        await of.get_by_role("button", name="Send a new code").click()
        await expect(page.get_by_text("A new code is on its way.").first).to_be_visible()
        await code.fill(await twilio.said(phone, r"\b([0-9]{6})\b", count=2))
        await of.get_by_role("button", name="Verify").click()
        await expect(of.get_by_text("Switched off", exact=True)).to_be_visible()
        await expect(of.get_by_text("SMS is switched off in your preferences")).to_be_visible()


async def test_a_mail_address_is_proved_by_a_click_on_its_link_signed_in_or_not(
    browser: Browser, url: str, api: Api, hub_process: HubProcess
) -> None:
    mail, resend = f"{unique('ann')}@example.com", Provider(api, hub_process, "resend")
    async with opened(browser) as page, opened(browser, PHONE, color_scheme="dark") as elsewhere:
        await addresses(page, url, unique("ann"))
        of = part(page, "E-mail")
        await add(of, "E-mail address", mail)
        await expect(of.get_by_text("Open the link in the mail")).to_be_visible()
        link = await resend.said(mail, r"(http://\S+/verify/[\w-]+)")
        await elsewhere.goto(link)
        await expect(elsewhere.get_by_role("heading", name="Is this address yours?")).to_be_visible()
        assert await elsewhere.evaluate("document.documentElement.scrollWidth") == PHONE[0]
        await expect(of.get_by_text("Not verified yet")).to_be_visible()
        await elsewhere.get_by_role("button", name="Yes, confirm it").click()
        await expect(elsewhere.get_by_role("heading", name="The address is confirmed")).to_be_visible()
        await expect(of.get_by_text("In use")).to_be_visible()  # without a reload


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_who_has_spent_the_codes_of_the_hour_is_told_when_the_next_may_be_asked_for(
    browser: Browser, url: str, scheme: str
) -> None:
    async with opened(browser, PHONE, color_scheme=scheme) as page:
        await addresses(page, url, unique("ann"))
        for name, label in (("E-mail", "E-mail address"), ("Phone", "Phone number")):
            of = part(page, name)
            for n in range(1, 6):
                await add(of, label, number() if name == "Phone" else f"{unique('ann')}@example.com")
                await expect(of.get_by_text("Not verified yet")).to_have_count(n)
                if name == "Phone":  # it takes the focus, from the field that is filled next
                    await expect(of.get_by_role("textbox", name="Code from the SMS").last).to_be_focused()
        of = part(page, "Phone")
        await of.get_by_role("button", name=re.compile("^Remove")).first.click()
        await of.get_by_role("button", name="Remove", exact=True).click()
        await expect(of.get_by_text("Not verified yet")).to_have_count(4)
        phone = number()
        await add(of, "Phone number", phone)
        row = of.get_by_role("listitem").filter(has_text=phone)
        await expect(row.get_by_text("No code was sent there: you have asked for as many")).to_be_visible()
        await expect(row).to_contain_text("as many as you may for now. You can ask for one from ")
        button = row.get_by_role("button", name="Send a code")
        await expect(button).to_be_disabled()
        await expect(button).to_have_text(re.compile(r"in 59:[0-5]\d|in 1:00:00|in 58:"))
        await expect(page.get_by_text(f"A code is on its way to {phone}")).to_have_count(0)
        await expect(row.get_by_text("Nothing was sent there yet.")).to_have_count(0)
        assert await stumbling_blocks(page) == []
        assert await page.evaluate("document.documentElement.scrollWidth") == PHONE[0]


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_an_address_that_reported_a_mail_is_unsubscribed_and_comes_back_when_it_is_added_anew(
    browser: Browser, url: str, api: Api, hub_process: HubProcess, scheme: str
) -> None:
    mail, resend = f"{unique('ann')}@example.com", Provider(api, hub_process, "resend")
    async with opened(browser, color_scheme=scheme) as page, opened(browser) as elsewhere:
        await addresses(page, url, unique("ann"))
        of = part(page, "E-mail")

        async def proved(count: int) -> None:
            await add(of, "E-mail address", mail)
            await elsewhere.goto(await resend.said(mail, r"(http://\S+/verify/[\w-]+)", count))
            await elsewhere.get_by_role("button", name="Yes, confirm it").click()
            await expect(of.get_by_text("In use", exact=True)).to_be_visible()

        await proved(1)
        [told] = await resend.messages(mail)
        await resend.happens(event="email.complained", id=told["id"])
        await page.reload()
        await expect(of.get_by_text("Unsubscribed", exact=True)).to_be_visible()
        await expect(of.get_by_text("In use", exact=True)).to_have_count(0)
        await expect(of.get_by_text("To get mails there again, add the address anew below")).to_be_visible()
        assert await stumbling_blocks(page) == []
        await proved(2)
        await expect(of.get_by_text("Unsubscribed", exact=True)).to_have_count(0)
        await expect(of.get_by_text("Nothing is sent there")).to_have_count(0)


async def test_devices_are_named_and_removed_by_keyboard(browser: Browser, url: str) -> None:
    async with opened(browser) as page:
        await addresses(page, url, unique("ann"))
        of = part(page, "Devices")
        await of.get_by_text("Add a device by its token").click()
        await of.get_by_role("textbox", name="Name of the device").fill("Phone")
        await add(of, "Token", "a-token-of-a-phone-" * 4)
        await expect(of.get_by_role("listitem").get_by_text("Phone", exact=True)).to_be_visible()
        await of.get_by_role("button", name="Rename Phone").press("Enter")
        name = of.get_by_role("textbox", name="Name", exact=True)
        await name.press("Escape")
        await expect(name).to_have_count(0)
        await of.get_by_role("button", name="Rename Phone").press("Enter")
        await name.fill("Old phone")
        await name.press("Enter")
        title = of.get_by_role("listitem").get_by_text("Old phone", exact=True)
        await expect(title).to_be_focused()
        await of.get_by_role("button", name="Remove Old phone").press("Enter")
        await expect(of.get_by_role("button", name="Keep")).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(title).to_be_focused()
        await of.get_by_role("button", name="Remove Old phone").press("Enter")
        await expect(of.get_by_role("button", name="Keep")).to_be_focused()
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await expect(of.get_by_text("No device yet")).to_be_visible()
        await expect(of.get_by_role("heading", name="Devices")).to_be_focused()


async def test_telegram_is_connected_by_a_link(
    browser: Browser, url: str, api: Api, hub_process: HubProcess
) -> None:
    telegram = Provider(api, hub_process, "telegram")
    person = uuid4().int % 10**8 + 1000
    async with opened(browser) as page:
        await page.route("**/dev/outbox", lambda route: route.fulfill(json={"simulators": []}))
        await addresses(page, url, unique("ann"))
        of = part(page, "Telegram")
        link = of.get_by_role("link", name="Open Telegram")

        async def made() -> bool:  # as soon as the bot's own process has come up
            if await link.count() == 0:
                await of.get_by_role("button", name="Connect Telegram").click()
                await page.wait_for_load_state("networkidle")
            return await link.count() > 0

        await until(made, within_s=60)
        there = await link.get_attribute("href")
        assert there is not None
        assert there.startswith("https://t.me/")
        [token] = parse_qs(urlsplit(there).query)["start"]
        assert await stumbling_blocks(page) == []
        await telegram.happens(user={"id": person, "first_name": "Ann"}, text=f"/start {token}")
        await expect(of.get_by_text("In use")).to_be_visible(timeout=60_000)
        await expect(page.get_by_text("Telegram is connected.").first).to_be_visible()
        await expect(link).to_have_count(0)


async def test_what_is_wrong_is_said_at_its_field(browser: Browser, url: str) -> None:
    async with opened(browser) as page:
        await addresses(page, url, unique("ann"))
        for name, label in (("E-mail", "E-mail address"), ("Phone", "Phone number")):
            await add(part(page, name), label, "nowhere")
            field = part(page, name).get_by_role("textbox", name=label)
            await expect(field).to_have_attribute("aria-invalid", "true")
        assert await stumbling_blocks(page) == []


@pytest.mark.parametrize(("size", "scheme"), [((1280, 800), "light"), (PHONE, "dark")])
async def test_the_page_is_no_riddle_to_assistive_technology(
    browser: Browser, url: str, size: tuple[int, int], scheme: str
) -> None:
    async with opened(browser, size, color_scheme=scheme) as page:
        await addresses(page, url, unique("ann"))
        assert await stumbling_blocks(page) == []
        await add(part(page, "Phone"), "Phone number", number())
        # It takes the focus, from the field that is filled next.
        await expect(part(page, "Phone").get_by_role("textbox", name="Code from the SMS")).to_be_focused()
        await add(part(page, "E-mail"), "E-mail address", f"{unique('x' * 40)}@{'y' * 60}.example.com")
        of = part(page, "Devices")
        await of.get_by_text("Add a device by its token").click()
        await add(of, "Token", "t" * 300)
        await expect(page.get_by_text("Not verified yet")).to_have_count(2)
        await expect(of.get_by_text("In use")).to_be_visible()
        assert await stumbling_blocks(page) == []
        await part(page, "E-mail").get_by_role("button", name=re.compile("^Remove")).click()
        await of.get_by_role("button", name=re.compile("^Rename")).click()
        await part(page, "Phone").get_by_text("Nothing came?").click()
        assert await stumbling_blocks(page) == []
        assert await page.evaluate("document.documentElement.scrollWidth") == size[0]
