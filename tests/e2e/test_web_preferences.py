"""The preferences in a real browser: saved and kept, refused at the field, and never lost by leaving."""

from datetime import timedelta
from typing import Any

import pytest
from playwright.async_api import Browser, Dialog, Page, expect

from schemas.clock import SystemClock
from tests.e2e.browser import Api, opened, sign_in, stumbling_blocks, unique

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def preferences(page: Page, url: str, user: str) -> None:
    await sign_in(page, url, user)
    await page.goto(f"{url}/preferences")
    await expect(page.get_by_role("heading", name="What reaches you where")).to_be_visible()


async def save(page: Page) -> None:
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("Your preferences are saved.").first).to_be_visible()
    await expect(page.get_by_role("button", name="Save")).to_have_count(0)


async def said(api: Api, user: str) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {await api.token(user)}"}
    async with api.http.get(f"{api.url}/v1/me/preferences", headers=headers) as answer:
        answer.raise_for_status()
        found: dict[str, Any] = await answer.json()
        return found


async def test_topics_and_channels_are_saved_and_kept(browser: Browser, url: str, api: Api) -> None:
    ann = unique("ann")
    async with opened(browser) as page:
        await preferences(page, url, ann)
        likes = page.get_by_role("checkbox", name="Likes by Push")
        await expect(likes).to_be_checked()
        await likes.uncheck()
        await page.get_by_role("checkbox", name="Mentions by E-mail").check()
        await expect(page.get_by_role("checkbox", name="Tips by SMS")).to_be_disabled()
        await page.get_by_role("switch", name="Use SMS").check()
        await expect(page.get_by_role("checkbox", name="Tips by SMS")).to_be_enabled()
        await page.get_by_label("How often").select_option("daily")
        await page.get_by_role("checkbox", name="Likes", exact=True).check()
        await save(page)
        await page.reload()
        await expect(likes).not_to_be_checked()
        await expect(page.get_by_role("checkbox", name="Mentions by E-mail")).to_be_checked()
        await expect(page.get_by_role("switch", name="Use SMS")).to_be_checked()
        await expect(page.get_by_label("How often")).to_have_value("daily")
    kept = await said(api, ann)
    assert (kept["topics"]["likes"]["push"], kept["topics"]["mentions"]["email"]) == (False, True)
    assert (kept["digest"]["mode"], kept["digest"]["topics"]) == ("daily", ["likes"])


async def test_quiet_hours_say_what_they_mean_right_now(browser: Browser, url: str, api: Api) -> None:
    ann = unique("ann")
    until = SystemClock().now() + timedelta(hours=2)
    async with opened(browser) as page:
        await preferences(page, url, ann)
        part = page.get_by_role("region", name="Quiet hours")
        await expect(part.get_by_text("Quiet hours are off: nothing waits.")).to_be_visible()
        await part.get_by_role("switch", name="Quiet hours").check()
        await part.get_by_label("From").fill(f"{until - timedelta(hours=3):%H:%M}")
        await part.get_by_label("To", exact=True).fill(f"{until:%H:%M}")
        sentence = part.locator(".sentence")
        await expect(sentence).to_contain_text(
            f"in UTC: push, SMS, Telegram and e-mail wait until {until:%H:%M}"
        )
        for channel in ("SMS", "Telegram", "E-mail"):
            await part.get_by_role("checkbox", name=channel).uncheck()
        await expect(sentence).to_contain_text(f"in UTC: push waits until {until:%H:%M}")
        await part.get_by_label("Time zone").fill("Europe/Berlin")
        await expect(sentence).to_contain_text("in Berlin:")
        await part.get_by_role("button", name="Add a window").click()
        second = part.get_by_role("group", name="Window 2")
        await second.get_by_role("checkbox", name="Mon").uncheck()
        await second.get_by_label("From").fill("13:00")
        await second.get_by_label("To", exact=True).fill("14:30")
        await part.get_by_role("switch", name="What is urgent comes through").check()
        await save(page)
        await page.reload()
        await expect(second.get_by_label("From")).to_have_value("13:00")
        await expect(second.get_by_role("checkbox", name="Mon")).not_to_be_checked()
        await expect(second.get_by_role("checkbox", name="Tue")).to_be_checked()
    quiet = (await said(api, ann))["quiet_hours"]
    assert (quiet["tz"], quiet["channels"], quiet["allow_immediate"]) == ("Europe/Berlin", ["push"], True)
    assert quiet["windows"][1] == {
        "days": ["tue", "wed", "thu", "fri", "sat", "sun"],
        "from": "13:00",
        "to": "14:30",
    }


async def test_what_is_wrong_is_said_at_its_field(browser: Browser, url: str) -> None:
    async with opened(browser) as page:
        await preferences(page, url, unique("ann"))
        quiet = page.get_by_role("region", name="Quiet hours")
        await quiet.get_by_role("switch", name="Quiet hours").check()
        await quiet.get_by_label("To", exact=True).fill("")
        await quiet.get_by_label("Time zone").fill("Mars/Olympus")
        await expect(quiet.get_by_text("does not know the time zone Mars/Olympus")).to_be_visible()
        await page.get_by_role("button", name="Mute someone").click()
        await page.get_by_role("textbox", name="Id").fill("not a user")
        await page.get_by_role("button", name="Save").click()
        await expect(page.get_by_text("Not saved.")).to_be_visible()
        for field in (
            quiet.get_by_label("To", exact=True),
            quiet.get_by_label("Time zone"),
            page.get_by_role("textbox", name="Id"),
        ):
            await expect(field).to_have_attribute("aria-invalid", "true")
        await expect(quiet.get_by_label("To", exact=True)).to_be_focused()
        await expect(quiet.get_by_text("must be a time of day from 00:00 to 23:59")).to_be_visible()
        assert await stumbling_blocks(page) == []
        await quiet.get_by_label("To", exact=True).fill("07:00")
        await quiet.get_by_label("Time zone").fill("")
        await page.get_by_role("textbox", name="Id").fill("spammer")
        await page.get_by_label("Until (optional)").fill("2099-01-01T00:00")
        await save(page)
        await page.reload()
        await expect(page.get_by_role("textbox", name="Id")).to_have_value("spammer")
        await expect(page.get_by_label("Until (optional)")).to_have_value("2099-01-01T00:00")


async def test_a_mute_without_a_name_asks_for_one(browser: Browser, url: str) -> None:
    async with opened(browser) as page:
        await preferences(page, url, unique("ann"))
        await page.get_by_role("button", name="Mute someone").click()
        await page.get_by_role("button", name="Save").click()
        await expect(page.get_by_role("alert")).to_have_text("Not saved. Muted: say whom or what to mute.")
        await expect(page.get_by_role("textbox", name="Id")).to_be_focused()


async def test_quiet_hours_without_an_end_are_called_so(browser: Browser, url: str) -> None:
    async with opened(browser) as page:
        await preferences(page, url, unique("ann"))
        part = page.get_by_role("region", name="Quiet hours")
        await part.get_by_role("switch", name="Quiet hours").check()
        await part.get_by_label("From").fill("07:00")
        await expect(part.get_by_text("The whole day")).to_be_visible()
        await expect(part.locator(".sentence")).to_contain_text(
            "in UTC: always quiet: push, SMS, Telegram and e-mail wait"
        )
        for day in ("Mon", "Tue"):
            await part.get_by_role("checkbox", name=day).uncheck()
        await expect(part.locator(".sentence")).not_to_contain_text("always")


async def test_unsaved_changes_are_not_lost_by_leaving(browser: Browser, url: str) -> None:
    asked: list[str] = []
    leave = False

    async def answer(dialog: Dialog) -> None:
        asked.append(dialog.type)
        await (dialog.accept() if leave else dialog.dismiss())

    async with opened(browser) as page:
        page.on("dialog", answer)
        await sign_in(page, url, unique("ann"))
        await page.get_by_role("button", name="Your menu").click()
        await page.get_by_role("link", name="Preferences").click()
        likes = page.get_by_role("checkbox", name="Likes by Push")
        await likes.uncheck()
        await page.get_by_role("link", name="Feed", exact=True).click()
        await expect(likes).not_to_be_checked()
        await page.go_back()
        await expect(likes).not_to_be_checked()
        assert asked == ["confirm", "confirm"]
        await expect(page).to_have_url(f"{url}/preferences")
        await page.get_by_role("button", name="Discard").click()
        await expect(likes).to_be_checked()
        await page.get_by_role("link", name="Feed", exact=True).click()
        await expect(page.get_by_role("heading", name="Feed", level=1)).to_be_attached()
        await page.go_back()
        await likes.uncheck()
        leave = True
        await page.get_by_role("link", name="Feed", exact=True).click()
        await expect(page.get_by_role("heading", name="Feed", level=1)).to_be_attached()
        assert asked == ["confirm"] * 3


async def test_addresses_have_a_page_of_their_own(browser: Browser, url: str) -> None:
    async with opened(browser) as page:
        await preferences(page, url, unique("ann"))
        part = page.get_by_role("region", name="Where you can be reached")
        await part.get_by_role("link", name="Addresses and devices").click()
        await expect(page.get_by_role("heading", name="Where you can be reached", level=1)).to_be_visible()
