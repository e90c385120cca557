"""What is sent, in a real browser: held and why, the admins' deliveries, and the outbox of the simulators."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from schemas.clock import SystemClock
from tests.e2e.browser import PHONE, Api, live, opened, sign_in, stumbling_blocks, unique
from tests.hubprocess import HubProcess
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def mailed(api: Api, user: str, **preferences: Any) -> str:
    """Give somebody a verified address."""
    address = f"{user}@example.com"
    await call(api, "PUT", f"/v1/users/{user}", "admin", {"email": address, "name": "Ann"})
    await call(api, "PUT", "/v1/me/preferences", user, preferences)
    return address


async def call(api: Api, method: str, path: str, user: str, body: Mapping[str, Any] | None = None) -> Any:
    headers = {"Authorization": f"Bearer {await api.token(user)}"}
    async with api.http.request(method, api.url + path, json=body, headers=headers) as answer:
        answer.raise_for_status()
        return await answer.json()


async def tipped(api: Api, to: str, note: str) -> str:
    (event,) = await api.publish(
        {"type": "hours.tipped", "actor": "bob", "data": {"to": to, "amount": 250, "note": note}}
    )
    return event


async def reaches(api: Api, user: str, status: str) -> None:
    """Wait until the one delivery to somebody has got there."""

    async def has() -> bool:
        found = await call(api, "GET", f"/v1/deliveries?user={user}", "admin")
        return [one["status"] for one in found["items"]] == [status]

    await until(has)


async def misbehave(api: Api, hub: HubProcess, address: str, mode: str) -> None:
    url = hub.json()["simulators"]["resend"]
    async with api.http.post(f"{url}/_sim/behaviour", json={"address": address, "mode": mode}) as answer:
        answer.raise_for_status()


async def deliveries(page: Page, url: str, query: str) -> None:
    await sign_in(page, url, "admin")
    await page.goto(f"{url}/deliveries{query}")
    await expect(page.get_by_role("heading", name="Deliveries", exact=True)).to_be_visible()


async def test_what_is_held_says_why_and_until_when(browser: Browser, url: str, api: Api) -> None:
    ann, end = unique("ann"), SystemClock().now() + timedelta(hours=2)
    window = {"from": f"{end - timedelta(hours=3):%H:%M}", "to": f"{end:%H:%M}"}
    await mailed(api, ann, quiet_hours={"enabled": True, "windows": [window]})
    event = await tipped(api, ann, "sleep well")
    await reaches(api, ann, "held")
    async with opened(browser, timezone_id="UTC") as page:
        await sign_in(page, url, ann)
        await page.get_by_role("button", name="Your menu").click()
        await page.get_by_role("link", name="What reached me").click()
        item = page.get_by_role("listitem").filter(has_text="bob tipped you 2.50 HRS").first
        mail = item.get_by_role("listitem").filter(has_text="E-mail")
        await expect(mail).to_contain_text("waits until")
        await expect(mail).to_contain_text(f"{end:%H:%M}")
        await expect(mail).to_contain_text("(quiet hours)")
        await expect(item.get_by_role("listitem").filter(has_text="In-app")).to_contain_text("reached you")
        await expect(item.get_by_role("listitem").filter(has_text="Push")).to_contain_text("no address")
    async with opened(browser, timezone_id="UTC") as page:
        await deliveries(page, url, f"?user={ann}&status=held")
        row = page.get_by_role("list", name="Deliveries, newest first").get_by_role("listitem").first
        await expect(row).to_contain_text("quiet hours")
        await row.get_by_role("link", name="Trace").click()
        trace = page.get_by_role("dialog", name="hours.tipped")
        await expect(trace.get_by_text(f"{ann}: hold on E-mail")).to_be_visible()
        await expect(trace.get_by_text("quiet hours, until").first).to_be_visible()
        await expect(trace.get_by_text(f"{ann}: held by E-mail")).to_be_visible()
        await expect(page).to_have_url(re.compile(f"/events/{event}$"))


async def test_admins_look_for_deliveries_and_give_new_attempts(
    browser: Browser, url: str, api: Api, hub_process: HubProcess
) -> None:
    ann = unique("ann")
    address = await mailed(api, ann)
    await misbehave(api, hub_process, address, "reject")
    await tipped(api, ann, "again")
    await reaches(api, ann, "failed")
    await misbehave(api, hub_process, address, "ok")
    async with opened(browser) as page:
        await deliveries(page, url, "")
        rows = page.get_by_role("list", name="Deliveries, newest first").locator("> li")
        await page.get_by_label("User").fill(ann)
        await expect(rows).to_have_count(1)
        await page.get_by_label("Status").select_option("delivered")
        await expect(page.get_by_text("Nothing matches these filters")).to_be_visible()
        await page.get_by_label("Status").select_option("failed")
        await page.get_by_label("Channel").select_option("email")
        await expect(rows).to_have_count(1)
        chosen = {f"user={ann}", "status=failed", "channel=email"}
        await page.wait_for_url(lambda at: set(at.partition("?")[2].split("&")) == chosen)
        await rows.locator("summary").click()
        assert await rows.locator(".attempts li").count() >= 1
        assert await stumbling_blocks(page) == []
        await expect(rows).not_to_contain_text(address)
        await rows.get_by_role("button", name="Try again").press("Enter")
        await expect(page.get_by_text("It is queued again.")).to_be_visible()
        await expect(rows.get_by_role("button", name="Try again")).to_have_count(0)
        await expect(rows.locator("summary")).to_be_focused()
        # The row tells by itself what has become of it.
        await expect(rows.locator(".tag").first).to_have_text(re.compile("sent|delivered"), timeout=30_000)
        await expect(rows).not_to_contain_text(re.compile(r"due \d\d:\d\d"))
        await expect(rows.locator("summary")).to_be_focused()
        assert await stumbling_blocks(page) == []
        await reaches(api, ann, "delivered")
        await page.get_by_label("Status").select_option("")
        await page.get_by_role("button", name="Refresh").click()
        await expect(rows.locator(".tag")).to_have_text("delivered")


async def test_who_is_no_admin_does_not_see_deliveries(browser: Browser, url: str) -> None:
    async with opened(browser) as page:
        await sign_in(page, url, unique("ann"))
        await expect(page.get_by_role("link", name="Deliveries")).to_have_count(0)
        await page.goto(f"{url}/deliveries")
        await live(page)
        await expect(page.get_by_text("The deliveries are for admins")).to_be_visible()


@pytest.mark.parametrize("size", [(1280, 800), PHONE])
async def test_the_outbox_shows_mails_as_they_look(
    browser: Browser, url: str, api: Api, size: tuple[int, int]
) -> None:
    ann = unique("ann")
    address = await mailed(api, ann)
    await tipped(api, ann, "<script>alert(1)</script> & <b>bold</b>")
    async with opened(browser, size) as page:
        await sign_in(page, url, ann)
        await page.get_by_role("button", name="Your menu").click()
        await page.get_by_role("link", name="Outbox").click()
        await page.get_by_role("link").filter(has_text=address).click()
        frame = page.frame_locator("iframe")
        await expect(frame.get_by_role("heading", name="bob tipped you 2.50 HRS")).to_be_visible()
        await expect(frame.get_by_text("<script>alert(1)</script> & <b>bold</b>", exact=True)).to_be_visible()
        assert await stumbling_blocks(page) == []
        # Its styles count and its links lead out of the frame.
        assert await frame.locator(".card").evaluate("card => getComputedStyle(card).borderRadius") == "14px"
        async with page.expect_popup() as popup:
            await frame.get_by_role("link", name="Choose what reaches you").click()
        assert (await popup.value).url == f"{url}/preferences"
        await page.get_by_role("radio", name="Plain text").check()
        await expect(page.get_by_text("Choose what reaches you: ")).to_be_visible()
        await expect(page.locator("iframe")).to_have_count(0)
        await page.get_by_text("Headers").click()
        await expect(page.get_by_text("List-Unsubscribe", exact=True)).to_be_visible()
        # What comes meanwhile joins the list; what is looked at stays.
        await tipped(api, unique("cleo"), "nobody is mailed")
        other = unique("dan")
        their_address = await mailed(api, other)
        await tipped(api, other, "later")
        await expect(page.get_by_role("link").filter(has_text=their_address)).to_be_visible()
        await expect(page.get_by_text("Choose what reaches you: ")).to_be_visible()
