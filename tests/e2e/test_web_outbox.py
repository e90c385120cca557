"""The outbox in a real browser: phone, mail, push and Telegram side by side, as a person would get them."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
from playwright.async_api import Browser, Page, expect

from gateways.http.outbox import MOST
from tests.e2e.browser import PHONE, Api, live, opened, sign_in, stumbling_blocks, unique
from tests.hubprocess import HubProcess
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def call(api: Api, method: str, path: str, user: str, body: Mapping[str, Any] | None = None) -> Any:
    headers = {"Authorization": f"Bearer {await api.token(user)}"}
    async with api.http.request(method, api.url + path, json=body, headers=headers) as answer:
        return await answer.json() if answer.status < 300 else None


async def reachable(api: Api, hub: HubProcess, user: str) -> dict[str, str]:
    """Give somebody an address on each channel; answers them by channel."""
    chat, phone = uuid4().int % 10**8 + 1000, f"+1555{uuid4().int % 10**7:07}"
    found = {"email": f"{user}@example.com", "sms": phone, "push": f"token-{user}", "telegram": str(chat)}
    await call(api, "PUT", f"/v1/users/{user}", "admin", {"email": found["email"], "phone": phone})
    await call(api, "PATCH", "/v1/me/preferences", user, {"channels": {"sms": {"enabled": True}}})
    device = {"channel": "push", "kind": "token", "address": found["push"]}
    await call(api, "POST", "/v1/me/endpoints", user, device)

    async def link() -> str | None:  # as soon as the bot's own process has come up
        made = await call(api, "POST", "/v1/me/endpoints/telegram-link", user)
        return made["url"] if made else None

    url = ""

    async def linked() -> bool:
        nonlocal url
        url = await link() or ""
        return bool(url)

    await until(linked, within_s=60)
    said = {
        "user": {"id": chat, "first_name": "Ann"},
        "text": f"/start {parse_qs(urlsplit(url).query)['start'][0]}",
    }
    simulator = hub.json()["simulators"]["telegram"]
    async with api.http.post(f"{simulator}/_sim/inbound", json=said) as answer:
        answer.raise_for_status()

    async def all_there() -> bool:
        items = (await call(api, "GET", "/v1/me/endpoints", user))["items"]
        return {one["channel"] for one in items if one["state"] == "active"} == set(found)

    await until(all_there, within_s=60)
    return found


async def outbox(page: Page, url: str, user: str) -> None:
    await sign_in(page, url, user)
    await page.goto(f"{url}/outbox")
    await live(page)


async def test_what_went_out_stands_side_by_side(
    browser: Browser, url: str, api: Api, hub_process: HubProcess
) -> None:
    ann = unique("ann")
    addresses = await reachable(api, hub_process, ann)
    note = unique("note")
    await api.publish(
        {"type": "hours.tipped", "actor": "bob", "data": {"to": ann, "amount": 250, "note": note}}
    )
    for size, scheme in (((1280, 800), "light"), (PHONE, "dark")):
        async with opened(browser, size, color_scheme=scheme) as page:
            await outbox(page, url, ann)
            for name, channel in (("Phone", "sms"), ("Push", "push"), ("Telegram", "telegram")):
                column = page.get_by_role("region", name=name)
                told = column.get_by_role("listitem").filter(has_text=f"to {addresses[channel]}").first
                await expect(told).to_contain_text("bob tipped you 2.50 HRS", timeout=60_000)
            mail = (
                page.get_by_role("region", name="Mail")
                .get_by_role("link")
                .filter(has_text=addresses["email"])
            )
            await mail.click()
            await expect(page.get_by_role("heading", name="bob tipped you 2.50 HRS")).to_be_visible()
            assert await stumbling_blocks(page) == []
            assert await page.evaluate("document.documentElement.scrollWidth") == size[0]


async def test_of_so_many_that_more_may_have_come_only_the_latest_are_counted(
    browser: Browser, url: str
) -> None:
    def some(simulator: str, channel: str, count: int) -> list[dict[str, Any]]:
        at = "2026-11-21T06:00:00Z"
        told = {"simulator": simulator, "channel": channel, "address": "ann@example.com", "at": at}
        return [told | {"id": f"{simulator}-{n}", "text": "Hi", "html": False} for n in range(count)]

    items = some("resend", "email", MOST) + some("smtp", "email", 2) + some("fcm", "push", MOST - 1)
    shown = {"simulators": ["resend", "smtp", "fcm"], "items": items}
    for scheme in ("light", "dark"):
        async with opened(browser, color_scheme=scheme) as page:
            await page.route("**/dev/outbox", lambda route: route.fulfill(json=shown))
            await outbox(page, url, unique("ann"))
            heading = page.get_by_role("heading", level=2)
            await expect(heading.filter(has_text="Mail").first).to_have_text(f"Mail latest {MOST + 2}")
            await expect(heading.filter(has_text="Push")).to_have_text(f"Push {MOST - 1}")
            await expect(heading.filter(has_text="Phone")).to_have_text("Phone 0")
            assert await stumbling_blocks(page) == []


async def test_a_chat_is_linked_by_writing_as_somebody(browser: Browser, url: str) -> None:
    chat = str(uuid4().int % 10**8 + 1000)
    async with opened(browser, color_scheme="dark") as page:
        await sign_in(page, url, unique("ann"))
        await page.goto(f"{url}/endpoints")
        of = page.get_by_role("region", name="Telegram")
        links: list[str] = []

        async def made() -> bool:  # as soon as the bot's own process has come up
            async with page.expect_response("**/telegram-link") as asked:
                await of.get_by_role("button", name="Connect Telegram").click()
            answer = await asked.value
            links.extend([(await answer.json())["url"]] if answer.ok else [])
            return bool(links)

        await until(made, within_s=60)
        [there] = links
        await expect(of.get_by_text("Telegram is simulated here")).to_be_visible()
        await expect(of.get_by_role("button", name="Copy what to send to the bot")).to_be_visible()
        await expect(of.get_by_role("link", name="Open Telegram")).to_have_count(0)
        assert await stumbling_blocks(page) == []
        await of.get_by_role("link", name="outbox").click()
        box = page.get_by_role("region", name="Telegram").get_by_role("form", name="Write as this person")
        await box.get_by_label("Chat").fill("ann")
        await box.get_by_label("Text").fill(f"/start {parse_qs(urlsplit(there).query)['start'][0]}")
        await page.keyboard.press("Enter")
        await expect(box.get_by_text("must be the number of a chat")).to_be_visible()
        await box.get_by_label("Chat").fill(chat)
        await page.keyboard.press("Enter")
        await expect(page.get_by_text(f"The hub got it from {chat}.").first).to_be_visible()
        assert await stumbling_blocks(page) == []
        linked = page.get_by_text("This chat is linked to the account").first
        await expect(linked).to_be_visible(timeout=60_000)
        await page.goto(f"{url}/endpoints")
        await expect(of.get_by_text("In use")).to_be_visible()
